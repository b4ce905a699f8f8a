"""Which errors are made: the commonest edits, the worst answers, some answers beside the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from seqcli.report.formats import count, percent, plural
from seqcli.report.predictions import describe_errors, mark, shown_source, shown_symbol
from seqcli.report.tables import Cell, Column, Table

if TYPE_CHECKING:
    from seqcli.results import Confusion, Edits, ScoredRow, Scores

SHOWN = 10  # predictions, and kinds of edits
RIGHT_SHARE = 0.3  # of the predictions shown, where there are enough of both


def edits_table(edits: Edits) -> Table:
    """Return the commonest edits from truth to prediction."""
    total = edits.substitutions + edits.deletions + edits.insertions
    figures = Column("times", right=True), Column("of all", right=True)
    columns = (*figures, Column("truth"), Column("prediction"))
    rows = tuple(
        (count(one.count), percent(one.count / total), *_sides(one))
        for one in edits.commonest[:SHOWN]
    )
    kinds = f"{plural(edits.substitutions, 'substitution')}, {plural(edits.deletions, 'deletion')}"
    caption = f"{plural(total, 'edit')}: {kinds}, {plural(edits.insertions, 'insertion')}"
    if edits.left_out:
        caption += f"; too long to be aligned: {plural(edits.left_out, 'row')}"
    return Table(columns, rows, caption=caption)


def predictions_table(
    scores: Scores, most: int, *, in_words: bool, above: Iterable[ScoredRow] = ()
) -> Table:
    """Return some predictions beside the truth: wrong ones first, then a few right ones.

    Args:
        scores: what to show rows of.
        most: how many to show.
        in_words: add a column that tells the errors, for places without colour.
        above: rows that have been shown before, as the worst.
    """
    seen = set(above)
    chosen = choose([row for row in scores.predictions if row not in seen], most)
    wrong = sum(not row.correct for row in scores.predictions)
    of = f"{count(wrong)} of {plural(len(scores.predictions), 'prediction')}"
    caption = f"{of} {'is' if wrong == 1 else 'are'} wrong; {count(len(chosen))} "
    caption += f"{'more ' * bool(seen)}shown"
    return _rows_table(scores, chosen, caption, in_words)


def worst_table(scores: Scores, chosen: Sequence[ScoredRow], *, in_words: bool) -> Table:
    """Return the predictions that `worst` chose, beside the truth as above."""
    caption = "the worst: most edits for the length of the truth"
    return _rows_table(scores, chosen, caption, in_words)


def choose(rows: Sequence[ScoredRow], most: int = SHOWN) -> list[ScoredRow]:
    """Return the rows worth a look, in the order of the data: wrong ones first, a few right."""
    right = round(most * RIGHT_SHARE)
    return [row for row in rows if not row.correct][: most - right] + [
        row for row in rows if row.correct
    ][:right]


def worst(rows: Iterable[ScoredRow], most: int) -> list[ScoredRow]:
    """Return the wrong rows with the most edits per symbol of the truth, of equal ones the longest
    first; a row that repeats another is not told twice."""
    wrong = dict.fromkeys(row for row in rows if not row.correct)
    return sorted(wrong, key=lambda row: (-_share(row), -row.edits))[:most]


def _share(row: ScoredRow) -> float:
    return row.edits / max(len(row.truth), 1)


def _rows_table(scores: Scores, chosen: Sequence[ScoredRow], caption: str, in_words: bool) -> Table:
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    columns = (Column("", keep=True), Column("edits", right=True), *map(Column, headers))
    rows = tuple(_prediction_row(row, scores, in_words) for row in chosen)
    return Table(columns, rows, caption=caption, stacks=True)


def _prediction_row(row: ScoredRow, scores: Scores, in_words: bool) -> tuple[Cell, ...]:
    joiner = scores.target_joiner
    source = shown_source(row.line(scores.source_joiner))
    truth = joiner.join(row.truth)
    mark_of_row = "ok" if row.correct else "wrong"
    if in_words:
        errors = describe_errors(row.truth, row.prediction)
        prediction = joiner.join(row.prediction)
        return (mark_of_row, str(row.edits), source, truth, prediction, errors)
    return (mark_of_row, str(row.edits), source, truth, mark(row.truth, row.prediction, joiner))


def _sides(one: Confusion) -> tuple[str, str]:
    truth = "(inserted)" if one.truth is None else shown_symbol(one.truth)
    return truth, "(deleted)" if one.prediction is None else shown_symbol(one.prediction)
