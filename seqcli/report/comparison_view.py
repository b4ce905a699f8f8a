"""The view of a comparison that is on: bars of the runs, and the table filling."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from seqcli.comparison.outcome import RunResult
from seqcli.events import Event, Progress, RunStarted
from seqcli.report.comparison_table import SPLITS, comparison_table
from seqcli.report.console import Out
from seqcli.report.formats import duration, loss, percent, visible
from seqcli.report.live import REFRESH, progress_bar
from seqcli.report.pace import Pace
from seqcli.report.plain import EVERY
from seqcli.report.tables import rich_table

if TYPE_CHECKING:
    from seqcli.comparison.plan import PlannedRun


class ComparisonView:
    """Told what happens in the runs; draws on a terminal, else writes a plain line now and then.

    Use it with ``with``: the picture goes when the block is left.
    """

    def __init__(
        self,
        out: Out,
        runs: Sequence[PlannedRun],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.out, self._clock = out, clock
        self._arms = list(dict.fromkeys(run.arm for run in runs))
        self._all = len(runs)
        self._on: dict[str, tuple[Progress | None, Pace, float | None]] = {}
        self._results: list[RunResult] = []
        self._begun: set[str] = set()
        self._due = self._drawn = -REFRESH
        self._table: RenderableType = Text()
        self._live: Live | None = None
        if out.live:
            self._live = Live(
                console=out.talk, auto_refresh=False, transient=True, redirect_stdout=False
            )

    def __enter__(self) -> ComparisonView:
        if self._live is not None:
            self._live.start()
            self._fill()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the picture away."""
        if self._live is not None:
            self._live.stop()

    def __call__(self, run: str, told: Event | RunResult) -> None:
        """Take an event of a run, or its result."""
        if isinstance(told, RunResult):
            self._end(run, told)
        elif isinstance(told, RunStarted):
            self._begin(run, told)
        elif isinstance(told, Progress):
            self._advance(run, told)

    def _begin(self, run: str, told: RunStarted) -> None:
        self._begun.add(run)
        self._on[run] = None, Pace(self._clock), None
        if self._live is None:
            again = f", goes on after step {told.steps_done:,}" if told.steps_done else ""
            self.out.say(f"{run}: {told.model}; {told.parameters:,} parameters{again}")
        self._due = self._clock() + EVERY
        self._draw()

    def _advance(self, run: str, told: Progress) -> None:
        _, pace, _ = self._on.get(run, (None, Pace(self._clock), None))
        left = pace.left(told)
        self._on[run] = told, pace, left
        if self._live is None:
            self._say_progress(run, told, left)
        elif self._clock() - self._drawn >= REFRESH:
            self._draw()

    def _say_progress(self, run: str, told: Progress, left: float | None) -> None:
        if self._clock() < self._due:
            return
        self._due = self._clock() + EVERY
        ahead = "" if left is None else f", {duration(left)} left"
        falling = (
            "" if told.smoothed_loss is None else f", smoothed loss {loss(told.smoothed_loss)}"
        )
        self.out.say(
            f"{run}: epoch {told.epoch:,}/{told.epochs:,} step {told.step:,}/{told.steps:,}"
            f"{falling}{ahead}"
        )

    def _end(self, run: str, result: RunResult) -> None:
        self._on.pop(run, None)
        self._results.append(result)
        if self._live is None:
            kept = "" if run in self._begun else ", kept"
            done = f"{len(self._results)}/{self._all}"
            self.out.say(f"{run} ({done}): {_score(result)} in {duration(result.seconds)}{kept}")
            return
        self._fill()

    def _fill(self) -> None:
        """Lay out the table anew."""
        from seqcli.comparison.standing import stand  # NumPy, once there is something to stand

        standings = stand(self._results) if self._results else []
        there = {one.arm for one in standings}
        waiting = [arm for arm in self._arms if arm not in there]
        table = comparison_table(standings, waiting, self.out.talk.width)
        self._table = rich_table(table)
        self._draw()

    def _draw(self) -> None:
        if self._live is None:
            return
        self._drawn = self._clock()
        console = self.out.talk
        done = Text(f"{len(self._results):,} of {self._all:,} finished", style="dim")
        bars = [
            progress_bar(console, progress, left, visible(run))
            for run, (progress, _, left) in self._on.items()
        ]
        self._live.update(Group(self._table, Text(), done, *bars), refresh=True)


def _score(result: RunResult) -> str:
    """Return the score of a run in words."""
    scores, split = result.scores, SPLITS[result.split]
    if result.language:
        return f"{split} {loss(scores['bits_per_character'])} bits per character"
    sequence, token = scores["sequence_accuracy"], scores["token_accuracy"]
    return f"{split} sequence accuracy {percent(sequence)}, token accuracy {percent(token)}"
