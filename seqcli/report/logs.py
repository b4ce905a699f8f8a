"""Logs of a training run: the table of epochs, and plain lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from seqcli.events import DataRead, EpochEnded, Event, Example, Finished, Progress, RunStarted
from seqcli.formatting import count, duration, loss, plural, visible
from seqcli.metrics.metric import TRAINING, EpochMetric, epoch_metrics
from seqcli.report.console import Out, View
from seqcli.report.summary import (
    TimeLeft,
    end_lines,
    epoch_number,
    examples_table,
    run_lines,
    show_reading,
)
from seqcli.report.tables import Column, Table, two_lines

BEST_MARK = "*"
CAPTION = "loss: nats per token, teacher forcing; acc: greedy decoding; * best epoch"
LANGUAGE_CAPTION = "loss: nats per token, <eos> included; * best epoch"


@dataclass(frozen=True)
class Epoch:
    """A row of the table: the number of the epoch (from 1) and its metrics."""

    number: int
    metrics: Mapping[str, float]


# Order in which columns are hidden on a narrow terminal; see `Column.drop`.
_DROP = {
    "val_sequence_accuracy": 0,
    "val_loss": 1,
    "train_loss": 2,
    "val_bits_per_character": 3,
    "val_token_accuracy": 3,
    "train_sequence_accuracy": 5,
    "sequences_per_second": 7,
    "seconds": 8,
    "learning_rate": 9,
    "teacher_forcing": 10,
}
_DROP_OF_SPLIT = {"val": 4, "train": 6, "": 7}  # for all other columns
_SETTINGS = ("learning_rate", "teacher_forcing")  # shown only if they change


def epoch_table(epochs: Sequence[Epoch], best: int, last: int | None = None) -> Table:
    """Return the table of epochs.

    Args:
        epochs: the epochs, in order.
        best: number of the best epoch, which is marked; 0 for none.
        last: show only this number of newest epochs; the title counts the others.
    """
    shown = epochs if last is None else epochs[max(0, len(epochs) - last) :]
    above = len(epochs) - len(shown)
    title = f"... {plural(above, 'earlier epoch')}" if above else ""
    keys = (key for epoch in epochs for key in epoch.metrics)
    metrics = [one for one in epoch_metrics(keys, TRAINING) if _is_shown(one.key, epochs)]
    return _table(shown, best, metrics, title)


def _is_shown(key: str, epochs: Sequence[Epoch]) -> bool:
    values = {epoch.metrics[key] for epoch in epochs if key in epoch.metrics}
    return key not in _SETTINGS or len(values) > 1


def _table(epochs: Sequence[Epoch], best: int, metrics: Sequence[EpochMetric], title: str) -> Table:
    columns = (Column("\nepoch", right=True), *map(_column, metrics))
    rows = tuple(_row(epoch, best, metrics) for epoch in epochs)
    strong = frozenset(i for i, epoch in enumerate(epochs) if epoch.number == best)
    language = any("val_bits_per_character" in epoch.metrics for epoch in epochs)
    caption = LANGUAGE_CAPTION if language else CAPTION
    return Table(columns, rows, title, caption, strong)


def _column(one: EpochMetric) -> Column:
    """Return the column of a metric, with the split above the name of the metric."""
    short = " ".join(one.metric.short.split())
    header = f"{one.split}\n{short}" if one.split or " " not in short else two_lines(short)
    return Column(header, right=True, drop=_DROP.get(one.key, _DROP_OF_SPLIT[one.split]))


def _row(epoch: Epoch, best: int, metrics: Sequence[EpochMetric]) -> tuple[str, ...]:
    number = f"{BEST_MARK if epoch.number == best else ''}{epoch.number}"
    values = epoch.metrics
    return (
        number,
        *(one.metric.write(values[one.key]) if one.key in values else "" for one in metrics),
    )


FIRST, EVERY = 2.0, 10.0  # seconds to the first progress line in an epoch, and between lines
EXAMPLES_SHOWN = 5
LEGEND = "loss: nats per token, teacher forcing; accuracy: greedy decoding"
LANGUAGE_LEGEND = "loss, bits and perplexity: per token, <eos> included; loss in nats"


class PlainLog(View):
    """A listener that writes lines to stderr, unless quiet.

    An epoch is ``epoch 3/20 train_loss=0.1 val_loss=0.2 ... best``, with the names of
    metrics.jsonl. A long epoch has a progress line after ``FIRST`` seconds, then one every
    ``EVERY`` seconds.
    """

    def __init__(self, out: Out, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self._clock = clock
        self._time_left = TimeLeft(clock)
        self._due = clock() + FIRST
        self._history: list[Mapping[str, float]] = []
        self._examples: tuple[Example, ...] = ()
        self._run: RunStarted | None = None

    def __call__(self, event: Event) -> None:
        """Handle an event."""
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
        left = self._time_left.estimate(progress)
        if self._clock() < self._due:
            return
        phase = "" if progress.phase == "train" else f" {progress.phase}"
        remaining = "" if left is None else f", {duration(left)} left"
        smooth = progress.smoothed_loss
        current_loss = "" if smooth is None else f"smoothed loss {loss(smooth)}, "
        self.out.info(
            f"epoch {epoch_number(progress)}{phase} "
            f"step {count(progress.step)}/{count(progress.steps)}, "
            f"{current_loss}{count(progress.sequences_per_second)} seq/s{remaining}"
        )
        self._due = self._clock() + EVERY

    def _epoch(self, ended: EpochEnded) -> None:
        self._history.append(ended.metrics)
        self._examples = ended.examples
        scores = " ".join(f"{name}={value:.6g}" for name, value in ended.metrics.items())
        best = " best" * ended.improved
        self.out.info(f"epoch {epoch_number(ended)} {scores}{best}")
        if ended.samples:
            self.out.info("  samples: " + " | ".join(map(visible, ended.samples)))
        self._due = self._clock() + EVERY

    def _finish(self, finished: Finished) -> None:
        if self._examples:
            shown = self._examples[:EXAMPLES_SHOWN]
            self.out.show(examples_table(shown, in_words=True), to_stderr=True)
        for line in end_lines(finished, finished.history or self._history, self._run):
            self.out.info(line)
