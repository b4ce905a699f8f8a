"""The view of training where nobody looks on: one plain line for each thing that happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType

from seqcli.events import DataRead, EpochEnded, Event, Example, Finished, Progress, RunStarted
from seqcli.report.console import Out
from seqcli.report.formats import count, duration, loss, visible
from seqcli.report.pace import Pace
from seqcli.report.reading import show_reading
from seqcli.report.summary import end_lines, examples_table, run_lines

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
            self.out.say(line)
        self._due = self._clock() + FIRST

    def _progress(self, progress: Progress) -> None:
        left = self._pace.left(progress)
        if self._clock() < self._due:
            return
        doing = "" if progress.phase == "train" else f" {progress.phase}"
        ahead = "" if left is None else f", {duration(left)} left"
        smooth = progress.smoothed_loss
        falling = "" if smooth is None else f"smoothed loss {loss(smooth)}, "
        self.out.say(
            f"epoch {progress.epoch}/{progress.epochs}{doing} step {progress.step}/"
            f"{progress.steps}, {falling}{count(progress.sequences_per_second)} seq/s{ahead}"
        )
        self._due = self._clock() + EVERY

    def _epoch(self, ended: EpochEnded) -> None:
        self._history.append(ended.metrics)
        self._examples = ended.examples
        scores = " ".join(f"{name}={value:.6g}" for name, value in ended.metrics.items())
        best = " best" * ended.improved
        self.out.say(f"epoch {ended.epoch}/{ended.epochs} {scores}{best}")
        if ended.samples:
            self.out.say("  samples: " + " | ".join(map(visible, ended.samples)))
        self._due = self._clock() + EVERY

    def _finish(self, finished: Finished) -> None:
        if self._examples:
            shown = self._examples[:EXAMPLES_SHOWN]
            self.out.show(examples_table(shown, in_words=True), talk=True)
        for line in end_lines(finished, finished.history or self._history, self._run):
            self.out.say(line)
