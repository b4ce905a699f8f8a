"""What there is to report about a bulk prediction: its progress, and remarks about its lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seqcli.events import PartsProgress
from seqcli.formatting import count, duration, percent, plural
from seqcli.report.console import Out, View
from seqcli.report.predictions import NAMED_LINES, UnknownTokens, check_all_predicted

if TYPE_CHECKING:
    from rich.progress import Progress

    from seqcli.results import Prediction

MOST_TOKENS = 10_000  # maximum number of distinct unknown tokens that are counted
EVERY = 10.0  # minimum seconds between two lines of progress, if stderr is not a terminal


@dataclass
class Remarks:
    """What is reported about the predictions of some lines: counts, and the first lines of a kind.

    Lines are numbered from 1, over the whole input.
    """

    lines: int = 0
    failed: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    unknown: int = 0
    unknown_lines: list[tuple[int, list[str]]] = field(default_factory=list)
    unknown_tokens: dict[str, int] = field(default_factory=dict)
    truncated: int = 0
    truncated_line: int = 0
    noted: int = 0
    noted_line: int = 0
    note: str = ""

    def add(self, line: int, prediction: Prediction) -> None:
        """Add what there is to report about the prediction of a line."""
        self.lines += 1
        if prediction.problem:
            self.failed += 1
            self.problems += [(line, prediction.problem)] * (len(self.problems) < NAMED_LINES)
        if prediction.unknown:
            self._add_unknown(line, prediction.unknown)
        if any(one.truncated for one in prediction.candidates):
            self.truncated += 1
            self.truncated_line = self.truncated_line or line
        if prediction.note:
            self.noted += 1
            self.noted_line, self.note = self.noted_line or line, self.note or prediction.note

    def _add_unknown(self, line: int, tokens: Sequence[str]) -> None:
        self.unknown += 1
        if len(self.unknown_lines) < NAMED_LINES:
            self.unknown_lines.append((line, list(tokens)))
        self._count(dict.fromkeys(tokens, 1))

    def _count(self, tokens: dict[str, int]) -> None:
        for token, lines in tokens.items():
            if token in self.unknown_tokens or len(self.unknown_tokens) < MOST_TOKENS:
                self.unknown_tokens[token] = self.unknown_tokens.get(token, 0) + lines

    def extend(self, later: Remarks) -> None:
        """Add the remarks about later lines."""
        self.lines, self.failed = self.lines + later.lines, self.failed + later.failed
        self.problems = [*self.problems, *later.problems][:NAMED_LINES]
        self.unknown += later.unknown
        self.unknown_lines = [*self.unknown_lines, *later.unknown_lines][:NAMED_LINES]
        self._count(later.unknown_tokens)
        self.truncated += later.truncated
        self.truncated_line = self.truncated_line or later.truncated_line
        self.noted += later.noted
        self.noted_line = self.noted_line or later.noted_line
        self.note = self.note or later.note

    def show(self, out: Out) -> None:
        """Write the remarks to stderr.

        Raises:
            DataError: (at the end) some lines have no prediction.
        """
        for line, problem in self.problems:
            out.info(f"warning: line {count(line)} has no prediction: {problem}")
        unknown = UnknownTokens(out)
        for line, tokens in self.unknown_lines:
            unknown.add(line, tokens)
        if self.truncated:
            unknown.add_truncated(self.truncated_line)
        if self.noted:
            unknown.add_note(self.noted_line, self.note)
        unknown.lines, unknown.tokens = self.unknown, Counter(self.unknown_tokens)
        unknown.truncated, unknown.noted = self.truncated, self.noted
        unknown.sum_up(self.lines)
        check_all_predicted(self.failed, self.lines)


class BulkView(View):
    """A listener that shows lines per second and the time left: a bar, or a line now and then.

    Args:
        out: receives the messages (stderr).
        clock: a monotonic clock in seconds.
    """

    def __init__(self, out: Out, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self._clock = out, clock
        self._start = self._shown = clock()
        self._stack = ExitStack()
        self._bar: Progress | None = None
        if out.live:
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(), TextColumn("{task.description}"))
            bar = Progress(*columns, console=out.stderr, auto_refresh=False, transient=True)
            self._bar = self._stack.enter_context(bar)
            self._task = bar.add_task("starting", total=1.0)
            bar.refresh()

    def close(self) -> None:
        """Remove the bar."""
        self._stack.close()
        self._bar = None

    def __call__(self, progress: PartsProgress) -> None:
        """Show the progress."""
        if progress.problem:
            self.out.info(f"warning: {progress.problem}")
        now = self._clock()
        text = progress_line(progress, now - self._start)
        if self._bar is not None:
            shown = {"completed": progress.share, "description": text}
            self._bar.update(self._task, refresh=True, **shown)  # type: ignore[arg-type]
        elif now - self._shown >= EVERY:
            self._shown = now
            self.out.info(text)


def progress_line(progress: PartsProgress, seconds: float) -> str:
    """Describe the progress: share, lines, lines per second, and the time left.

    Args:
        progress: the progress after ``seconds``.
        seconds: seconds since the command started to predict.
    """
    parts = [percent(progress.share), plural(progress.lines, "line")]
    if progress.lines and seconds > 0:
        parts.append(f"{count(progress.lines / seconds)} lines/s")
        left = max(1 - progress.share, 0) * seconds / max(progress.new_share, 1e-9)
        parts.append(f"{duration(left)} left")
    return ", ".join(parts)
