"""How an evaluation is shown: metrics beside their floors, accuracy by length, predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqcli.report.console import Out, draws
from seqcli.report.formats import count, duration, percent, score
from seqcli.report.predictions import describe_errors, mark
from seqcli.report.tables import Cell, Column, Table

if TYPE_CHECKING:
    from seqcli.results import Evaluation, LengthBin, Novelty, ScoredRow

WRONG_SHOWN, RIGHT_SHOWN = 7, 3
METRIC_NAMES = {
    "loss": "loss (nats per token, teacher forced)",
    "bits_per_character": "bits per character (stop symbol counted)",
    "perplexity": "perplexity (stop symbol counted)",
    "token_accuracy": "token accuracy (free running)",
    "sequence_accuracy": "sequence accuracy (free running)",
    "symbol_error_rate": "symbol error rate",
}


def show_evaluation(out: Out, evaluation: Evaluation) -> None:
    """Show an evaluation as data (stdout): tables on a terminal, aligned text elsewhere."""
    out.write(_headline(evaluation))
    for note in evaluation.notes:
        out.say(f"note: {note}")
    for table in (
        metrics_table(evaluation),
        novelty_table(evaluation.novelty),
        lengths_table(evaluation.by_length),
        predictions_table(evaluation, in_words=not draws(out.data)),
    ):
        if table.rows:
            out.write("")
            out.show(table)


def metrics_table(evaluation: Evaluation) -> Table:
    """Return the metrics of the model, with a column for each floor (chance, majority ...)."""
    floors = evaluation.floors
    columns = [Column("metric"), Column("model", right=True)]
    columns += [Column(name.replace("_", " "), right=True) for name in floors]
    rows = []
    for metric, value in evaluation.metrics.items():
        beside = [_written(metric, floor.get(metric)) for floor in floors.values()]
        name = METRIC_NAMES.get(metric, metric.replace("_", " "))
        rows.append((name, _written(metric, value), *beside))
    return Table(tuple(columns), tuple(rows))


def novelty_table(novelty: Novelty | None) -> Table:
    """Return how many of the texts a language model invents are new."""
    headers = Column("texts drawn"), Column("share", right=True)
    if novelty is None:
        return Table(headers, ())
    rows = ((name.replace("_", " "), percent(share)) for name, share in novelty.shares.items())
    return Table(headers, tuple(rows), caption=f"{count(novelty.drawn)} texts were drawn")


def lengths_table(bins: Sequence[LengthBin]) -> Table:
    """Return accuracy by source length."""
    headers = ("source length", "rows", "token accuracy", "sequence accuracy")
    rows = (
        (_span(b), count(b.rows), percent(b.token_accuracy), percent(b.sequence_accuracy))
        for b in bins
    )
    return Table(tuple(Column(header, right=True) for header in headers), tuple(rows))


def predictions_table(evaluation: Evaluation, *, in_words: bool) -> Table:
    """Return some predictions beside the truth: wrong ones first, then a few right ones.

    Args:
        evaluation: what to show rows of.
        in_words: add a column that tells the errors, for places without colour.
    """
    chosen = choose(evaluation.predictions)
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    columns = (Column("", keep=True), Column("edits", right=True), *map(Column, headers))
    rows = tuple(_prediction_row(row, evaluation, in_words) for row in chosen)
    wrong = sum(not row.correct for row in evaluation.predictions)
    all_rows = len(evaluation.predictions)
    caption = f"{count(wrong)} of {count(all_rows)} predictions are wrong; {len(rows)} shown"
    return Table(columns, rows, caption=caption)


def choose(rows: Sequence[ScoredRow]) -> list[ScoredRow]:
    """Return the rows worth a look, in the order of the data: wrong ones first, a few right."""
    wrong = [row for row in rows if not row.correct][:WRONG_SHOWN]
    right = [row for row in rows if row.correct][:RIGHT_SHOWN]
    return wrong + right


def _prediction_row(row: ScoredRow, evaluation: Evaluation, in_words: bool) -> tuple[Cell, ...]:
    joiner = evaluation.target_joiner
    source, truth = evaluation.source_joiner.join(row.source), joiner.join(row.truth)
    mark_of_row = "ok" if row.correct else "wrong"
    if in_words:
        errors = describe_errors(row.truth, row.prediction)
        prediction = joiner.join(row.prediction)
        return (mark_of_row, str(row.edits), source, truth, prediction, errors)
    return (mark_of_row, str(row.edits), source, truth, mark(row.truth, row.prediction, joiner))


def _headline(evaluation: Evaluation) -> str:
    search = {0: "", 1: "greedy, "}.get(evaluation.beam, f"beam {evaluation.beam}, ")
    return (
        f"{evaluation.checkpoint} on {evaluation.data}, {evaluation.split}: "
        f"{count(evaluation.rows)} rows, {search}{duration(evaluation.seconds)}"
    )


def _written(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    return score(metric, value)


def _span(length: LengthBin) -> str:
    return str(length.low) if length.low == length.high else f"{length.low}-{length.high}"
