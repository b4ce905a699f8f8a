"""Show the training of an ensemble, and the validation scores of its members."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

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
from seqcli.formatting import count, duration, plural
from seqcli.metrics.metric import TRAINING, Metric, shown
from seqcli.report.console import Out, View
from seqcli.report.runs_view import RunsView
from seqcli.report.summary import REASONS
from seqcli.report.tables import Column, Table


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
        if isinstance(event, RunStarted):
            runs.begin(name, event)
        elif isinstance(event, Progress):
            runs.advance(name, event)
        elif isinstance(event, RunRestarted):
            runs.restart(name, event)
        elif isinstance(event, RunFailed):
            runs.fail(name, event)
        elif isinstance(event, MemberFinished):
            _, reason = REASONS.get(event.reason, ("", event.reason))
            text = f"{plural(event.epochs, 'epoch')}, best epoch {count(event.best_epoch)}"
            runs.end(name, f"{text}, {reason}" if reason else text, event.seconds)


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
