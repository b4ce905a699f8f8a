"""Progress in a notebook: one line with a bar, which is updated while runs are trained."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from html import escape
from typing import Any

from seqcli.comparison.run_result import RunResult
from seqcli.events import EpochEnded, Event, Finished, Progress, RunFailed
from seqcli.formatting import count, duration, percent, plural, visible
from seqcli.report.live import progress_texts
from seqcli.report.summary import TimeLeft, share_done, validation_scores

REFRESH = 0.5  # minimum seconds between two updates


def in_notebook() -> bool:
    """Return whether the program runs in a notebook (IPython's kernel)."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class _Line:
    """A line with a bar in the output of a cell, updated at most every `REFRESH` seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._due = clock, -REFRESH
        self._handle: Any = None

    def show(self, share: float, text: str, *, last: bool = False) -> None:
        """Show a completed fraction and a text; the last one without the bar."""
        if not last and self._clock() < self._due:
            return
        self._due = self._clock() + REFRESH
        bar = "" if last else f'<progress value="{share:.4f}" max="1"></progress> '
        shown = {"text/html": bar + escape(visible(text)), "text/plain": visible(text)}
        if self._handle is None:
            from IPython.display import display

            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


class NotebookProgress:
    """A listener that shows the progress of a run in a notebook."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._line, self._left, self._scores = _Line(clock), TimeLeft(clock), ""

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if isinstance(event, Progress):
            before, after = progress_texts(event, self._left.estimate(event))
            self._line.show(share_done(event), f"{before.strip()}{after}{self._scores}")
        elif isinstance(event, EpochEnded):
            scores = validation_scores(event.metrics)
            self._scores = f"; validation {scores}" if scores else ""
        elif isinstance(event, Finished):
            from seqcli.report.run_page import ending

            self._line.show(1, ending(event), last=True)


class NotebookRuns:
    """A watcher that shows how many runs of a comparison are finished, in a notebook.

    Args:
        total: the number of runs.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._line, self._total, self._clock = _Line(clock), total, clock
        self._shares: dict[str, float] = {}
        self._started = clock()

    def __call__(self, run: str, event: Event | RunResult) -> None:
        """Handle an event of a run, or its result."""
        if isinstance(event, Progress):
            self._shares[run] = min(share_done(event), 0.999)  # 1: it has a result
        elif isinstance(event, RunResult | RunFailed):
            self._shares[run] = 1.0
        else:
            return
        done = sum(share == 1 for share in self._shares.values())
        share = sum(self._shares.values()) / self._total
        is_last, took = done == self._total, duration(self._clock() - self._started)
        text = f"{count(done)} of {plural(self._total, 'run')} finished"
        text += f" in {took}" if is_last else f", {percent(share)}"
        self._line.show(share, text, last=is_last)
