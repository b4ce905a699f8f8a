"""Show the progress of a comparison, and state its conclusions in words."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from seqcli.comparison.run_result import RunResult
from seqcli.events import Event, Progress, RunFailed, RunRestarted, RunStarted
from seqcli.formatting import plural
from seqcli.metrics.metric import COMPARISON, Metric, shown
from seqcli.report.comparison_table import SPLITS, comparison_table
from seqcli.report.console import Out
from seqcli.report.runs_view import RunsView
from seqcli.report.tables import rich_table

if TYPE_CHECKING:
    from typing import Self  # Python 3.11

    from seqcli.comparison.significance import SignificantDifference
    from seqcli.comparison.specification import PlannedRun
    from seqcli.comparison.summary import Comparison

SCOPES = {"in_distribution": "on training lengths", "out_of_distribution": "on other lengths"}


def conclusions(comparison: Comparison) -> list[str]:
    """Describe the significant differences, the groups without any, and the method."""
    if len(comparison.arms) < 2:
        return ["No test of differences: only one model"]
    lines = _insufficient_data(comparison)
    tested = {test.scope for test in comparison.tests}
    for scope in comparison.scopes or ("test",):
        if scope in tested:
            lines += _scope_lines(comparison, scope)
    return [*lines, method(comparison)] if comparison.tests else lines


def missing_lines(comparison: Comparison) -> list[str]:
    """Return a line for each planned run that is not in the results, with the reason."""
    failed = [f"failed: {run}: {one.message}" for run, one in comparison.failed.items()]
    missing = [f"not finished: {run}" for run in comparison.missing]
    left_out = [f"left out: {run}: {problem}" for run, problem in comparison.left_out.items()]
    return [*failed, *missing, *left_out]


def method(comparison: Comparison) -> str:
    """Describe the tests of differences in one sentence; "" if there were none."""
    number = len(comparison.tests)
    if not number:
        return ""
    correction = f"Holm correction over {number} comparisons" if number > 1 else "one comparison"
    clusters = "texts" if comparison.language else "rows that share a source count as one"
    return (
        "Method: t-tests of paired differences at the 5% level, from the variance over seeds and "
        f"over rows ({clusters}), Satterthwaite degrees of freedom, {correction}; intervals: 95%, "
        "each for its own difference"
    )


def _insufficient_data(comparison: Comparison) -> list[str]:
    """Return a line if there are too few seeds or rows for a test."""
    few = comparison.too_few_seeds
    if few:
        each = ", ".join(f"{arm} has {plural(number, 'seed')}" for arm, number in few.items())
        return [f"Too few seeds for a test: {each}; it requires 3 of each model (--seeds 3)"]
    if not comparison.tests:
        return ["Too few rows for a test: it requires 2 different sources"]
    return []


def _scope_lines(comparison: Comparison, scope: str) -> list[str]:
    """Describe the differences in a scope.

    There is one line per arm that is better than others (or per arm that is worse, if these are
    fewer), and one per group of arms that do not differ.
    """
    where = SCOPES.get(scope, f"on {SPLITS[comparison.split]}")
    differences = [one for one in comparison.significant_differences if one.scope == scope]
    if not differences:
        return [f"No significant differences {where}"]
    worse = list(dict.fromkeys(one.worse for one in differences))
    better = list(dict.fromkeys(one.better for one in _by_wins(differences)))
    metric = comparison.metric
    if len(worse) < len(better):
        lines = [_worse_than(where, arm, differences, metric) for arm in worse]
    else:
        lines = [_better_than(where, arm, differences, metric) for arm in better]
    return lines + [
        f"No significant difference {where} between {_join(group)}"
        for group in comparison.ties.get(scope, ())
    ]


def _better_than(
    where: str, arm: str, differences: Sequence[SignificantDifference], metric: Metric
) -> str:
    others = [f"{one.worse} {_gain(one, metric)}" for one in differences if one.better == arm]
    return f"{_capitalize(where)}, {arm} is better than {_join(others)}"


def _worse_than(
    where: str, arm: str, differences: Sequence[SignificantDifference], metric: Metric
) -> str:
    others = [f"{one.better} {_gain(one, metric)}" for one in differences if one.worse == arm]
    return f"{_capitalize(where)}, {arm} is worse than {_join(others)}"


def _by_wins(differences: Sequence[SignificantDifference]) -> list[SignificantDifference]:
    """Sort differences by the number of differences that the better arm has, highest first."""
    wins = {
        one.better: sum(other.better == one.better for other in differences) for one in differences
    }
    return sorted(differences, key=lambda one: -wins[one.better])


def _gain(one: SignificantDifference, metric: Metric) -> str:
    """Format the size of a difference, with its interval and corrected p-value."""
    difference = one.difference
    gain, *ends = (metric.gain(x, 0.0) for x in (difference.mean, difference.low, difference.high))
    size, low, high = map(metric.format.difference, (gain, *sorted(ends)))
    p = f"p = {one.adjusted_p:.3f}" if one.adjusted_p >= 0.001 else "p < 0.001"
    return f"(by {size} {metric.format.points or metric.label}, {low} to {high}, {p})"


def _join(names: Sequence[str]) -> str:
    """Join names as ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


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
        elif isinstance(event, RunStarted):
            self.begin(run, event)
        elif isinstance(event, Progress):
            self.advance(run, event)
        elif isinstance(event, RunRestarted):
            self.restart(run, event)
        elif isinstance(event, RunFailed):
            self.fail(run, event)

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
