"""What scoring and predicting give back: plain records of numbers, text and NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """One text drawn from a model, or found by its search.

    ``log_probability``: nats over all its symbols and the stop symbol, where asked for.
    ``ended``: whether the model brought it to its end; False where it was cut.
    ``source``, ``line``: what a model of pairs was given, and on which line, from 1.
    """

    text: str
    ended: bool
    log_probability: float | None = None
    source: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Samples:
    """Texts drawn from a model.

    ``seed`` draws the same again; None where nothing was drawn at random. ``draws``: how many
    texts were drawn to get these; ``notes``: why there are fewer than asked for.
    """

    samples: tuple[Sample, ...]
    seed: int | None
    draws: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class NextSymbol:
    """A symbol that may come next, or the end (``symbol`` is None), and how likely it is."""

    symbol: str | None
    probability: float


@dataclass(frozen=True)
class AttentionMap:
    """Where the decoder looked: weights (T, S), one row per output symbol (the last is the end)."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """One answer. ``log_probability``: sum of nats over its symbols and the end symbol.

    ``score``: what beam search ranks by, the log-probability over length ** length_penalty.
    """

    text: str
    log_probability: float
    score: float


@dataclass(frozen=True)
class Prediction:
    """The answers to one line, best first; ``unknown``: its symbols that training never saw."""

    source: str
    candidates: tuple[Candidate, ...]
    unknown: tuple[str, ...] = ()
    attention: AttentionMap | None = None


@dataclass(frozen=True)
class ScoredRow:
    """One evaluated row, as symbols (so that errors can be marked one by one)."""

    source: tuple[str, ...]
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    correct: bool
    edits: int  # Levenshtein distance between truth and prediction, in symbols


@dataclass(frozen=True)
class LengthBin:
    """Accuracy on the rows whose source length is in ``low..high`` (inclusive)."""

    low: int
    high: int
    rows: int
    token_accuracy: float
    sequence_accuracy: float


@dataclass(frozen=True)
class Novelty:
    """What a language model's texts are, judged by some that were drawn with a fixed seed.

    ``shares``: "new" (in none of the data), "repeated" (drawn before), "in_train", "in_val",
    "in_test" (rows it was trained with), "in_data" (rows of another file).
    """

    drawn: int
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on one split.

    ``metrics``: loss (nats per token, teacher forced, the end symbol counted), token_accuracy and
    sequence_accuracy (free running), symbol_error_rate (edits over reference symbols); of a
    language model: loss, bits_per_character and perplexity, the end symbol counted in all three.
    ``beam`` is 0 where nothing was searched for.
    ``floors``: baseline name -> metric name -> score.
    """

    checkpoint: str
    data: str
    split: str
    rows: int
    beam: int
    length_penalty: float
    metrics: Mapping[str, float]
    floors: Mapping[str, Mapping[str, float]]
    by_length: tuple[LengthBin, ...]
    predictions: tuple[ScoredRow, ...]
    seconds: float
    source_joiner: str = " "  # how symbols make a text: "" for characters
    target_joiner: str = " "
    notes: tuple[str, ...] = ()
    novelty: Novelty | None = None  # of a language model
