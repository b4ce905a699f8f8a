"""The live view of training on a terminal: a table of epochs above a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console, ConsoleDimensions, Group, RenderableType
from rich.live import Live
from rich.segment import SegmentLines
from rich.text import Text

from seqcli.events import DataRead, EpochEnded, Event, Example, Finished, Progress, RunStarted
from seqcli.formatting import count, duration, loss, percent, visible
from seqcli.report.console import Out, View
from seqcli.report.logs import EXAMPLES_SHOWN, Epoch, PlainLog, epoch_table
from seqcli.report.summary import (
    TimeLeft,
    end_lines,
    epoch_number,
    examples_table,
    run_lines,
    samples_table,
    share_done,
    show_reading,
)
from seqcli.report.tables import rich_table

REFRESH = 0.2  # minimum seconds between two frames
FEWEST_EPOCHS = 3  # minimum number of epochs shown; introduction and examples are shortened first
BAR, ASCII_BAR = "━─", "#-"


def training_view(out: Out) -> LiveView | PlainLog:
    """Return a live view for a terminal, else a plain log; use it as a context manager."""
    return LiveView(out) if out.live else PlainLog(out)


class LiveView(View):
    """A listener that shows the run within the height of the terminal.

    At the end of the ``with`` block the full table replaces the live view, also after an error or
    Ctrl-C. No thread is used: the view is redrawn when an event arrives.
    """

    def __init__(self, out: Out, clock: Callable[[], float] = time.monotonic) -> None:
        self.out = out
        self._clock = clock
        self._time_left = TimeLeft(clock)
        self._run: RunStarted | None = None
        self._epochs: list[Epoch] = []
        self._best = 0
        self._examples: tuple[Example, ...] = ()
        self._samples: tuple[str, ...] = ()
        self._progress: Progress | None = None
        self._left: float | None = None
        self._drawn = -REFRESH
        self._body: tuple[ConsoleDimensions, SegmentLines] | None = None
        self._live = Live(
            console=out.stderr, auto_refresh=False, transient=True, redirect_stdout=False
        )

    def __call__(self, event: Event) -> None:
        """Handle an event."""
        if isinstance(event, DataRead):
            show_reading(self.out, event)
        elif isinstance(event, RunStarted):
            self._run = event
            self._live.start()
            self._draw()
        elif isinstance(event, Progress):
            self._advance(event)
        elif isinstance(event, EpochEnded):
            self._add(event)
        elif isinstance(event, Finished):
            self._finish(event)

    def _advance(self, progress: Progress) -> None:
        self._progress, self._left = progress, self._time_left.estimate(progress)
        self._draw_if_due()

    def _add(self, ended: EpochEnded) -> None:
        self._epochs.append(Epoch(ended.epoch, ended.metrics))
        self._examples, self._samples = ended.examples, ended.samples
        if ended.improved:
            self._best = ended.epoch
        self._body = None
        self._draw_if_due()

    def _finish(self, finished: Finished) -> None:
        if finished.history:  # includes the epochs before a resume
            self._epochs = [Epoch(n, row) for n, row in enumerate(finished.history, 1)]
        self._best = finished.best_epoch
        self.close()
        for line in end_lines(finished, [epoch.metrics for epoch in self._epochs], self._run):
            self.out.info(line, prose=not line.startswith("try: "))

    def _draw_if_due(self) -> None:
        if self._clock() - self._drawn >= REFRESH:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self._clock()
        self._live.update(self.frame(self.out.stderr), refresh=True)

    def close(self) -> None:
        """Replace the live view by the full table."""
        if not self._live.is_started:
            return
        self._live.stop()
        above, below = self._introduction(cut=False), self._shown_examples(self._most())
        self.out.stderr.print(Group(*above, *self._table(None), *below))

    def frame(self, console: Console) -> Group:
        """Return the content that fits the terminal; only the bar is updated within an epoch."""
        size = console.size
        if self._body is None or self._body[0] != size:
            lines = console.render_lines(self._above_the_bar(console, size.height - 2), pad=False)
            self._body = size, SegmentLines(lines, new_lines=True)
        return Group(self._body[1], self._bar(console))

    def _above_the_bar(self, console: Console, space: int) -> Group:
        """Return introduction, newest epochs and examples that fit into ``space`` lines."""
        frame = _height(console, self._table(1)) - 1
        least = frame + min(len(self._epochs), FEWEST_EPOCHS) if self._epochs else 0
        examples = self._fitting_examples(console, space - least)
        space -= _height(console, examples)
        choices = (self._introduction(cut=cut) for cut in (False, True))
        above = next((some for some in choices if _height(console, some) <= space - least), [])
        space -= _height(console, above)
        return Group(*above, *self._fitting_table(console, space, space - frame), *examples)

    def _fitting_table(self, console: Console, space: int, last: int) -> list[RenderableType]:
        """Return the table of the ``last`` epochs, or of fewer if their rows need several lines."""
        while last > 0:
            table = self._table(last)
            if _height(console, table) <= space:
                return table
            last = min(last - 1, len(self._epochs) - 1)
        return []

    def _fitting_examples(self, console: Console, space: int) -> list[RenderableType]:
        frame = _height(console, self._shown_examples(1)) - 1
        return self._shown_examples(min(self._most(), space - frame))

    def _most(self) -> int:
        """Return the maximum number of examples to show."""
        return len(self._samples) or EXAMPLES_SHOWN

    def _introduction(self, *, cut: bool) -> list[RenderableType]:
        if self._run is None:
            return []
        first, *rest = map(visible, run_lines(self._run))
        lines = [Text(first, style="bold"), *map(Text, rest)]
        for line in lines if cut else ():
            line.no_wrap, line.overflow = True, "ellipsis"
        return [*lines, Text()]

    def _table(self, last: int | None) -> list[RenderableType]:
        """Return the table of the ``last`` epochs (None: all) in a list, which may be empty."""
        if not self._epochs:
            return []
        return [rich_table(epoch_table(self._epochs, self._best, last)), Text()]

    def _shown_examples(self, most: int) -> list[RenderableType]:
        if not (self._examples or self._samples) or most < 1:
            return []
        if self._samples:
            return [rich_table(samples_table(self._samples[:most])), Text()]
        return [rich_table(examples_table(self._examples[:most], in_words=False)), Text()]

    def _bar(self, console: Console) -> Text:
        return progress_bar(console, self._progress, self._left)


def progress_bar(
    console: Console, progress: Progress | None, left: float | None, name: str = ""
) -> Text:
    """Draw the progress of a run in one line: ``name``, a bar, and the seconds ``left``."""
    if progress is None:
        return Text(f"{name} starting".lstrip(), style="dim", no_wrap=True, overflow="crop")
    before, after = progress_texts(progress, left)
    before = f"{name} {before}".lstrip()
    room = console.width - len(before) - len(after) - 1
    if room < 0:
        few = f"{name} {_short_text(progress, left)}".lstrip()
        return Text(few, no_wrap=True, overflow="crop")
    marks = BAR if console.encoding.startswith("utf") else ASCII_BAR
    full = round(share_done(progress) * room)
    text = Text(before, no_wrap=True)
    text.append(marks[0] * full, style="green").append(marks[1] * (room - full), style="dim")
    return text.append(after)


def progress_texts(progress: Progress, left: float | None) -> tuple[str, str]:
    """Return the texts before and after the bar."""
    phase = "step" if progress.phase == "train" else progress.phase
    before = f"epoch {epoch_number(progress)} {phase} {_steps(progress)} "
    remaining = "" if left is None else f" {duration(left)} left"
    speed = f"{count(progress.sequences_per_second)} seq/s"
    smooth = progress.smoothed_loss
    current_loss = "" if smooth is None else f" loss {loss(smooth)}"
    return before, f" {percent(share_done(progress))}{current_loss} {speed}{remaining}"


def _steps(progress: Progress) -> str:
    return f"{count(progress.step)}/{count(progress.steps)}"


def _short_text(progress: Progress, left: float | None) -> str:
    remaining = "" if left is None else f" {duration(left)} left"
    return f"{epoch_number(progress)} {percent(share_done(progress))}{remaining}"


def _height(console: Console, parts: list[RenderableType]) -> int:
    return len(console.render_lines(Group(*parts), pad=False)) if parts else 0
