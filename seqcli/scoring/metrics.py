"""The scores. Every number is named for what it is, and is made of what each row adds to it.

That is what lets a bootstrap draw rows again: a score needs the sums over rows and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from seqcli import registry
from seqcli.scoring.classes import MeanF1
from seqcli.scoring.outcome import Floats, Outcome


class Parts(Protocol):
    """What the N rows of an outcome add to a score."""

    def total(self) -> float:
        """Return the score of all rows."""
        ...

    def resampled(self, times: Floats) -> Floats:
        """Return (R,) scores of R draws, in each of which row i is there ``times[:, i]`` times."""
        ...


@dataclass(frozen=True)
class Ratio:
    """A sum over rows divided by another: (N,) each."""

    parts: ArrayLike
    of: ArrayLike

    @cached_property
    def _columns(self) -> Floats:
        return np.stack([self.parts, self.of], axis=1).astype(np.float64)  # (N, 2)

    def total(self) -> float:
        """Return the ratio of the sums; 0 where there is nothing to divide by."""
        whole = float(np.sum(self.of))
        return float(np.sum(self.parts)) / whole if whole else 0.0

    def resampled(self, times: Floats) -> Floats:
        """Return (R,) ratios of the sums over drawn rows."""
        above, below = (times @ self._columns).T  # (R,) each
        ratios: Floats = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
        return ratios


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
    return None if found is None else Ratio(found.right * found.first, found.first)


def _nearest_edits(outcome: Outcome) -> Parts | None:
    found = outcome.nearest
    if found is None:
        return None
    return Ratio(found.edits * found.first, found.lengths * found.first)


def _mean_f1(outcome: Outcome) -> Parts | None:
    return None if outcome.labels is None else MeanF1(outcome.labels)


def _mean_edits(outcome: Outcome) -> Parts:
    return Ratio(outcome.edits / np.maximum(outcome.truths.lengths, 1), _ones(outcome))


def _token_accuracy(outcome: Outcome) -> Parts:
    """Divide the correct tokens by all positions of truth or prediction.

    Tokens are compared position by position, not aligned. A token that is missing counts as wrong,
    and so does an extra one, so the score is 1 only if every sequence is correct.
    """
    return Ratio(outcome.right_tokens, outcome.positions)


LOSS = Metric("loss", False, _loss)
TOKEN_ACCURACY = Metric("token_accuracy", True, _token_accuracy)
SEQUENCE_ACCURACY = Metric("sequence_accuracy", True, lambda o: Ratio(o.right_rows, _ones(o)))
SEQUENCE_ERROR_RATE = Metric("sequence_error_rate", False, lambda o: Ratio(~o.right_rows, _ones(o)))
SYMBOL_ERROR_RATE = Metric("symbol_error_rate", False, lambda o: Ratio(o.edits, o.truths.lengths))
MEAN_SYMBOL_ERROR_RATE = Metric("mean_symbol_error_rate", False, _mean_edits)
MULTI_REFERENCE_ACCURACY = Metric("multi_reference_accuracy", True, _any_right)
MULTI_REFERENCE_ERROR_RATE = Metric("multi_reference_symbol_error_rate", False, _nearest_edits)
MACRO_F1 = Metric("macro_f1", True, _mean_f1)
