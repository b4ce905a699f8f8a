"""Our numbers beside published ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqcli.comparison.summary import Comparison, Spread, Standing, rows_in, spread_of
from seqcli.config.suite_file import Entry, Published
from seqcli.metrics.metric import higher_is_better


@dataclass(frozen=True)
class Beside:
    """A published number and ours: None where we have no such arm or no such rows."""

    comparison: str
    published: Published
    ours: Spread | None


@dataclass(frozen=True)
class SuiteOutcome:
    """What a suite came to."""

    name: str
    about: str
    folder: str
    comparisons: tuple[Comparison, ...]
    rows: tuple[Beside, ...]


def beside(entry: Entry, comparison: Comparison) -> list[Beside]:
    """Return each published number of a comparison with ours."""
    arms = {one.arm: one for one in comparison.standings}
    return [
        Beside(entry.name, one, _ours(arms[one.arm], one) if one.arm in arms else None)
        for one in entry.published
    ]


def _ours(standing: Standing, published: Published) -> Spread | None:
    """Return our score on the same metric; in a scope only sequence accuracy is known."""
    if published.scope == "test":
        return standing.scores.get(published.metric) if standing.first.split == "test" else None
    values = []
    for result in standing.results:
        rows, inside = rows_in(result, published.scope)
        if not inside.any() or published.metric != "sequence_accuracy":
            return None
        values.append(float(np.asarray(rows.score)[inside].mean()))
    return spread_of(values, higher_is_better(published.metric))
