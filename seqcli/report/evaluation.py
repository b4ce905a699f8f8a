"""How an evaluation is shown: metrics and their baselines, then where it goes right and wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from seqcli.formatting import baseline_name, between, count, duration, percent, plural, score
from seqcli.report.console import Out, draws
from seqcli.report.error_tables import (
    class_table,
    edits_table,
    matrix_tables,
    predictions_table,
    worst,
    worst_table,
)
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.results import Evaluation, LengthBin, Novelty, ScoredRow, Scores, Subset

METRIC_NAMES = {
    "loss": "loss (nats per token)",
    "bits_per_character": "bits per character (<eos> included)",
    "perplexity": "perplexity (<eos> included)",
    "token_accuracy": "token accuracy",
    "sequence_accuracy": "sequence accuracy",
    "sequence_error_rate": "sequence error rate",
    "symbol_error_rate": "symbol error rate",
    "mean_symbol_error_rate": "mean symbol error rate",
    "macro_f1": "macro F1",
}
ACCURACY, ERRORS = "multi_reference_accuracy", "multi_reference_symbol_error_rate"
SAME_FOR_LABELS = {"token_accuracy", "symbol_error_rate", "mean_symbol_error_rate"}
HOW = (
    "free running (the loss: teacher forced); 95% intervals: Clopper-Pearson for shares, score "
    "interval for rates, t for the loss; rows that share a source count as one cluster"
)
HOW_LANGUAGE = "teacher forced; 95% intervals: t, equal texts count as one cluster"


def show_evaluation(out: Out, evaluation: Evaluation, rows: int = 10) -> None:
    """Show an evaluation as data (stdout): tables on a terminal, aligned text elsewhere.

    Args:
        out: where to.
        evaluation: what to show.
        rows: how many predictions to show, and half as many of the worst.
    """
    out.write(_headline(evaluation))
    for note in evaluation.notes:
        out.info(f"note: {note}")
    for line in lost_lines(evaluation):
        out.write(line)
    drawn = draws(out.stdout)
    for table in _tables(evaluation, rows, out.stdout.width if drawn else 0):
        if table.rows:
            out.write("")
            out.show(table)


def _tables(evaluation: Evaluation, rows: int, width: int) -> Iterator[Table]:
    """Yield all tables; ``width`` of the terminal, or 0 off a terminal."""
    yield metrics_table(evaluation)
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
    """Return each metric of the model, its interval, and the best baseline."""
    columns = [Column("metric", keep=True), Column("model", right=True)]
    columns += [Column("95% interval", right=True, drop=1)] * bool(evaluation.intervals)
    columns += [Column("best baseline", fold=True, drop=2)] * bool(evaluation.baselines)
    rows = []
    for metric in _shown(evaluation):
        row = [_name(metric), score(metric, evaluation.metrics[metric])]
        row += [between(metric, evaluation.intervals.get(metric))] * bool(evaluation.intervals)
        row += [_best_baseline(evaluation, metric)] * bool(evaluation.baselines)
        rows.append(tuple(row))
    how = HOW if "sequence_accuracy" in evaluation.metrics else HOW_LANGUAGE
    return Table(tuple(columns), tuple(rows), caption=how if evaluation.intervals else "")


def baselines_table(evaluation: Evaluation) -> Table:
    """Return the scores of the baselines on the rows that were scored, a row for each."""
    metrics = [name for name in _shown(evaluation) if name not in ("sequence_error_rate",)]
    metrics = [
        m for m in metrics if any(m in baseline for baseline in evaluation.baselines.values())
    ]
    columns = [
        Column(_stacked(_name(metric)), right=True, drop=place)
        for place, metric in enumerate(metrics)
    ]
    rows = (
        (baseline_name(name), *(_written(metric, baseline.get(metric)) for metric in metrics))
        for name, baseline in evaluation.baselines.items()
    )
    split = f" on {evaluation.split}" if evaluation.split else ""
    return Table((Column("baseline", keep=True), *columns), tuple(rows), title=f"baselines{split}")


def references_table(evaluation: Scores) -> Table:
    """Return scores where sources have several right answers: against one, and against any."""
    found = evaluation.references
    headers = (
        "multiple\nreferences",
        "accuracy\nper row",
        "upper bound\nper row",
        "accuracy\nper source",
        "symbol error\nrate per source",
    )
    order = (0, 2, 1, 0, 3)  # in which they are dropped
    columns = tuple(
        Column(header, right=place > 0, keep=place == 0, drop=drop)
        for place, (header, drop) in enumerate(zip(headers, order, strict=True))
    )
    if found is None:
        return Table(columns, ())
    names = "sequence_accuracy", "", ACCURACY, ERRORS
    best = {"": found.ceiling}
    rows = [("model", *_figures({**evaluation.metrics, **best}, names))]
    spans = (between(name, evaluation.intervals.get(name)) if name else "" for name in names)
    rows.append(("  95% interval", *spans))
    rows += [
        (baseline_name(name), *_figures(one, names)) for name, one in evaluation.baselines.items()
    ]
    said = f"{count(found.several)} of {plural(found.sources, 'source')} have multiple references"
    caption = f"{said}; per source, any of them is right, and edits are to the nearest"
    return Table(columns, tuple(rows), caption=caption)


def novelty_table(novelty: Novelty | None) -> Table:
    """Return how many of the texts a language model invents are new."""
    headers = Column("texts drawn"), Column("share", right=True)
    if novelty is None:
        return Table(headers, ())
    rows = ((name.replace("_", " "), percent(share)) for name, share in novelty.shares.items())
    return Table(headers, tuple(rows), caption=f"of {plural(novelty.drawn, 'sampled text')}")


def lengths_table(bins: Sequence[LengthBin]) -> Table:
    """Return accuracy by source length."""
    headers = ("source length", "rows", "token accuracy", "sequence accuracy")
    rows = (
        (_span(b), count(b.rows), percent(b.token_accuracy), percent(b.sequence_accuracy))
        for b in bins
    )
    return Table(tuple(Column(header, right=True) for header in headers), tuple(rows))


def subsets_table(subsets: Sequence[Subset]) -> Table:
    """Return scores with and without unknown tokens."""
    headers = "rows with", "rows", "token\naccuracy", "sequence\naccuracy", "symbol\nerror rate"
    order = (0, 1, 2, 0, 3)  # in which they are dropped
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
            percent(one.symbol_error_rate),
        )
        for one in subsets
    )
    return Table(columns, tuple(rows))


def _shown(evaluation: Scores) -> list[str]:
    """Return the metrics of the first table: not those of several references, nor, of labels,
    those that say the same as the accuracy."""
    left_out = {ACCURACY, ERRORS} | (SAME_FOR_LABELS if evaluation.classes else set())
    order = {name: place for place, name in enumerate(METRIC_NAMES)}
    known = sorted(evaluation.metrics, key=lambda metric: order.get(metric, len(order)))
    return [metric for metric in known if metric not in left_out]


def lost_lines(evaluation: Scores) -> list[str]:
    """Return a line that names the baseline if one is better than the model or as good.

    Sequence accuracy decides, and token accuracy where that is equal; of a language model the bits
    per character. A model that is perfect loses to no baseline.
    """
    tied = ""
    for metric, sign in (("sequence_accuracy", 1), ("token_accuracy", 1), ("loss", -1)):
        found = best_baseline(evaluation.baselines, metric)
        value = evaluation.metrics.get(metric)
        if found is None or value is None or not evaluation.rows:
            continue
        name, baseline = found
        figures = f"{_name(metric)} {score(metric, baseline)}, model {score(metric, value)}"
        if sign * value > sign * baseline:
            return []
        if value != baseline:
            return [f"warning: the baseline '{baseline_name(name)}' beats the model: {figures}"]
        if value != 1:
            tied = tied or f"warning: the model only equals '{baseline_name(name)}': {figures}"
    return [tied] * bool(tied)


def best_baseline(
    baselines: Mapping[str, Mapping[str, float]], metric: str
) -> tuple[str, float] | None:
    """Return name and score of the best baseline by a metric; None where none has it."""
    scores = {name: found[metric] for name, found in baselines.items() if metric in found}
    if not scores:
        return None
    pick = max if metric.endswith(("_accuracy", "_f1")) else min
    name = pick(scores, key=scores.__getitem__)
    return name, scores[name]


def _best_baseline(evaluation: Scores, metric: str) -> str:
    found = best_baseline(evaluation.baselines, metric)
    if found is None:
        return "-"
    return f"{score(metric, found[1])} {baseline_name(found[0])}"


def _figures(scores: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [_written(name or ACCURACY, scores.get(name)) for name in names]


def _headline(evaluation: Evaluation) -> str:
    search = {0: "", 1: "greedy, "}.get(evaluation.beam, f"beam {evaluation.beam}, ")
    what = f"{evaluation.checkpoint} on {evaluation.data}"
    what += f", {evaluation.split}" if evaluation.split else ""
    return (
        f"{what if evaluation.checkpoint else evaluation.data}: "
        f"{plural(evaluation.rows, 'row')}, {search}{duration(evaluation.seconds)}"
    )


def _name(metric: str) -> str:
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def _stacked(name: str) -> str:
    """Return a header in two lines, the last word or two below."""
    for last in ("accuracy", "error rate"):
        if name.endswith(" " + last):
            return f"{name.removesuffix(last).strip()}\n{last}"
    return name


def _written(metric: str, value: float | None) -> str:
    return "-" if value is None else score(metric, value)


def _span(length: LengthBin) -> str:
    return str(length.low) if length.low == length.high else f"{length.low}-{length.high}"
