"""Match the results of a suite with published results."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.comparison.summary import ArmSummary, Comparison, Spread, rows_in, spread_of
from seqcli.config.suite_file import Entry, Published
from seqcli.metrics.metric import find


@dataclass(frozen=True)
class PublishedResult:
    """A published result and ours; ``ours`` is None without a matching arm or rows."""

    comparison: str
    published: Published
    ours: Spread | None


@dataclass(frozen=True)
class SuiteResult:
    """The comparisons of a suite, and their results next to published ones."""

    name: str
    about: str
    folder: str
    comparisons: tuple[Comparison, ...]
    rows: tuple[PublishedResult, ...]


def with_published(entry: Entry, comparison: Comparison) -> list[PublishedResult]:
    """Pair each published result of a comparison with ours."""
    arms = {one.arm: one for one in comparison.arms}
    return [
        PublishedResult(entry.name, one, _ours(arms[one.arm], one) if one.arm in arms else None)
        for one in entry.published
    ]


def _ours(arm: ArmSummary, published: Published) -> Spread | None:
    """Return our value of the same metric; scopes have only sequence accuracy."""
    if published.scope == "test":
        return arm.scores.get(published.metric) if arm.first.split == "test" else None
    values = []
    for result in arm.results:
        rows, inside = rows_in(result, published.scope)
        if not inside.any() or published.metric != "sequence_accuracy":
            return None
        values.append(float(np.asarray(rows.score)[inside].mean()))
    return spread_of(values, find(published.metric))
