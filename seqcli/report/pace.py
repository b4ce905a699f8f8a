"""How far a run is and how long it will still take."""

from __future__ import annotations

from collections.abc import Callable

from seqcli.events import Progress


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
