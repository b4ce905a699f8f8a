"""Results of evaluation, prediction and sampling, as records of numbers, text and arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


class HtmlShown:
    """A result that a notebook shows as HTML.

    Attributes:
        view: returns the HTML of a result; set by `seqcli.api.views`.
    """

    view: ClassVar[Callable[[Any], str | None] | None] = None

    def _repr_html_(self) -> str | None:
        return None if HtmlShown.view is None else HtmlShown.view(self)


@dataclass(frozen=True)
class Sample:
    """A text sampled from a model, or found by beam search.

    ``log_probability``: in nats, over all tokens and ``<eos>``, if requested.
    ``ended``: False if the text was truncated at the maximum length (the log-probability still
    includes ``<eos>``).
    ``source``, ``line``: the input of a model of pairs, and its line from 1.
    """

    text: str
    ended: bool
    log_probability: float | None = None
    source: str | None = None
    line: int = 0


@dataclass(frozen=True, repr=False)
class Samples:
    """Texts sampled from a model.

    ``seed`` reproduces them; None if nothing was random. ``draws``: the number of texts sampled to
    get these; ``notes``: why there are fewer than requested.
    """

    samples: tuple[Sample, ...]
    seed: int | None
    draws: int
    notes: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts alone."""
        return tuple(one.text for one in self.samples)

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self.texts[:5])) + ", ..." * (len(self.texts) > 5)
        return f"Samples({len(self.texts):,}: {shown})"


@dataclass(frozen=True)
class NextToken:
    """A possible next token, or ``<eos>`` (``token`` is None), with its probability."""

    token: str | None
    probability: float


