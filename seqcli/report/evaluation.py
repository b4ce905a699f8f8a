"""Show an evaluation: metrics, baselines, and error analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqcli.formatting import baseline_name, count, duration, percent, plural
from seqcli.metrics.metric import EVALUATION, Metric, find, shown
from seqcli.report.console import Out, draws
from seqcli.report.predictions import (
    class_table,
    edits_table,
    matrix_tables,
    predictions_table,
    worst,
    worst_table,
)
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.results import Evaluation, Group, LengthBin, Novelty, ScoredRow, Scores, Subset

SCORE_OF_ANY, ERRORS_TO_NEAREST = "multi_reference_accuracy", "multi_reference_token_error_rate"
SAME_FOR_LABELS = {"token_accuracy", "token_error_rate", "mean_token_error_rate"}  # as the accuracy
CAPTION = (
    "free running (the loss: teacher forced); 95% intervals: Clopper-Pearson for shares, score "
    "interval for rates, t for the loss; rows that share a source count as one cluster"
)
CAPTION_LANGUAGE = "teacher forced; 95% intervals: t, equal texts count as one cluster"


def show_evaluation(out: Out, evaluation: Evaluation, rows: int = 10) -> None:
    """Show an evaluation on stdout: tables on a terminal, aligned text elsewhere.

    Args:
        out: the output.
        evaluation: the scores.
        rows: number of predictions to show; half as many of the worst are shown in addition.
    """
    out.write(headline(evaluation), prose=True)
    for note in evaluation.notes:
        out.info(f"note: {note}")
    for line in baseline_warnings(evaluation):
        out.write(line, prose=True)
    drawn = draws(out.stdout)
    for table in _tables(evaluation, rows, out.stdout.width if drawn else 0):
        if table.rows:
            out.write("")
            out.show(table)


def _tables(evaluation: Evaluation, rows: int, width: int) -> Iterator[Table]:
    """Yield all tables; ``width`` is that of the terminal, 0 without one."""
    yield metrics_table(evaluation)
    yield features_table(evaluation)
    yield baselines_table(evaluation)
    yield references_table(evaluation)
    yield novelty_table(evaluation.novelty)
    if evaluation.classes is not None:
        yield class_table(evaluation.classes)
        yield from matrix_tables(evaluation.classes, width)
    yield lengths_table(evaluation.by_length)
    yield subsets_table(evaluation.by_unseen)
    poor: list[ScoredRow] = []
    if evaluation.edits is not None and evaluation.classes is None:
        yield edits_table(evaluation.edits)
        poor = worst(evaluation.predictions, rows // 2)
        yield worst_table(evaluation, poor, in_words=not width)
    yield predictions_table(evaluation, rows, in_words=not width, above=poor)


def metrics_table(evaluation: Scores) -> Table:
    """Return the table of metrics with their intervals and best baselines."""
    columns = [Column("metric", keep=True), Column("model", right=True)]
    columns += [Column("95% interval", right=True, drop=1)] * bool(evaluation.intervals)
    columns += [Column("best baseline", fold=True, drop=2)] * bool(evaluation.baselines)
    rows = []
    for metric in _table_metrics(evaluation):
        interval = metric.write_interval(evaluation.intervals.get(metric.name))
        row = [metric.title, metric.write(evaluation.metrics[metric.name])]
        row += [interval] * bool(evaluation.intervals)
        row += [_best_baseline(evaluation, metric)] * bool(evaluation.baselines)
        rows.append(tuple(row))
    caption = CAPTION if "sequence_accuracy" in evaluation.metrics else CAPTION_LANGUAGE
    return Table(tuple(columns), tuple(rows), caption=caption if evaluation.intervals else "")


def features_table(evaluation: Scores) -> Table:
    """Return the table of scores of each value of the features column, and of all rows."""
    names = ("sequence_accuracy", "token_accuracy", "token_error_rate", "loss")
    metrics = [find(name) for name in names if name in evaluation.metrics]
    columns = [Column("features", keep=True, fold=True), Column("rows", right=True)]
    for place, metric in enumerate(metrics):
        columns.append(Column(metric.short, right=True, drop=2 * place))
        columns.append(Column("95%\ninterval", right=True, drop=2 * place + 1))
    if not evaluation.by_features:
        return Table(tuple(columns), ())
    from seqcli.results import Group  # imports NumPy

    overall = Group("all rows", evaluation.rows, evaluation.metrics, evaluation.intervals)
    rows = tuple(_group_row(one, metrics) for one in (*evaluation.by_features, overall))
    return Table(tuple(columns), rows, strong=frozenset({len(rows) - 1}))


def _group_row(group: Group, metrics: Sequence[Metric]) -> tuple[str, ...]:
    row = [group.value or "none", count(group.rows)]
    for metric in metrics:
        interval = group.intervals.get(metric.name)
        row += [_format_score(metric, group.metrics), metric.write_interval(interval)]
    return tuple(row)


def baselines_table(evaluation: Evaluation) -> Table:
    """Return the table of baseline scores on the evaluated rows."""
    metrics = [
        metric for metric in _table_metrics(evaluation) if metric.name != "sequence_error_rate"
    ]
    known = {name for scores in evaluation.baselines.values() for name in scores}
    metrics = [metric for metric in metrics if metric.name in known]
    columns = [Column(metric.title, right=True, drop=place) for place, metric in enumerate(metrics)]
    rows = (
        (baseline_name(name), *(_format_score(metric, scores) for metric in metrics))
        for name, scores in evaluation.baselines.items()
    )
    split = f" on {evaluation.split}" if evaluation.split else ""
    return Table((Column("baseline", keep=True), *columns), tuple(rows), title=f"baselines{split}")


def references_table(evaluation: Scores) -> Table:
    """Return the table of scores against one and against any of multiple references."""
    references = evaluation.references
    bound = "" if references is None else percent(references.ceiling)
    headers = (
        "multiple\nreferences",
        "accuracy\nper row",
        "upper bound\nper row",
        "accuracy\nper source",
        "token error\nrate per source",
    )
    order = (0, 2, 1, 0, 3)  # the order in which they are dropped
    columns = tuple(
        Column(header, right=place > 0, keep=place == 0, drop=drop)
        for place, (header, drop) in enumerate(zip(headers, order, strict=True))
    )
    if references is None:
        return Table(columns, ())
    metrics = [find(name) for name in ("sequence_accuracy", SCORE_OF_ANY, ERRORS_TO_NEAREST)]
    intervals = (metric.write_interval(evaluation.intervals.get(metric.name)) for metric in metrics)
    rows = [
        _with_bound("model", (_format_score(one, evaluation.metrics) for one in metrics), bound),
        _with_bound("  95% interval", intervals, ""),
    ]
    rows += [
        _with_bound(baseline_name(name), (_format_score(metric, scores) for metric in metrics), "-")
        for name, scores in evaluation.baselines.items()
    ]
    several = f"{count(references.several)} of {plural(references.sources, 'source')}"
    caption = f"{several} have multiple references; per source, any of them is right, and edits "
    return Table(columns, tuple(rows), caption=f"{caption}are to the nearest")


def _with_bound(name: str, scores: Iterable[str], bound: str) -> tuple[str, ...]:
    """Return a row of `references_table`, with the upper bound after the accuracy per row."""
    accuracy, *others = scores
    return name, accuracy, bound, *others


def novelty_table(novelty: Novelty | None) -> Table:
    """Return the table of shares of sampled texts that are new, repeated, or in the data."""
    headers = Column("sampled texts"), Column("share", right=True)
    if novelty is None:
        return Table(headers, ())
    rows = ((name.replace("_", " "), percent(share)) for name, share in novelty.shares.items())
    return Table(headers, tuple(rows), caption=f"of {plural(novelty.drawn, 'text')}")


def lengths_table(bins: Sequence[LengthBin]) -> Table:
    """Return the table of accuracy by source length."""
    headers = ("source length", "rows", "token accuracy", "sequence accuracy")
    rows = (
        (_format_range(b), count(b.rows), percent(b.token_accuracy), percent(b.sequence_accuracy))
        for b in bins
    )
    return Table(tuple(Column(header, right=True) for header in headers), tuple(rows))


def subsets_table(subsets: Sequence[Subset]) -> Table:
    """Return the table of scores with and without unknown tokens."""
    headers = "rows with", "rows", "token\naccuracy", "sequence\naccuracy", "token\nerror rate"
    order = (0, 1, 2, 0, 3)  # the order in which they are dropped
    columns = tuple(
        Column(header, right=place > 0, keep=place == 0, drop=drop)
        for place, (header, drop) in enumerate(zip(headers, order, strict=True))
    )
    rows = (
        (
            one.name,
            count(one.rows),
            percent(one.token_accuracy),
            percent(one.sequence_accuracy),
            percent(one.token_error_rate),
        )
        for one in subsets
    )
    return Table(columns, tuple(rows))


def _table_metrics(evaluation: Scores) -> list[Metric]:
    """Return the metrics of the first table; for labels, without those equal to the accuracy."""
    metrics = map(shown, evaluation.metrics)
    repeated = SAME_FOR_LABELS if evaluation.classes else set()
    return [one for one in metrics if EVALUATION in one.tables and one.name not in repeated]


def baseline_warnings(evaluation: Scores) -> list[str]:
    """Return a warning if a baseline is better than the model or equal to it.

    Sequence accuracy is compared first, then token accuracy; the loss for a language model. There
    is no warning for a perfect model.
    """
    tied = ""
    for metric in map(find, ("sequence_accuracy", "token_accuracy", "loss")):
        baseline = best_baseline(evaluation.baselines, metric)
        value = evaluation.metrics.get(metric.name)
        if baseline is None or value is None or not evaluation.rows:
            continue
        name, score = baseline
        scores = f"{metric.title} {metric.write(score)}, model {metric.write(value)}"
        gain = metric.gain(value, score)
        if gain > 0:
            return []
        if gain < 0:
            return [f"warning: the baseline '{baseline_name(name)}' beats the model: {scores}"]
        if value != 1:
            tied = tied or f"warning: the model only equals '{baseline_name(name)}': {scores}"
    return [tied] * bool(tied)


def best_baseline(
    baselines: Mapping[str, Mapping[str, float]], metric: Metric
) -> tuple[str, float] | None:
    """Return name and score of the best baseline by a metric; None if no baseline has it."""
    scores = {name: one[metric.name] for name, one in baselines.items() if metric.name in one}
    if not scores:
        return None
    best = metric.best(scores.values())
    return next(name for name, score in scores.items() if score == best), best


def _best_baseline(evaluation: Scores, metric: Metric) -> str:
    best = best_baseline(evaluation.baselines, metric)
    return "-" if best is None else f"{metric.write(best[1])} {baseline_name(best[0])}"


def headline(evaluation: Evaluation) -> str:
    """Describe what was scored, in one line."""
    search = {0: "", 1: "greedy, "}.get(evaluation.beam, f"beam {evaluation.beam}, ")
    what = f"{evaluation.checkpoint} on {evaluation.data}"
    what += f", {evaluation.split}" if evaluation.split else ""
    return (
        f"{what if evaluation.checkpoint else evaluation.data}: "
        f"{plural(evaluation.rows, 'row')}, {search}{duration(evaluation.seconds)}"
    )


def _format_score(metric: Metric, scores: Mapping[str, float]) -> str:
    return metric.write(scores[metric.name]) if metric.name in scores else "-"


def _format_range(length: LengthBin) -> str:
    return str(length.low) if length.low == length.high else f"{length.low}-{length.high}"
