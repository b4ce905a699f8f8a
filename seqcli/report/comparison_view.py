"""The verdicts of a comparison in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqcli.formatting import plural

if TYPE_CHECKING:
    from seqcli.comparison.significance import Verdict
    from seqcli.comparison.summary import Comparison
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from seqcli.comparison.run_result import RunResult
from seqcli.events import Event, Progress, RunStarted
from seqcli.formatting import duration, loss, percent, visible
from seqcli.report.comparison_table import SPLITS, comparison_table
from seqcli.report.console import Out
from seqcli.report.live import REFRESH, progress_bar
from seqcli.report.plain import EVERY
from seqcli.report.summary import TimeLeft
from seqcli.report.tables import rich_table

if TYPE_CHECKING:
    from seqcli.comparison.specification import PlannedRun


SCOPE_WORDS = {
    "seen": "on lengths seen in training",
    "unseen": "on lengths never seen in training",
}


def verdict_lines(comparison: Comparison) -> list[str]:
    """Return the significant differences, the groups without any, and the method."""
    if len(comparison.standings) < 2:
        return ["No verdict: only one model"]
    lines = _too_few(comparison)
    tested = {test.scope for test in comparison.tests}
    for scope in comparison.scopes or ("test",):
        if scope in tested:
            lines += _scope_lines(comparison, scope)
    return [*lines, method(comparison)] if comparison.tests else lines


def method(comparison: Comparison) -> str:
    """Return in one sentence how differences are tested; empty where none was."""
    number = len(comparison.tests)
    if not number:
        return ""
    correction = f"Holm correction over {number} comparisons" if number > 1 else "one comparison"
    what = "texts" if comparison.language else "rows that share a source count as one"
    return (
        "Method: t-tests of paired differences at the 5% level, from the variance over seeds and "
        f"over rows ({what}), Satterthwaite degrees of freedom, {correction}; intervals: 95%, each "
        "for its own difference"
    )


def _too_few(comparison: Comparison) -> list[str]:
    """Say which models have too few seeds, or that there are too few rows."""
    few = comparison.too_few_seeds
    if few:
        each = ", ".join(f"{arm} has {plural(number, 'seed')}" for arm, number in few.items())
        return [f"Too few seeds to tell: {each}; a verdict takes 3 of each model (--seeds 3)"]
    if not comparison.tests:
        return ["Too few rows to tell: a verdict takes 2 different sources"]
    return []


def _scope_lines(comparison: Comparison, scope: str) -> list[str]:
    """Return a line for each arm that is ahead of others, or for each behind if those are fewer,
    and one for each group of arms that do not differ."""
    where = SCOPE_WORDS.get(scope, f"on {SPLITS[comparison.split]}")
    found = [one for one in comparison.verdicts if one.scope == scope]
    if not found:
        return [f"No significant differences {where}"]
    losers = list(dict.fromkeys(one.behind for one in found))
    winners = list(dict.fromkeys(one.ahead for one in _ranked(found)))
    language = comparison.language
    if len(losers) < len(winners):
        lines = [_behind_all(where, arm, found, language) for arm in losers]
    else:
        lines = [_ahead_of_all(where, arm, found, language) for arm in winners]
    return lines + [
        f"No significant difference {where} between {_listed(group)}"
        for group in comparison.ties.get(scope, ())
    ]


def _ahead_of_all(where: str, arm: str, found: Sequence[Verdict], language: bool) -> str:
    others = [f"{one.behind} {_gap(one, language)}" for one in found if one.ahead == arm]
    return f"{_capital(where)}, {arm} is ahead of {_listed(others)}"


def _behind_all(where: str, arm: str, found: Sequence[Verdict], language: bool) -> str:
    others = [f"{one.ahead} {_gap(one, language)}" for one in found if one.behind == arm]
    return f"{_capital(where)}, {arm} is behind {_listed(others)}"


def _ranked(found: Sequence[Verdict]) -> list[Verdict]:
    wins = {one.ahead: sum(other.ahead == one.ahead for other in found) for one in found}
    return sorted(found, key=lambda one: -wins[one.ahead])


def _gap(verdict: Verdict, language: bool) -> str:
    """Return how far behind, with the interval and the corrected p-value."""
    found = verdict.difference
    p = f"p = {verdict.adjusted_p:.3f}" if verdict.adjusted_p >= 0.001 else "p < 0.001"
    if language:
        low, high = sorted((-found.low, -found.high))
        return f"(by {-found.mean:.3f} bits per character, {low:.3f} to {high:.3f}, {p})"
    mean, low_text, high_text = (f"{x * 100:.1f}" for x in (found.mean, found.low, found.high))
    return f"(by {mean} points, {low_text} to {high_text}, {p})"


def _listed(names: Sequence[str]) -> str:
    """Write ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


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
        self._on: dict[str, tuple[Progress | None, TimeLeft, float | None]] = {}
        self._results: list[RunResult] = []
        self._begun: set[str] = set()
        self._due = self._drawn = -REFRESH
        self._table: RenderableType = Text()
        self._live: Live | None = None
        if out.live:
            self._live = Live(
                console=out.stderr, auto_refresh=False, transient=True, redirect_stdout=False
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
        self._on[run] = None, TimeLeft(self._clock), None
        if self._live is None:
            again = f", goes on after step {told.steps_done:,}" if told.steps_done else ""
            self.out.info(f"{run}: {told.model}; {told.parameters:,} parameters{again}")
        self._due = self._clock() + EVERY
        self._draw()

    def _advance(self, run: str, told: Progress) -> None:
        _, pace, _ = self._on.get(run, (None, TimeLeft(self._clock), None))
        left = pace.estimate(told)
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
        self.out.info(
            f"{run}: epoch {told.epoch:,}/{told.epochs:,} step {told.step:,}/{told.steps:,}"
            f"{falling}{ahead}"
        )

    def _end(self, run: str, result: RunResult) -> None:
        self._on.pop(run, None)
        self._results.append(result)
        if self._live is None:
            kept = "" if run in self._begun else ", kept"
            done = f"{len(self._results)}/{self._all}"
            self.out.info(f"{run} ({done}): {_score(result)} in {duration(result.seconds)}{kept}")
            return
        self._fill()

    def _fill(self) -> None:
        """Lay out the table anew."""
        from seqcli.comparison.summary import stand  # NumPy, once there is something to stand

        standings = stand(self._results) if self._results else []
        there = {one.arm for one in standings}
        waiting = [arm for arm in self._arms if arm not in there]
        table = comparison_table(standings, waiting, self.out.stderr.width)
        self._table = rich_table(table)
        self._draw()

    def _draw(self) -> None:
        if self._live is None:
            return
        self._drawn = self._clock()
        console = self.out.stderr
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
