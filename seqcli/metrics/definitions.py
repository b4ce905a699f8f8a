"""The metrics of the package, each computed from the contributions of all rows.

Confidence intervals are computed from the variance of the same contributions over sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from seqcli import statistics
from seqcli.arrays.ragged import Index
from seqcli.data.baselines import scores
from seqcli.metrics import metric
from seqcli.metrics.classification import MeanF1
from seqcli.metrics.metric import (
    COMPARISON,
    DECIMAL,
    EVALUATION,
    PERCENT,
    RATE,
    Metric,
    Parts,
    metrics,
)
from seqcli.metrics.predictions import Outcome
from seqcli.statistics import (
    MEAN,
    Floats,
    Interval,
    cluster_sums,
    mean_interval,
    rate_interval,
    share_interval,
    share_method,
)


@dataclass(frozen=True)
class Ratio:
    """A sum over rows divided by another sum: (N,) each.

    ``kind`` determines the bounds: a share is from 0 to 1, and no row contributes more to the
    numerator than to the denominator; a rate is at least 0; a mean has no bounds.
    """

    parts: ArrayLike
    of: ArrayLike
    kind: Literal["share", "rate", "mean"] = "mean"

    def total(self) -> float:
        """Return the ratio of the sums; 0 if the divisor is 0."""
        whole = float(np.sum(self.of))
        return float(np.sum(self.parts)) / whole if whole else 0.0

    def interval(self, clusters: Index) -> Interval | None:
        """Return the 95% confidence interval; None if the rows do not determine one."""
        return _INTERVALS[self.kind](*self._sums(clusters))

    def method(self, clusters: Index) -> str:
        """Return the name of the interval's method."""
        if self.kind == "share":
            return share_method(*self._sums(clusters))
        return statistics.RATE if self.kind == "rate" else MEAN

    def _sums(self, clusters: Index) -> tuple[Floats, Floats]:
        """Return (C,) each: the sums over the rows of each cluster with a positive weight."""
        parts, of = (
            cluster_sums(np.asarray(column, np.float64), clusters)
            for column in (self.parts, self.of)
        )
        weighted = of > 0
        return parts[weighted], of[weighted]


_INTERVALS = {"share": share_interval, "rate": rate_interval, "mean": mean_interval}


def all_parts(outcome: Outcome) -> dict[str, Parts]:
    """Return metric name -> contributions of the rows, for metrics defined for the outcome."""
    computed = {one.name: one.parts(outcome) for one in metrics() if one.parts is not None}
    return {name: parts for name, parts in computed.items() if parts is not None}


def _ones(outcome: Outcome) -> Floats:
    return np.ones(len(outcome))


def _loss(outcome: Outcome) -> Parts | None:
    if outcome.nats is None:
        return None
    return Ratio(outcome.nats, outcome.truths.lengths + 1)  # <eos> is counted


def _token_accuracy(outcome: Outcome) -> Parts:
    return Ratio(outcome.right_tokens, outcome.positions, "share")


def _sequence_accuracy(outcome: Outcome) -> Parts:
    return Ratio(outcome.right_rows, _ones(outcome), "share")


def _sequence_error_rate(outcome: Outcome) -> Parts:
    return Ratio(~outcome.right_rows, _ones(outcome), "share")


def _token_error_rate(outcome: Outcome) -> Parts:
    return Ratio(outcome.edits, outcome.truths.lengths, "rate")


def _mean_token_error_rate(outcome: Outcome) -> Parts:
    return Ratio(outcome.edits / np.maximum(outcome.truths.lengths, 1), _ones(outcome), "rate")


def _multi_reference_accuracy(outcome: Outcome) -> Parts | None:
    nearest = outcome.nearest
    return None if nearest is None else Ratio(nearest.right * nearest.first, nearest.first, "share")


def _multi_reference_error_rate(outcome: Outcome) -> Parts | None:
    nearest = outcome.nearest
    if nearest is None:
        return None
    return Ratio(nearest.edits * nearest.first, nearest.lengths * nearest.first, "rate")


