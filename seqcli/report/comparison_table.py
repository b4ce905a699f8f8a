"""Show the results of a comparison: its table, and its conclusions in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli.comparison.run_result import ORACLE_LENGTH
from seqcli.formatting import baseline_name, count, duration, plural
from seqcli.metrics.metric import COMPARISON, Metric, shown
from seqcli.report.tables import Column, Table, two_lines, width_of

if TYPE_CHECKING:
    from seqcli.comparison.significance import SignificantDifference
    from seqcli.comparison.summary import ArmSummary, Comparison, Spread


Differing: TypeAlias = Mapping[str, Mapping[str, Any]]  # setting -> arm -> value
SPLITS = {"test": "test", "val": "validation", "train": "training"}
SCOPES = {"in_distribution": "training lengths", "out_of_distribution": "other lengths"}
SHARED = "all other settings are shared"


@dataclass(frozen=True)
class ArmColumn:
    """A column: its header, the cell of an arm, and its order of removal.

    Args:
        header: the header, in two lines.
        cell: returns the cell of an arm.
        metric: the metric shown for baselines in this column; None if they have no value.
        drop: the column with the highest value is removed first if the terminal is narrow.
    """

    header: str
    cell: Callable[[ArmSummary], str]
    metric: Metric | None = None
    drop: int = 0


def comparison_table(
    arms: Sequence[ArmSummary],
    waiting: Sequence[str] = (),
    width: int | None = None,
    differing: Differing | None = None,
) -> Table:
    """Return the table of a comparison.

    Args:
        arms: arms with a finished run.
        waiting: names of arms without a finished run.
        width: maximum width in terminal cells; the least important columns are removed to fit.
        differing: setting -> arm -> value, for settings that differ between arms.
    """
    columns = columns_of(arms)
    caption = _caption(arms, differing)
    table = _table(arms, waiting, columns, caption)
    while width is not None and len(columns) > 3 and width_of(table) > width:
        columns.remove(max(columns, key=lambda column: column.drop))
        table = _table(arms, waiting, columns, caption)
    return table


def differing_lines(differing: Differing) -> list[str]:
    """Return a line per setting that differs: ``train.lr: 0.1 (rnn); 0.2 (gru)``."""
    return [f"{key}: {_values(values)}" for key, values in differing.items()]


def _values(values: Mapping[str, Any]) -> str:
    """Format each value with the arms that have it."""
    arms: dict[str, list[str]] = {}
    for arm, value in values.items():
        text = "not set" if value is None else f"{value:,}" if type(value) is int else str(value)
        arms.setdefault(text, []).append(arm)
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in arms.items())


def columns_of(arms: Sequence[ArmSummary]) -> list[ArmColumn]:
    """Return the columns that apply to some arms."""
    columns = [ArmColumn("\nmodel", lambda arm: arm.arm)]
    if any(arm.first.positions for arm in arms):
        columns.append(ArmColumn("\npositions", lambda arm: arm.first.positions, drop=5))
    columns += [
        ArmColumn("\nseeds", lambda arm: str(len(arm.results)), drop=8),
        ArmColumn("\nparameters", lambda arm: count(arm.first.parameters), drop=4),
        ArmColumn("\nsteps", lambda arm: count(arm.steps), drop=7),
        ArmColumn("\ntime", lambda arm: duration(arm.seconds), drop=6),
        ArmColumn("\nseq/s", lambda arm: count(arm.sequences_per_second), drop=9),
    ]
    return columns + _score_columns(arms)


def _score_columns(arms: Sequence[ArmSummary]) -> list[ArmColumn]:
    """Return the columns of the main metric, its validation score, other metrics, and scopes."""
    from seqcli.comparison.summary import deciding_metric  # imports NumPy

    main = deciding_metric(bool(arms) and arms[0].first.language)
    columns = [
        ArmColumn(
            f"{main.label}\nmean ± sd (best)", lambda arm: spread(arm.scores[main.name], main), main
        )
    ]
    if _ranked_on_validation(arms, main):
        columns.append(
            ArmColumn("\nval", lambda arm: main.write(arm.validation[main.name].mean), drop=2)
        )
    columns += [_mean_column(metric) for metric in _other_metrics(arms, main)]
    return columns + _scope_columns(arms, main)


def _ranked_on_validation(arms: Sequence[ArmSummary], main: Metric) -> bool:
    """Return whether arms are ranked on validation but scored on another split."""
    if not arms or arms[0].first.split == "val":
        return False
    return all(main.name in arm.validation for arm in arms)


def _other_metrics(arms: Sequence[ArmSummary], main: Metric) -> list[Metric]:
    """Return the further metrics that all arms have and that comparisons show."""
    names = [name for name in arms[0].scores if name != main.name] if arms else []
    metrics = [shown(name) for name in names if all(name in arm.scores for arm in arms)]
    return [metric for metric in metrics if COMPARISON in metric.tables]


def _mean_column(metric: Metric) -> ArmColumn:
    header = two_lines(metric.short)
    return ArmColumn(
        header if "\n" in header else f"\n{header}",
        lambda arm: metric.write(arm.scores[metric.name].mean),
        metric,
        drop=3,
    )


def _scope_columns(arms: Sequence[ArmSummary], main: Metric) -> list[ArmColumn]:
    scopes = arms[0].scopes if arms else ()
    return [_scope_column(scope, main) for scope in scopes]


def _scope_column(scope: str, main: Metric) -> ArmColumn:
    header = f"{main.short}\n{SCOPES[scope]}"
    return ArmColumn(header, lambda arm: main.write(arm.scopes[scope]), drop=1)


def spread(values: Spread, metric: Metric) -> str:
    """Format mean, standard deviation and best: ``98.2 ± 0.4% (98.7%)``."""
    if values.sd is None:
        return metric.write(values.mean)
    mean, deviation = (metric.format.bare(value) for value in (values.mean, values.sd))
    return f"{mean} ± {deviation}{metric.format.unit} ({metric.write(values.best)})"


def _table(
    arms: Sequence[ArmSummary],
    waiting: Sequence[str],
    columns: Sequence[ArmColumn],
    caption: str,
) -> Table:
    rows = [tuple(column.cell(arm) for column in columns) for arm in arms]
    rows += [(name, *[""] * (len(columns) - 1)) for name in waiting]
    if arms:
        rows += _baseline_rows(arms[0], columns)
    headers = tuple(Column(column.header, right=n > 0) for n, column in enumerate(columns))
    return Table(headers, tuple(rows), "", caption, _best(arms))


def _caption(arms: Sequence[ArmSummary], differing: Differing | None) -> str:
    """Explain the columns, the ranking of the arms, and the settings that differ."""
    if not arms:
        return ""
    first = arms[0].first
    scored = "<eos> included" if first.language else "free running"
    parts = [
        f"scores on {SPLITS[first.split]}, {scored}: "
        "mean over seeds ± standard deviation (best seed)"
    ]
    if arms[0].scopes:
        parts.append("training lengths: as long as training rows; other lengths: all other rows")
    if all(ORACLE_LENGTH in arm.scores for arm in arms):
        parts.append("oracle length: the reference length is given to the model")
    if first.split == "test" and _best(arms):
        parts.append("val: the same on validation, which ranks the models")
    elif first.split == "val":
        parts.append("there are no test rows: validation also chose the epoch of each run")
    if differing is not None and len(arms) > 1:
        lines = differing_lines(differing)
        parts += [f"settings that differ: {' | '.join(lines)}"] if lines else []
        parts.append(SHARED)
    return "; ".join(parts)


def _best(arms: Sequence[ArmSummary]) -> frozenset[int]:
    from seqcli.comparison.summary import best_arms  # imports NumPy

    return best_arms(arms)


def _baseline_rows(arm: ArmSummary, columns: Sequence[ArmColumn]) -> list[tuple[str, ...]]:
    """Return the scores of the baselines: chance, majority, heuristics."""
    return [
        (baseline_name(name), *(_baseline(column.metric, scores) for column in columns[1:]))
        for name, scores in arm.first.baselines.items()
    ]


def _baseline(metric: Metric | None, scores: Mapping[str, float]) -> str:
    if metric is None or metric.name not in scores:
        return ""
    return metric.write(scores[metric.name])


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
