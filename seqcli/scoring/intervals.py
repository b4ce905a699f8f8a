"""How far a score can be trusted: a 95% confidence interval for rows to come.

Rows of one source are right or wrong together, so sources are the units that count. The methods
are those of `seqcli.statistics.intervals`, and every metric names its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from seqcli.data.ragged import Index
from seqcli.scoring.metrics import Parts
from seqcli.statistics.intervals import Interval


def intervals(parts: Mapping[str, Parts], sources: Index) -> dict[str, Interval | None]:
    """Return the interval of each score; None where rows of a single source say nothing.

    Args:
        parts: what the N rows add to each score.
        sources: (N,) which source each row has, from 0 without gaps.
    """
    return {name: part.interval(sources) for name, part in parts.items()}


def interval_methods(parts: Mapping[str, Parts], sources: Index) -> dict[str, str]:
    """Return the name of the method of each interval; arguments as for `intervals`."""
    return {name: part.method(sources) for name, part in parts.items()}
