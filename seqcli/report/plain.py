"""The table of epochs, the same in the live view and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from seqcli import formatting
from seqcli.events import DataRead, EpochEnded, Event, Example, Finished, Progress, RunStarted
from seqcli.formatting import count, duration, loss, visible
from seqcli.report.console import Out
from seqcli.report.eta import Pace
from seqcli.report.summary import end_lines, examples_table, run_lines, show_reading
from seqcli.report.tables import Column, Table

BEST_MARK = "*"
CAPTION = "loss: nats per token, teacher forced; acc: free running (greedy); * best epoch"
LANGUAGE_CAPTION = "loss: nats per token, <eos> included; * best epoch"


@dataclass(frozen=True)
class Epoch:
    """One row: the number of the epoch (from 1) and its metrics."""

    number: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class _Measure:
    """A column: the metric, its two-line header, how it is written, how soon it gives way."""

    metric: str
    header: str
    write: Callable[[float], str]
    drop: int  # see `Column.drop`
    only_if_it_changes: bool = False


_MEASURES = (
    _Measure("train_loss", "train\nloss", formatting.loss, 2),
    _Measure("val_loss", "val\nloss", formatting.loss, 1),
    _Measure("val_bits_per_character", "val\nbits/char", formatting.loss, 3),
    _Measure("val_perplexity", "val\nperplexity", formatting.loss, 4),
    _Measure("train_token_accuracy", "train\ntoken acc", formatting.percent, 6),
    _Measure("val_token_accuracy", "val\ntoken acc", formatting.percent, 3),
    _Measure("train_sequence_accuracy", "train\nseq. acc", formatting.percent, 5),
    _Measure("val_sequence_accuracy", "val\nseq. acc", formatting.percent, 0),
    _Measure("learning_rate", "learning\nrate", lambda rate: f"{rate:.2e}", 9, True),
    _Measure("teacher_forcing", "teacher\nforcing", formatting.percent, 10, True),
    _Measure("seconds", "\nseconds", lambda seconds: f"{seconds:.1f}", 8),
    _Measure("sequences_per_second", "\nseq/s", formatting.count, 7),
)


def epoch_table(epochs: Sequence[Epoch], best: int, last: int | None = None) -> Table:
    """Return the table of epochs.

    Args:
        epochs: what is known, in order.
        best: number of the best epoch, which is marked; 0 for none.
        last: show only so many epochs, the newest; the title says how many are above.
    """
    shown = epochs if last is None else epochs[max(0, len(epochs) - last) :]
    above = len(epochs) - len(shown)
    title = f"... {formatting.plural(above, 'earlier epoch')}" if above else ""
    measures = [measure for measure in _MEASURES if _is_shown(measure, epochs)]
    return _table(shown, best, measures, title)


def _is_shown(measure: _Measure, epochs: Sequence[Epoch]) -> bool:
    values = {epoch.metrics[measure.metric] for epoch in epochs if measure.metric in epoch.metrics}
    return len(values) > measure.only_if_it_changes


def _table(epochs: Sequence[Epoch], best: int, measures: list[_Measure], title: str) -> Table:
    columns = (
        Column("\nepoch", right=True),
        *(Column(m.header, right=True, drop=m.drop) for m in measures),
    )
    rows = tuple(_row(epoch, best, measures) for epoch in epochs)
    strong = frozenset(i for i, epoch in enumerate(epochs) if epoch.number == best)
    language = any("val_bits_per_character" in epoch.metrics for epoch in epochs)
    caption = LANGUAGE_CAPTION if language else CAPTION
    return Table(columns, rows, title, caption, strong)


def _row(epoch: Epoch, best: int, measures: list[_Measure]) -> tuple[str, ...]:
    number = f"{BEST_MARK if epoch.number == best else ''}{epoch.number}"
    known = epoch.metrics
    return (number, *(m.write(known[m.metric]) if m.metric in known else "" for m in measures))


FIRST, EVERY = 2.0, 10.0  # seconds: the first sign of life inside an epoch, then one each
EXAMPLES_SHOWN = 5
LEGEND = "losses: nats per token, teacher forced; accuracies: free running (greedy)"
LANGUAGE_LEGEND = "losses: nats per token, <eos> included, as in bits and perplexity"


class PlainLog:
    """A listener that writes lines to stderr; nothing when quiet.

    An epoch is ``epoch 3/20 train_loss=0.1 val_loss=0.2 ... best``, with the names of
    metrics.jsonl. Inside a long epoch there is a line after ``FIRST`` seconds, then one each
    ``EVERY`` seconds.
    """

    def __init__(self, out: Out, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self._clock = clock
        self._pace = Pace(clock)
        self._due = clock() + FIRST
        self._history: list[Mapping[str, float]] = []
        self._examples: tuple[Example, ...] = ()
        self._run: RunStarted | None = None

    def __enter__(self) -> PlainLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, DataRead):
            show_reading(self.out, event)
        elif isinstance(event, RunStarted):
            self._start(event)
        elif isinstance(event, Progress):
            self._progress(event)
        elif isinstance(event, EpochEnded):
            self._epoch(event)
        elif isinstance(event, Finished):
            self._finish(event)

    def _start(self, run: RunStarted) -> None:
        self._run = run
        legend = LEGEND if run.vocabulary[0] else LANGUAGE_LEGEND
        for line in [*run_lines(run), legend]:
            self.out.info(line)
        self._due = self._clock() + FIRST

    def _progress(self, progress: Progress) -> None:
        left = self._pace.left(progress)
        if self._clock() < self._due:
            return
        doing = "" if progress.phase == "train" else f" {progress.phase}"
        ahead = "" if left is None else f", {duration(left)} left"
        smooth = progress.smoothed_loss
        falling = "" if smooth is None else f"smoothed loss {loss(smooth)}, "
        self.out.info(
            f"epoch {progress.epoch}/{progress.epochs}{doing} step {progress.step}/"
            f"{progress.steps}, {falling}{count(progress.sequences_per_second)} seq/s{ahead}"
        )
        self._due = self._clock() + EVERY

    def _epoch(self, ended: EpochEnded) -> None:
        self._history.append(ended.metrics)
        self._examples = ended.examples
        scores = " ".join(f"{name}={value:.6g}" for name, value in ended.metrics.items())
        best = " best" * ended.improved
        self.out.info(f"epoch {ended.epoch}/{ended.epochs} {scores}{best}")
        if ended.samples:
            self.out.info("  samples: " + " | ".join(map(visible, ended.samples)))
        self._due = self._clock() + EVERY

    def _finish(self, finished: Finished) -> None:
        if self._examples:
            shown = self._examples[:EXAMPLES_SHOWN]
            self.out.show(examples_table(shown, in_words=True), to_stderr=True)
        for line in end_lines(finished, finished.history or self._history, self._run):
            self.out.info(line)
