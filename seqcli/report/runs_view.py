"""Show the progress of several runs: those of a comparison, or the members of an ensemble.

Each run is one line on a terminal; elsewhere there are occasional lines.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from seqcli.comparison.run_result import RunResult
from seqcli.events import (
    EnsembleFinished,
    EnsembleStarted,
    Event,
    MemberEvent,
    MemberFinished,
    Progress,
    RunFailed,
    RunRestarted,
    RunStarted,
)
from seqcli.formatting import count, duration, loss, plural, visible
from seqcli.metrics.metric import COMPARISON, TRAINING, Metric, shown
from seqcli.report.comparison_table import SPLITS, comparison_table
from seqcli.report.console import Out, View
from seqcli.report.live import REFRESH, progress_bar
from seqcli.report.logs import EVERY
from seqcli.report.summary import REASONS, TimeLeft, epoch_number
from seqcli.report.tables import Column, Table, rich_table

if TYPE_CHECKING:
    from typing import Self

    from seqcli.comparison.specification import PlannedRun


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

    def show(self, name: str, event: object) -> None:
        """Show an event of a run; those without a place in the view are ignored."""
        if isinstance(event, RunStarted):
            self.begin(name, event)
        elif isinstance(event, Progress):
            self.advance(name, event)
        elif isinstance(event, RunRestarted):
            self.restart(name, event)
        elif isinstance(event, RunFailed):
            self.fail(name, event)

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


class EnsembleView(View):
    """A listener for the events of an ensemble; others are ignored.

    Use it in a ``with`` block. Members are shown as runs: one line each on a terminal.
    """

    def __init__(self, out: Out) -> None:
        self.out = out
        self._stack = contextlib.ExitStack()
        self._runs: RunsView | None = None

    def close(self) -> None:
        """Remove what is drawn live."""
        self._stack.close()

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if isinstance(event, EnsembleStarted):
            self._start(event)
        elif isinstance(event, MemberEvent) and self._runs is not None:
            self._member(self._runs, f"member {event.member}", event.event)
        elif isinstance(event, EnsembleFinished):
            self.close()
            self.out.info(_ending(event))
            if event.validation:
                self.out.show(validation_table(event), to_stderr=True)

    def _start(self, started: EnsembleStarted) -> None:
        rows = ", ".join(f"{split} {count(number)}" for split, number in started.rows.items())
        parallel = f", {started.jobs} at a time" if started.jobs > 1 else ""
        members = plural(len(started.members), "model")
        self.out.info(f"ensemble of {members} in {started.folder}{parallel}; rows: {rows}")
        for note in started.notes:
            self.out.info(f"note: {note}")
        self._runs = self._stack.enter_context(RunsView(self.out, len(started.members)))

    def _member(self, runs: RunsView, name: str, event: object) -> None:
        if isinstance(event, MemberFinished):
            _, reason = REASONS.get(event.reason, ("", event.reason))
            text = f"{plural(event.epochs, 'epoch')}, best epoch {count(event.best_epoch)}"
            runs.end(name, f"{text}, {reason}" if reason else text, event.seconds)
        else:
            runs.show(name, event)


def _ending(finished: EnsembleFinished) -> str:
    members = plural(len(finished.members), "member")
    return f"finished {members} in {duration(finished.seconds)}"


def validation_table(finished: EnsembleFinished) -> Table:
    """Return the validation scores of each member and of the ensemble, in the last row."""
    metrics = _metrics(finished.validation)
    columns = [Column("model", keep=True), Column("seed", right=True), Column("best epoch")]
    figures = (Column(metric.short, right=True) for metric in metrics)
    rows = [
        (f"member {member.name}", str(member.seed), count(member.best_epoch), *_cells(row, metrics))
        for member, row in zip(finished.members, finished.validation, strict=False)
    ]
    rows.append(("ensemble", "", "", *_cells(finished.validation[-1], metrics)))
    return Table((*columns, *figures), tuple(rows), "validation", strong=frozenset({len(rows) - 1}))


def _metrics(validation: Sequence[Mapping[str, float]]) -> list[Metric]:
    """Return the metrics that are also reported during training."""
    metrics = map(shown, validation[-1])
    return [metric for metric in metrics if TRAINING in metric.tables]


def _cells(row: Mapping[str, float], metrics: Sequence[Metric]) -> list[str]:
    return [metric.write(row[metric.name]) if metric.name in row else "" for metric in metrics]


class ComparisonView(RunsView):
    """A listener for the runs: a live table on a terminal, else occasional lines."""

    def __init__(
        self,
        out: Out,
        runs: Sequence[PlannedRun],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(out, len(runs), clock)
        self._arms = list(dict.fromkeys(run.arm for run in runs))
        self._results: list[RunResult] = []

    def __enter__(self) -> Self:
        if self.is_live:
            self._fill()
        return super().__enter__()

    def __call__(self, run: str, event: Event | RunResult) -> None:
        """Handle an event of a run, or its result."""
        if isinstance(event, RunResult):
            self._results.append(event)
            if self.is_live:
                self._fill()
            self.end(run, _scores(event), event.seconds)
        else:
            self.show(run, event)

    def _fill(self) -> None:
        """Rebuild the table."""
        from seqcli.comparison.summary import summarize_arms  # imports NumPy

        arms = summarize_arms(self._results) if self._results else []
        finished = {one.arm for one in arms}
        waiting = [arm for arm in self._arms if arm not in finished]
        self.top = rich_table(comparison_table(arms, waiting, self.out.stderr.width))


def _scores(result: RunResult) -> str:
    """Describe the scores of a run: ``test sequence accuracy 98.1%, token accuracy ...``."""
    from seqcli.comparison.summary import deciding_metric  # imports NumPy

    main = deciding_metric(result.language).name
    metrics = map(shown, sorted(result.scores, key=lambda name: name != main))
    parts = [
        f"{metric.label} {metric.write(result.scores[metric.name])}"
        for metric in metrics
        if COMPARISON in metric.tables
    ]
    return f"{SPLITS[result.split]} {', '.join(parts)}"
