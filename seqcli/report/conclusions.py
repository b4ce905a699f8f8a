"""The conclusions of a comparison: in words, and as a matrix of pairwise differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seqcli.formatting import plural
from seqcli.metrics.metric import Metric
from seqcli.report.comparison_table import SCOPES, SPLITS
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.comparison.significance import PairTest, SignificantDifference
    from seqcli.comparison.summary import Comparison


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
    where = f"on {SCOPES.get(scope, SPLITS[comparison.split])}"
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


def difference_tables(comparison: Comparison) -> list[Table]:
    """Return, for each scope that was tested, the matrix of the differences of all pairs."""
    scopes = dict.fromkeys(test.scope for test in comparison.tests)
    return [_difference_table(comparison, scope) for scope in scopes]


def _difference_table(comparison: Comparison, scope: str) -> Table:
    metric = comparison.metric
    arms = list(dict.fromkeys(n for one in _tests_in(comparison, scope) for n in _names(one)))
    pairs = {_names(one): one for one in _tests_in(comparison, scope)}
    rows = [(one, *(_difference_cell(pairs, one, other, metric) for other in arms)) for one in arms]
    significant = frozenset(
        (place, 1 + other)
        for place, one in enumerate(arms)
        for other, name in enumerate(arms)
        if (test := pairs.get((one, name)) or pairs.get((name, one))) and test.significant
    )
    where = SCOPES.get(scope, SPLITS[comparison.split])
    caption = f"row minus column, with its 95% interval{_unit(metric)}"
    if not metric.higher_is_better:
        caption += "; lower is better"
    columns = (Column("model", keep=True), *(Column(arm, right=True) for arm in arms))
    title = f"{metric.label} on {where}"
    return Table(columns, tuple(rows), title, caption, best=significant, legend="bold: significant")


def _tests_in(comparison: Comparison, scope: str) -> list[PairTest]:
    return [test for test in comparison.tests if test.scope == scope]


def _names(test: PairTest) -> tuple[str, str]:
    return test.one, test.other


def _unit(metric: Metric) -> str:
    return f", in percentage {metric.format.points}" if metric.format.points else ""


def _difference_cell(
    pairs: Mapping[tuple[str, str], PairTest], one: str, other: str, metric: Metric
) -> str:
    """Format the score of one arm minus another's: ``+1.2 (0.3 to 2.1)``; "" if not tested."""
    if (one, other) in pairs:
        found = pairs[one, other].difference
    elif (other, one) in pairs:
        found = pairs[other, one].difference.reversed()
    else:
        return ""
    mean, low, high = map(metric.format.difference, (found.mean, found.low, found.high))
    return f"{'+' * (float(mean) > 0)}{mean} ({low} to {high})"
