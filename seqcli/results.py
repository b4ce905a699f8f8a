"""What scoring and predicting give back: plain records of numbers, text and NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """One text drawn from a model, or found by its search.

    ``log_probability``: nats over all its tokens and ``<eos>``, where asked for.
    ``ended``: False where it was truncated at the maximum length: the log-probability is that of
    ending there all the same.
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
    """Where the decoder looked: weights (T + 1, S) for T output tokens, and for the end."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """One answer. ``log_probability``: sum of nats over its tokens and ``<eos>``.

    ``truncated``: it has as many tokens as an answer may have, so the model might have gone on;
    the log-probability is that of ending there all the same. ``score``: what beam search ranks by,
    the log-probability over length ** length_penalty.
    """

    text: str
    log_probability: float
    score: float
    truncated: bool = False


@dataclass(frozen=True)
class Prediction:
    """The answers to one line, best first; ``unknown``: its symbols that training never saw.

    ``note``: what is wrong with its columns, in words; empty where nothing is.
    ``problem``: why the line cannot be answered, in words; empty where it can.
    """

    source: str
    candidates: tuple[Candidate, ...]
    unknown: tuple[str, ...] = ()
    attention: AttentionMap | None = None
    note: str = ""
    problem: str = ""


@dataclass(frozen=True)
class ScoredRow:
    """One evaluated row, as symbols (so that errors can be marked one by one).

    ``features``: those of the source, such as ``N;ACC;PL``, where the model takes any.
    """

    source: tuple[str, ...]
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    correct: bool
    edits: int  # Levenshtein distance between truth and prediction, in symbols
    features: str = ""

    def line(self, joiner: str) -> str:
        """Return the source as `predict` takes it; ``joiner`` is between its symbols."""
        text = joiner.join(self.source)
        return f"{text}\t{self.features}" if self.features else text


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
class Subset:
    """Scores on some of the rows."""

    name: str
    rows: int
    token_accuracy: float
    sequence_accuracy: float
    token_error_rate: float


@dataclass(frozen=True)
class References:
    """How many sources there are, how many have several right answers, and what that costs.

    ``ceiling``: the sequence accuracy, row by row, that one answer to each source can reach.
    """

    sources: int
    several: int
    ceiling: float


@dataclass(frozen=True)
class Confusion:
    """One kind of edit: a symbol taken for another, left out (no ``prediction``), or one too many
    (no ``truth``)."""

    truth: str | None
    prediction: str | None
    count: int


@dataclass(frozen=True)
class Edits:
    """The fewest edits from the truths to the predictions, the most frequent kinds first."""

    substitutions: int
    deletions: int
    insertions: int
    commonest: tuple[Confusion, ...]


@dataclass(frozen=True)
class ClassScore:
    """How well one label is found; ``predicted``: how often it is given.

    ``precision`` is None where it is never given.
    """

    label: str
    rows: int
    predicted: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True)
class Classes:
    """Answers that are labels: (C, C + X) counts, a row a truth, a column a prediction.

    ``labels`` (C + X,): the C labels that occur as a truth, then those that are only predicted;
    None stands for predictions that are no label at all.
    """

    labels: tuple[str | None, ...]
    matrix: tuple[tuple[int, ...], ...]
    scores: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Scores:
    """All that is said of answers, and can be said again of a file that holds them.

    ``metrics``: loss (nats per token, teacher forced, ``<eos>`` included), token_accuracy (tokens
    right at their position, over the longer of truth and prediction) and sequence_accuracy (both
    free running), token_error_rate (edits over reference tokens) and what else the rows allow of;
    of a language model: loss, bits_per_character and perplexity, ``<eos>`` included in all three.
    ``intervals``: metric -> its 95% interval, None where all rows have one source;
    ``interval_methods``: metric -> how it is computed. ``baselines``: baseline name ->
    metric name -> score.
    """

    rows: int
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    by_length: tuple[LengthBin, ...] = ()
    predictions: tuple[ScoredRow, ...] = ()
    source_joiner: str = " "  # how symbols make a text: "" for characters
    target_joiner: str = " "
    notes: tuple[str, ...] = ()
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    interval_methods: Mapping[str, str] = field(default_factory=dict)
    references: References | None = None
    by_unseen: tuple[Subset, ...] = ()
    edits: Edits | None = None
    classes: Classes | None = None


@dataclass(frozen=True)
class Evaluation(Scores):
    """How good a model is on one split.

    ``beam`` is 0 where nothing was searched for. ``checkpoint`` is empty where a file of
    predictions was scored, which is ``data`` then.
    """

    checkpoint: str = ""
    data: str = ""
    split: str = ""
    beam: int = 0
    length_penalty: float = 0.0
    seconds: float = 0.0
    novelty: Novelty | None = None  # of a language model


@dataclass(frozen=True)
class Side:
    """One side of a model: the symbols it knows, and how texts are cut into them."""

    tokens: str
    symbols: tuple[str, ...]
    longest: int  # symbols of the longest row of training


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says about itself.

    ``model``: in words; ``parameters``: numbers in its weights, ``megabytes``: of the file.
    ``source``: None for a language model. ``data``: the name, and where it came from, ``rows`` and
    ``sha256`` of its files among it. ``settings``: key -> (value, where it was set), for those that
    were. ``resumable``: whether training can go on from it. ``metrics``: of epoch ``epoch``, 0
    where the checkpoint does not say which. ``baselines``: split -> name -> metric ->
    score. ``next``: commands to type.
    """

    path: str
    version: str
    model: str
    parameters: int
    megabytes: float
    backend: str
    source: Side | None
    target: Side
    form: Mapping[str, str | bool]
    data: Mapping[str, Any]
    settings: Mapping[str, tuple[Any, str]]
    epoch: int
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]]
    resumable: bool
    next: tuple[str, ...]


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and how it was compared with the original.

    ``files``: their paths. ``rows``, ``steps``: what was compared; ``largest_difference``: between
    two numbers, weights or logits. ``notes``: what else there is to say.
    """

    to: str
    files: tuple[str, ...]
    rows: int
    steps: int
    largest_difference: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskInfo:
    """What a task is.

    ``options``: name, default and meaning of each; ``about``: its definition and where it is from.
    """

    name: str
    summary: str
    example: tuple[str, str]
    about: str
    options: tuple[tuple[str, Any, str], ...]
