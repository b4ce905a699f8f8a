"""The scores. Every number is named for what it is, and is made of what each row adds to it.

That is what its interval is made of as well: how much the sums differ from source to source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike

from seqcli import registry
from seqcli.arrays.ragged import Index
from seqcli.metrics.classification import MeanF1
from seqcli.metrics.predictions import Floats, Outcome
from seqcli.statistics import (
    MEAN,
    RATE,
    Interval,
    cluster_sums,
    mean_interval,
    rate_interval,
    share_interval,
    share_method,
)


class Parts(Protocol):
    """What the N rows of an outcome add to a score.

    ``clusters`` (N,) in its methods: which source each row has, from 0 without gaps.
    """

    def total(self) -> float:
        """Return the score of all rows."""
        ...

    def interval(self, clusters: Index) -> Interval | None:
        """Return the 95% confidence interval, None where the rows say nothing about it."""
        ...

    def method(self, clusters: Index) -> str:
        """Return how the interval is computed."""
        ...


@dataclass(frozen=True)
class Ratio:
    """A sum over rows divided by another: (N,) each.

    ``kind`` says between which bounds it lies: a share from 0 to 1, where every row adds at most
    what it is divided by, a rate from 0 on, or a mean without bounds.
    """

    parts: ArrayLike
    of: ArrayLike
    kind: Literal["share", "rate", "mean"] = "mean"

    def total(self) -> float:
        """Return the ratio of the sums; 0 where there is nothing to divide by."""
        whole = float(np.sum(self.of))
        return float(np.sum(self.parts)) / whole if whole else 0.0

    def interval(self, clusters: Index) -> Interval | None:
        """Return the 95% confidence interval, None where the rows say nothing about it."""
        return _INTERVALS[self.kind](*self._sums(clusters))

    def method(self, clusters: Index) -> str:
        """Return how the interval is computed."""
        if self.kind == "share":
            return share_method(*self._sums(clusters))
        return RATE if self.kind == "rate" else MEAN

    def _sums(self, clusters: Index) -> tuple[Floats, Floats]:
        """Return (C,) each: the sums over the rows of each cluster that has any weight."""
        parts, of = (
            cluster_sums(np.asarray(column, np.float64), clusters)
            for column in (self.parts, self.of)
        )
        there = of > 0
        return parts[there], of[there]


_INTERVALS = {"share": share_interval, "rate": rate_interval, "mean": mean_interval}


# Scores that are not made of an outcome: whether more is better.
_ELSEWHERE = {
    "bits_per_character": False,
    "perplexity": False,
    "oracle_length_sequence_accuracy": True,
}


@dataclass(frozen=True)
class Metric:
    """A score of an outcome.

    Args:
        name: as in the registry.
        higher: whether more is better.
        parts: what the rows add to it; None where the outcome does not allow of it.
    """

    name: str
    higher: bool
    parts: Callable[[Outcome], Parts | None]

    def score(self, outcome: Outcome) -> float:
        """Return the score of all rows; NaN where the outcome does not allow of it."""
        parts = self.parts(outcome)
        return float("nan") if parts is None else parts.total()


def resolve(name: str, table: Mapping[str, str] = registry.METRICS) -> Metric:
    """Return the metric of a name."""
    metric: Metric = registry.resolve("metric", name, table)
    return metric


def higher_is_better(name: str) -> bool:
    """Return the direction of a metric that a report shows, by its name.

    Raises:
        UsageError: no metric has that name.
    """
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    return resolve(name, {**registry.METRICS, **registry.EVALUATION_METRICS}).higher


def all_parts(outcome: Outcome) -> dict[str, Parts]:
    """Return what the rows add to every score that the outcome allows of, by name."""
    tables = (registry.METRICS, registry.EVALUATION_METRICS)
    metrics = {name: resolve(name, table) for table in tables for name in table}
    found = {name: metric.parts(outcome) for name, metric in metrics.items()}
    return {name: parts for name, parts in found.items() if parts is not None}


def _ones(outcome: Outcome) -> Floats:
    return np.ones(len(outcome))


def _loss(outcome: Outcome) -> Parts | None:
    if outcome.nats is None:
        return None
    return Ratio(outcome.nats, outcome.truths.lengths + 1)  # the end symbol is counted


def _any_right(outcome: Outcome) -> Parts | None:
    found = outcome.nearest
    return None if found is None else Ratio(found.right * found.first, found.first, "share")


def _nearest_edits(outcome: Outcome) -> Parts | None:
    found = outcome.nearest
    if found is None:
        return None
    return Ratio(found.edits * found.first, found.lengths * found.first, "rate")


def _mean_f1(outcome: Outcome) -> Parts | None:
    return None if outcome.labels is None else MeanF1(outcome.labels)


def _mean_edits(outcome: Outcome) -> Parts:
    return Ratio(outcome.edits / np.maximum(outcome.truths.lengths, 1), _ones(outcome), "rate")


def _token_accuracy(outcome: Outcome) -> Parts:
    """Divide the correct tokens by all positions of truth or prediction.

    Tokens are compared position by position, not aligned. A token that is missing counts as wrong,
    and so does an extra one, so the score is 1 only if every sequence is correct.
    """
    return Ratio(outcome.right_tokens, outcome.positions, "share")


LOSS = Metric("loss", False, _loss)
TOKEN_ACCURACY = Metric("token_accuracy", True, _token_accuracy)
SEQUENCE_ACCURACY = Metric(
    "sequence_accuracy", True, lambda o: Ratio(o.right_rows, _ones(o), "share")
)
SEQUENCE_ERROR_RATE = Metric(
    "sequence_error_rate", False, lambda o: Ratio(~o.right_rows, _ones(o), "share")
)
SYMBOL_ERROR_RATE = Metric(
    "symbol_error_rate", False, lambda o: Ratio(o.edits, o.truths.lengths, "rate")
)
MEAN_SYMBOL_ERROR_RATE = Metric("mean_symbol_error_rate", False, _mean_edits)
MULTI_REFERENCE_ACCURACY = Metric("multi_reference_accuracy", True, _any_right)
MULTI_REFERENCE_ERROR_RATE = Metric("multi_reference_symbol_error_rate", False, _nearest_edits)
MACRO_F1 = Metric("macro_f1", True, _mean_f1)