def _macro_f1(outcome: Outcome) -> Parts | None:
    return None if outcome.labels is None else MeanF1(outcome.labels)


LOSS = Metric(
    "loss",
    "loss",
    higher_is_better=False,
    definition="Cross-entropy in nats per token, teacher forced, <eos> included.",
    parts=_loss,
    unit="nats per token",
    tables=frozenset({metric.TRAINING, EVALUATION}),
)
TOKEN_ACCURACY = Metric(
    "token_accuracy",
    "token accuracy",
    higher_is_better=True,
    format=PERCENT,
    definition=(
        "Correct tokens over all positions of truth or prediction, whichever is longer; compared "
        "position by position, so a missing token and an extra token both count as wrong."
    ),
    parts=_token_accuracy,
    header="token acc",
)
SEQUENCE_ACCURACY = Metric(
    "sequence_accuracy",
    "sequence accuracy",
    higher_is_better=True,
    format=PERCENT,
    definition="Share of rows whose prediction equals the truth.",
    parts=_sequence_accuracy,
    header="seq. acc",
)
SEQUENCE_ERROR_RATE = Metric(
    "sequence_error_rate",
    "sequence error rate",
    higher_is_better=False,
    format=PERCENT,
    definition="Share of rows whose prediction differs from the truth.",
    parts=_sequence_error_rate,
    tables=frozenset({EVALUATION}),
)
TOKEN_ERROR_RATE = Metric(
    "token_error_rate",
    "token error rate",
    higher_is_better=False,
    format=RATE,
    definition="Edits (Levenshtein distance, in tokens) over all reference tokens.",
    parts=_token_error_rate,
    header="token err",
    tables=frozenset({EVALUATION}),
)
MEAN_TOKEN_ERROR_RATE = Metric(
    "mean_token_error_rate",
    "mean token error rate",
    higher_is_better=False,
    format=RATE,
    definition="Mean over rows of edits per reference token.",
    parts=_mean_token_error_rate,
    tables=frozenset({EVALUATION}),
)
MULTI_REFERENCE_ACCURACY = Metric(
    "multi_reference_accuracy",
    "accuracy per source",
    higher_is_better=True,
    format=PERCENT,
    definition="Share of sources whose prediction equals any of their references.",
    parts=_multi_reference_accuracy,
    tables=frozenset(),  # shown in a separate table
)
MULTI_REFERENCE_ERROR_RATE = Metric(
    "multi_reference_token_error_rate",
    "token error rate per source",
    higher_is_better=False,
    format=RATE,
    definition="Edits to the nearest reference of each source over the tokens of that reference.",
    parts=_multi_reference_error_rate,
    tables=frozenset(),
)
MACRO_F1 = Metric(
    "macro_f1",
    "macro F1",
    higher_is_better=True,
    format=PERCENT,
    definition="Unweighted mean of the F1 of each class that occurs as a truth.",
    parts=_macro_f1,
    tables=frozenset({EVALUATION}),
)
ORACLE_LENGTH_ACCURACY = Metric(
    "oracle_length_sequence_accuracy",
    "sequence accuracy, oracle length",
    higher_is_better=True,
    format=PERCENT,
    definition="Sequence accuracy when the reference length is given to the model.",
    header="seq. acc\noracle length",
    tables=frozenset({COMPARISON}),
)
BITS_PER_CHARACTER = Metric(
    "bits_per_character",
    "bits per character",
    higher_is_better=False,
    format=DECIMAL,
    definition="The loss in bits per token, <eos> included.",
    from_loss=lambda loss: scores(loss)["bits_per_character"],
    unit="<eos> included",
    header="bits/char",
)
PERPLEXITY = Metric(
    "perplexity",
    "perplexity",
    higher_is_better=False,
    format=DECIMAL,
    definition="exp(loss), <eos> included.",
    from_loss=lambda loss: scores(loss)["perplexity"],
    unit="<eos> included",
)
