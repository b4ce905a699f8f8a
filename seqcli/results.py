"""What scoring and predicting give back: plain records of numbers, text and NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
class Evaluation:
    """How good a model is on one split.

    ``metrics``: loss (nats per token, teacher forced, the end symbol counted), token_accuracy and
    sequence_accuracy (free running), symbol_error_rate (edits over reference symbols).
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
