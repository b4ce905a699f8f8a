"""The tables of a comparison: a row for each model, and a row for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli.comparison.run_result import ORACLE_LENGTH
from seqcli.formatting import baseline_name, count, duration
from seqcli.metrics.metric import COMPARISON, Metric, shown
from seqcli.report.tables import Column, Table, two_lines, width_of

if TYPE_CHECKING:
    from seqcli.comparison.run_result import RunResult
    from seqcli.comparison.significance import PairTest
    from seqcli.comparison.summary import ArmSummary, Comparison, Spread


Differing: TypeAlias = Mapping[str, Mapping[str, Any]]  # setting -> arm -> value
SPLITS = {"test": "test", "val": "validation", "train": "training"}
SCOPES = {"in_distribution": "training lengths", "out_of_distribution": "other lengths"}
SHARED = "all other settings are shared"


@dataclass(frozen=True)
class Ranking:
    """How the arms are ranked in a column of scores.

    Args:
        metric: its format and direction.
        value: returns the score of an arm.
        scopes: the scopes in which differences of the score are tested; none if they are not.
    """

    metric: Metric
    value: Callable[[ArmSummary], float]
    scopes: tuple[str, ...] = ()

    def best(self, arms: Sequence[ArmSummary], tests: Sequence[PairTest]) -> list[int]:
        """Return the indices of the arms with the best score, and of those tied with one of them.

        Scores that are written alike are equal. Arms are tied if they do not differ significantly
        in any of the scopes.
        """
        values = [self.value(arm) for arm in arms]
        written = self.metric.write(self.metric.best(values))
        best = [place for place, one in enumerate(values) if self.metric.write(one) == written]
        return [
            place
            for place, arm in enumerate(arms)
            if place in best or any(self._tied(arm, arms[one], tests) for one in best)
        ]

    def _tied(self, one: ArmSummary, other: ArmSummary, tests: Sequence[PairTest]) -> bool:
        pair = {one.arm, other.arm}
        found = [
            test for test in tests if test.scope in self.scopes if {test.one, test.other} == pair
        ]
        return bool(found) and not any(test.significant for test in found)


@dataclass(frozen=True)
class ArmColumn:
    """A column: its header, the cell of an arm, and its order of removal.

    Args:
        header: the header, in two lines.
        cell: returns the cell of an arm.
        metric: the metric shown for baselines in this column; None if they have no value.
        drop: the column with the highest value is removed first if the terminal is narrow.
        ranking: how its best cells are found; None if none is marked, as for times.
    """

    header: str
    cell: Callable[[ArmSummary], str]
    metric: Metric | None = None
    drop: int = 0
    ranking: Ranking | None = None


def comparison_table(
    arms: Sequence[ArmSummary],
    waiting: Sequence[str] = (),
    width: int | None = None,
    differing: Differing | None = None,
    tests: Sequence[PairTest] = (),
) -> Table:
    """Return the table of a comparison, with the best cells of the columns of scores marked.

    Args:
        arms: arms with a finished run.
        waiting: names of arms without a finished run.
        width: maximum width in terminal cells; the least important columns are removed to fit.
        differing: setting -> arm -> value, for settings that differ between arms.
        tests: the compared pairs of arms; without a significant difference they are tied.
    """
    columns = columns_of(arms)
    caption = _caption(arms, differing)
    table = _table(arms, waiting, columns, caption, tests)
    while width is not None and len(columns) > 3 and width_of(table) > width:
        columns.remove(max(columns, key=lambda column: column.drop))
        table = _table(arms, waiting, columns, caption, tests)
    return table


def results_table(comparison: Comparison, width: int | None = None) -> Table:
    """Return the table of the results of a comparison; see `comparison_table`."""
    return comparison_table(
        comparison.arms, width=width, differing=comparison.differing, tests=comparison.tests
    )


def seeds_table(comparison: Comparison) -> Table:
    """Return the table with a row for each run."""
    main = comparison.metric
    metrics = [main, *_other_metrics(comparison.arms, main)]
    ranked = _ranked_on_validation(comparison.arms, main)
    columns = [Column("run", keep=True)]
    columns += [Column(metric.label, right=True) for metric in metrics]
    columns += [Column("val", right=True)] * ranked
    columns += [Column(one, right=True) for one in ("best epoch", "epochs", "steps", "time")]
    rows = [
        (
            run.run,
            *(metric.write(run.scores[metric.name]) for metric in metrics),
            *_validation(run, main, ranked),
            *map(count, (run.best_epoch, run.epochs, run.steps)),
            duration(run.seconds),
        )
        for arm in comparison.arms
        for run in arm.results
    ]
    caption = f"scores on {SPLITS[comparison.split]}, of each seed"
    if ranked:
        caption += f"; val: {main.label} on validation"
    return Table(tuple(columns), tuple(rows), caption=caption)


def _validation(run: RunResult, metric: Metric, ranked: bool) -> list[str]:
    return [metric.write(run.validation[metric.name])] if ranked else []


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
    """Return the columns that apply to some arms: the scores, then what the runs cost."""
    columns = [ArmColumn("\nmodel", lambda arm: arm.arm), *_score_columns(arms)]
    if any(arm.first.positions for arm in arms):
        columns.append(ArmColumn("\npositions", lambda arm: arm.first.positions, drop=5))
    return [
        *columns,
        ArmColumn("\nseeds", lambda arm: str(len(arm.results)), drop=8),
        ArmColumn("\nparameters", lambda arm: count(arm.first.parameters), drop=4),
        ArmColumn("\nsteps", lambda arm: count(arm.steps), drop=7),
        ArmColumn("\ntime", lambda arm: duration(arm.seconds), drop=6),
        ArmColumn("\nseq/s", lambda arm: count(arm.sequences_per_second), drop=9),
    ]


def _score_columns(arms: Sequence[ArmSummary]) -> list[ArmColumn]:
    """Return the columns of the main metric, its validation score, other metrics, and scopes."""
    from seqcli.comparison.summary import deciding_metric  # imports NumPy

    main = deciding_metric(bool(arms) and arms[0].first.language)
    scopes = arms[0].scopes if arms else {}
    ranking = Ranking(main, lambda arm: arm.scores[main.name].mean, tuple(scopes) or ("test",))
    columns = [
        ArmColumn(
            f"{main.label}\nmean ± sd (best)",
            lambda arm: spread(arm.scores[main.name], main),
            main,
            ranking=ranking,
        )
    ]
    if _ranked_on_validation(arms, main):
        columns.append(_ranked_column("\nval", main, lambda arm: arm.validation[main.name].mean, 2))
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
    column = _ranked_column(
        header if "\n" in header else f"\n{header}",
        metric,
        lambda arm: arm.scores[metric.name].mean,
        drop=3,
    )
    return replace(column, metric=metric)


def _ranked_column(
    header: str,
    metric: Metric,
    value: Callable[[ArmSummary], float],
    drop: int,
    scopes: tuple[str, ...] = (),
) -> ArmColumn:
    """Return the column of one score of each arm; see `ArmColumn` and `Ranking`."""
    ranking = Ranking(metric, value, scopes)
    return ArmColumn(header, lambda arm: metric.write(value(arm)), drop=drop, ranking=ranking)


def _scope_columns(arms: Sequence[ArmSummary], main: Metric) -> list[ArmColumn]:
    scopes = arms[0].scopes if arms else ()
    return [_scope_column(scope, main) for scope in scopes]


def _scope_column(scope: str, main: Metric) -> ArmColumn:
    header = f"{main.short}\n{SCOPES[scope]}"
    return _ranked_column(header, main, lambda arm: arm.scopes[scope], 1, (scope,))


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
    tests: Sequence[PairTest],
) -> Table:
    rows = [tuple(column.cell(arm) for column in columns) for arm in arms]
    rows += [(name, *[""] * (len(columns) - 1)) for name in waiting]
    if arms:
        rows += _baseline_rows(arms[0], columns)
    headers = tuple(Column(column.header, right=n > 0) for n, column in enumerate(columns))
    best = _best_cells(arms, columns, tests)
    legend = "bold: the best of each column of scores" if best else ""
    if legend and tests:
        legend += ", and those without a significant difference from it"
    return Table(headers, tuple(rows), "", caption, best=best, legend=legend)


def _best_cells(
    arms: Sequence[ArmSummary], columns: Sequence[ArmColumn], tests: Sequence[PairTest]
) -> frozenset[tuple[int, int]]:
    """Return (row, column) of the best cells of columns that rank the arms."""
    if len(arms) < 2:
        return frozenset()
    rankings = ((place, one.ranking) for place, one in enumerate(columns) if one.ranking)
    return frozenset((row, place) for place, one in rankings for row in one.best(arms, tests))


def _caption(arms: Sequence[ArmSummary], differing: Differing | None) -> str:
    """Explain the columns, the ranking of the arms, and the settings that differ."""
    from seqcli.comparison.summary import deciding_metric  # imports NumPy

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
    if len(arms) > 1 and _ranked_on_validation(arms, deciding_metric(first.language)):
        parts.append("val: the same on validation, which ranks the models")
    elif first.split == "val":
        parts.append("there are no test rows: validation also chose the epoch of each run")
    if differing is not None and len(arms) > 1:
        lines = differing_lines(differing)
        parts += [f"settings that differ: {' | '.join(lines)}"] if lines else []
        parts.append(SHARED)
    return "; ".join(parts)


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