@dataclass(frozen=True, repr=False)
class AttentionMap(HtmlShown):
    """Attention weights (T + 1, S) of T predicted tokens and ``<eos>`` over S source tokens.

    A truncated prediction has no ``<eos>``: its weights are (T, S).
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: NDArray[np.float32]

    def __repr__(self) -> str:
        rows, columns = self.weights.shape
        return f"AttentionMap({rows} target tokens x {columns} source tokens)"


@dataclass(frozen=True)
class Candidate:
    """A predicted target. ``log_probability``: in nats, over its tokens and ``<eos>``.

    ``truncated``: whether it reached the maximum length before ``<eos>`` (the log-probability still
    includes ``<eos>``). ``score``: the score of beam search, log-probability divided by
    length ** length_penalty. ``tokens``: its tokens and ``<eos>`` with their probabilities, if
    requested.
    """

    text: str
    log_probability: float
    score: float
    truncated: bool = False
    tokens: tuple[NextToken, ...] = ()


@dataclass(frozen=True, repr=False)
class Prediction(HtmlShown):
    """The predictions for one line, best first; ``unknown``: its tokens not in the training data.

    ``note``: a problem of its columns; "" if none.
    ``problem``: why the line has no prediction; "" if it has one.
    ``known``: whether the candidates are those of a lexicon.
    """

    source: str
    candidates: tuple[Candidate, ...]
    unknown: tuple[str, ...] = ()
    attention: AttentionMap | None = None
    note: str = ""
    problem: str = ""
    known: bool = False

    def __repr__(self) -> str:
        if not self.candidates:
            return f"Prediction({self.source!r}: {self.problem or 'no prediction'})"
        best = self.candidates[0]
        more = f", {len(self.candidates)} candidates" if len(self.candidates) > 1 else ""
        share = math.exp(min(best.log_probability, 0.0))
        return f"Prediction({self.source!r} -> {best.text!r}, probability {share:.4f}{more})"


@dataclass(frozen=True)
class Suspect:
    """A training row with a high loss: possibly an error in the data.

    ``loss``: nats per target token, ``<eos>`` included. ``source``: "" for a language model.
    """

    loss: float
    source: str
    target: str


@dataclass(frozen=True)
class ScoredRow:
    """An evaluated row as tokens, so that individual errors can be marked.

    ``features``: features of the source, such as ``N;ACC;PL``, if the model uses them.
    """

    source: tuple[str, ...]
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    correct: bool
    edits: int  # Levenshtein distance between truth and prediction, in tokens
    features: str = ""

    def line(self, joiner: str) -> str:
        """Return the source in the input format of `predict`; ``joiner`` joins its tokens."""
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
    """The novelty of texts sampled from a language model with a fixed seed.

    ``shares``: fractions of texts that are "new" (not in the data), "repeated" (sampled before),
    "in_train", "in_val", "in_test" (in a split of the run's data), "in_data" (in another file).
    """

    drawn: int
    shares: Mapping[str, float]


@dataclass(frozen=True)
class Subset:
    """Scores on a subset of the rows."""

    name: str
    rows: int
    token_accuracy: float
    sequence_accuracy: float
    token_error_rate: float


@dataclass(frozen=True)
class Group:
    """Scores of the rows with one value of the features column; see `Scores` for the fields."""

    value: str
    rows: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class References:
    """The number of sources, and of sources with multiple references.

    ``ceiling``: the upper bound of sequence accuracy with one prediction per source.
    """

    sources: int
    several: int
    ceiling: float


@dataclass(frozen=True)
class Confusion:
    """A kind of edit: substitution, deletion (``prediction`` is None) or insertion (``truth`` is
    None)."""

    truth: str | None
    prediction: str | None
    count: int


@dataclass(frozen=True)
class Edits:
    """The minimal edits from the truths to the predictions, the most frequent kinds first."""

    substitutions: int
    deletions: int
    insertions: int
    commonest: tuple[Confusion, ...]


@dataclass(frozen=True)
class ClassScore:
    """Scores of one label; ``predicted``: how often it is predicted.

    ``precision`` is None if it is never predicted.
    """

    label: str
    rows: int
    predicted: int
    precision: float | None
    recall: float
    f1: float


@dataclass(frozen=True)
class Classes:
    """Results of classification: a (C, C + X) confusion matrix, truth by prediction.

    ``labels`` (C + X,): the C labels of the truth, then labels that are only predicted; None for
    predictions that are not a label.
    """

    labels: tuple[str | None, ...]
    matrix: tuple[tuple[int, ...], ...]
    scores: tuple[ClassScore, ...]


@dataclass(frozen=True)
class Scores:
    """Scores of predictions, computed from a model or from a file of predictions.

    ``metrics``: loss (nats per token, teacher forced, ``<eos>`` included), token_accuracy (tokens
    correct at their position, over the longer of truth and prediction) and sequence_accuracy (both
    free running), token_error_rate (edits over reference tokens) and others that are defined for
    the rows; for a language model: loss, bits_per_character and perplexity, all with ``<eos>``.
    ``intervals``: metric -> its 95% interval, None if all rows have one source;
    ``interval_methods``: metric -> how it is computed. ``baselines``: baseline name ->
    metric name -> score. ``by_features``: scores of each value of the features column, most rows
    first, if requested.
    """

    rows: int
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    by_length: tuple[LengthBin, ...] = ()
    predictions: tuple[ScoredRow, ...] = ()
    source_joiner: str = " "  # joins tokens to a text: "" for characters
    target_joiner: str = " "
    notes: tuple[str, ...] = ()
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    interval_methods: Mapping[str, str] = field(default_factory=dict)
    references: References | None = None
    by_unseen: tuple[Subset, ...] = ()
    by_features: tuple[Group, ...] = ()
    edits: Edits | None = None
    classes: Classes | None = None


@dataclass(frozen=True, repr=False)
class Evaluation(Scores, HtmlShown):
    """Scores of a model on one split.

    ``beam`` is 0 if there was no search. ``checkpoint`` is "" if a file of predictions was scored;
    ``data`` is then that file. ``members``: the checkpoints of an ensemble.
    """

    checkpoint: str = ""
    members: tuple[str, ...] = ()
    data: str = ""
    split: str = ""
    beam: int = 0
    length_penalty: float = 0.0
    seconds: float = 0.0
    novelty: Novelty | None = None  # of a language model

    def __repr__(self) -> str:
        scores = ", ".join(f"{name}={value:.4g}" for name, value in self.metrics.items())
        what = " on ".join(filter(None, (self.checkpoint, self.data)))
        split = f", {self.split}" if self.split else ""
        return f"Evaluation({what}{split}: {self.rows:,} rows, {scores})"
