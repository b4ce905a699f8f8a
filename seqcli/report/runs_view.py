"""Show the progress of several runs: one line each on a terminal, else occasional lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from seqcli.events import Progress, RunFailed, RunRestarted, RunStarted
from seqcli.formatting import count, duration, loss, plural, visible
from seqcli.report.console import Out, View
from seqcli.report.live import REFRESH, progress_bar
from seqcli.report.plain import EVERY
from seqcli.report.summary import TimeLeft, epoch_number

if TYPE_CHECKING:
    from typing import Self  # Python 3.11


class RunsView(View):
    """The part of a view that shows the active runs below ``top``.

    Use it in a ``with`` block; what is drawn live is removed at the end of the block.

    Args:
        out: the streams.
        total: the number of runs.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, out: Out, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self.total, self.finished = out, total, 0
        self.top: RenderableType = Text()
        self._clock = clock
        self._active: dict[str, tuple[Progress | None, TimeLeft, float | None]] = {}
        self._begun: set[str] = set()
        self._due = self._drawn = -REFRESH
        self._live: Live | None = None
        if out.live:
            self._live = Live(
                console=out.stderr, auto_refresh=False, transient=True, redirect_stdout=False
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            self.draw()
        return self

    def close(self) -> None:
        """Remove what is drawn live."""
        if self._live is not None:
            self._live.stop()

    @property
    def is_live(self) -> bool:
        """Whether the view is drawn on a terminal."""
        return self._live is not None

    def begin(self, run: str, started: RunStarted) -> None:
        """Show that a run starts or resumes."""
        self._begun.add(run)
        self._active[run] = None, TimeLeft(self._clock), None
        if self._live is None:
            steps = started.steps_done
            resuming = f", resuming after step {count(steps)}" if steps else ""
            parameters = plural(started.parameters, "parameter")
            self.out.info(f"{run}: {started.model}; {parameters}{resuming}")
        self._due = self._clock() + EVERY
        self.draw()

    def advance(self, run: str, progress: Progress) -> None:
        """Show the progress of a run."""
        _, pace, _ = self._active.get(run, (None, TimeLeft(self._clock), None))
        left = pace.estimate(progress)
        self._active[run] = progress, pace, left
        if self._live is None:
            self._report_progress(run, progress, left)
        elif self._clock() - self._drawn >= REFRESH:
            self.draw()

    def end(self, run: str, text: str, seconds: float) -> None:
        """Show that a run ended, described by ``text``, after training for some seconds."""
        self._active.pop(run, None)
        self.finished += 1
        if self._live is None:
            kept = "" if run in self._begun else ", kept"
            done = f"{self.finished}/{self.total}"
            self.out.info(f"{run} ({done}): {text} in {duration(seconds)}{kept}")
        self.draw()

    def restart(self, run: str, restarted: RunRestarted) -> None:
        """Show that the process of a run died, and that the run continues in another one."""
        self._active.pop(run, None)
        number = f"restart {restarted.restart} of at most {restarted.limit}"
        self.out.info(f"{run}: its process was {restarted.cause}; {number}")
        self.draw()

    def fail(self, run: str, failed: RunFailed) -> None:
        """Show that a run failed."""
        self._active.pop(run, None)
        self.finished += 1
        self.out.info(f"{run} ({self.finished}/{self.total}): failed: {failed.message}")
        self.draw()

    def _report_progress(self, run: str, progress: Progress, left: float | None) -> None:
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY
        ahead = "" if left is None else f", {duration(left)} left"
        smoothed = progress.smoothed_loss
        loss_text = "" if smoothed is None else f", smoothed loss {loss(smoothed)}"
        self.out.info(
            f"{run}: epoch {epoch_number(progress)} "
            f"step {count(progress.step)}/{count(progress.steps)}{loss_text}{ahead}"
        )

    def draw(self) -> None:
        """Draw the view, if it is live."""
        if self._live is None:
            return
        self._drawn = self._clock()
        console = self.out.stderr
        done = Text(f"{self.finished:,} of {self.total:,} finished", style="dim")
        bars = [
            progress_bar(console, progress, left, visible(run))
            for run, (progress, _, left) in self._active.items()
        ]
        self._live.update(Group(self.top, Text(), done, *bars), refresh=True)
