"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from seqcli.events import Progress

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values as a row of bars, lowest to highest; long series are averaged to ``width``."""
    if not values:
        return ""
    points = _averaged(values, width) if len(values) > width else list(values)
    low, high = min(points), max(points)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((point - low) * scale)] for point in points)


def _averaged(values: Sequence[float], width: int) -> list[float]:
    edges = [len(values) * i // width for i in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(edges)]
    return [sum(part) / len(part) for part in parts]


def share_done(progress: Progress) -> float:
    """Return how much of the whole run is done, from 0 to 1."""
    trained = progress.phase == "validate"  # the epoch's steps are behind it
    within = 1.0 if trained else progress.step / max(progress.steps, 1)
    return (progress.epoch - 1 + within) / max(progress.epochs, 1)


class Pace:
    """Time left, judged by the time since the first progress (so a resumed run is judged well).

    Args:
        clock: seconds, rising (``time.monotonic``).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._begin: tuple[float, float] | None = None  # when, and the share done then

    def left(self, progress: Progress) -> float | None:
        """Take notice of progress; return the seconds left, or None while nobody can know."""
        now, share = self.clock(), share_done(progress)
        if self._begin is None:
            self._begin = (now, share)
        begun, first = self._begin
        if share <= first:
            return None
        return (now - begun) * (1 - share) / (share - first)
