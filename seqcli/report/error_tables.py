"""Tables of errors: scores per label, the confusion matrix, edits, and wrong predictions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from seqcli.formatting import count, percent, plural
from seqcli.report.predictions import describe_errors, mark, shown_source, shown_token
from seqcli.report.tables import Column, Table, TableCell, width_of

if TYPE_CHECKING:
    from seqcli.results import Classes, Confusion, Edits, ScoredRow, Scores


NO_LABEL = "(no label)"
MOST = 40  # maximum number of labels in a printed confusion matrix


def class_table(classes: Classes) -> Table:
    """Return the table of precision, recall and F1 per label, most frequent first."""
    headers = "class", "rows", "predicted", "precision", "recall", "F1"
    columns = tuple(Column(header, right=place > 0) for place, header in enumerate(headers))
    ordered = sorted(classes.scores, key=lambda one: -one.rows)
    rows = tuple(
        (
            one.label,
            count(one.rows),
            count(one.predicted),
            "-" if one.precision is None else percent(one.precision),
            percent(one.recall),
            percent(one.f1),
        )
        for one in ordered
    )
    return Table(columns, rows)


def matrix_tables(classes: Classes, width: int) -> Iterator[Table]:
    """Yield the confusion matrix, split into as many parts as needed to fit the terminal.

    Args:
        classes: the classification results.
        width: width of the terminal in cells; 0 for no limit.
    """
    if len(classes.labels) > MOST:
        caption = f"the confusion matrix has {plural(len(classes.labels), 'column')}: see --json"
        yield Table((Column("confusion matrix"),), (("",),), caption=caption)
        return
    yield from next(parts for parts in _parts(classes) if _fits(parts, width))


def _parts(classes: Classes) -> Iterator[list[Table]]:
    """Yield the matrix split into 1, 2, 3 ... parts of similar width."""
    columns = len(classes.labels)
    for number in range(1, columns + 1):
        size = -(-columns // number)
        yield [_part(classes, range(columns)[at : at + size]) for at in range(0, columns, size)]


def _fits(parts: list[Table], width: int) -> bool:
    narrowest = all(len(part.columns) == 2 for part in parts)
    return not width or narrowest or max(map(width_of, parts)) <= width


def _part(classes: Classes, places: range) -> Table:
    """Return a table with some columns and all rows of the matrix."""
    columns = [Column("truth \\ prediction", keep=True)]
    columns += [Column(str(place + 1), right=True) for place in places]
    names = [f"{place + 1} {label or NO_LABEL}" for place, label in enumerate(classes.labels)]
    rows = tuple(
        (name, *("." if not row[place] else count(row[place]) for place in places))
        for name, row in zip(names, classes.matrix, strict=False)
    )
    only = [name for place, name in enumerate(names) if place >= len(rows) and place in places]
    caption = f"only predicted: {', '.join(only)}" if only else ""
    return Table(tuple(columns), rows, caption=caption)


SHOWN = 10  # default number of predictions and of edit kinds
RIGHT_SHARE = 0.3  # share of correct rows among the predictions shown


def edits_table(edits: Edits) -> Table:
    """Return the table of the most frequent edits from truth to prediction."""
    total = edits.substitutions + edits.deletions + edits.insertions
    figures = Column("times", right=True), Column("of all", right=True)
    columns = (*figures, Column("truth"), Column("prediction"))
    rows = tuple(
        (count(one.count), percent(one.count / total), *_sides(one))
        for one in edits.commonest[:SHOWN]
    )
    kinds = f"{plural(edits.substitutions, 'substitution')}, {plural(edits.deletions, 'deletion')}"
    caption = f"{plural(total, 'edit')}: {kinds}, {plural(edits.insertions, 'insertion')}"
    return Table(columns, rows, caption=caption)


def predictions_table(
    scores: Scores, most: int, *, in_words: bool, above: Iterable[ScoredRow] = ()
) -> Table:
    """Return a table of predictions next to the truth: wrong ones first, then a few correct ones.

    Args:
        scores: the scored rows.
        most: maximum number of rows.
        in_words: add a column that describes the errors, for output without color.
        above: rows to omit because they are already shown among the worst.
    """
    seen = set(above)
    chosen = choose([row for row in scores.predictions if row not in seen], most)
    wrong = sum(not row.correct for row in scores.predictions)
    of = f"{count(wrong)} of {plural(len(scores.predictions), 'prediction')}"
    caption = f"{of} {'is' if wrong == 1 else 'are'} wrong; {count(len(chosen))} "
    caption += f"{'more ' * bool(seen)}shown"
    return _rows_table(scores, chosen, caption, in_words)


def worst_table(scores: Scores, chosen: Sequence[ScoredRow], *, in_words: bool) -> Table:
    """Return a table of the rows selected by `worst`, in the layout of `predictions_table`."""
    caption = "the worst: most edits for the length of the truth"
    return _rows_table(scores, chosen, caption, in_words)


def choose(rows: Sequence[ScoredRow], most: int = SHOWN) -> list[ScoredRow]:
    """Select rows to show, in the order of the data: wrong ones first, then a few correct ones."""
    right = round(most * RIGHT_SHARE)
    return [row for row in rows if not row.correct][: most - right] + [
        row for row in rows if row.correct
    ][:right]


def worst(rows: Iterable[ScoredRow], most: int) -> list[ScoredRow]:
    """Return the wrong rows with the most edits per token of the truth, without duplicates.

    Rows with equal rates are sorted by their number of edits, highest first.
    """
    wrong = dict.fromkeys(row for row in rows if not row.correct)
    return sorted(wrong, key=lambda row: (-_share(row), -row.edits))[:most]


def _share(row: ScoredRow) -> float:
    return row.edits / max(len(row.truth), 1)


def _rows_table(scores: Scores, chosen: Sequence[ScoredRow], caption: str, in_words: bool) -> Table:
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    columns = (Column("", keep=True), Column("edits", right=True), *map(Column, headers))
    rows = tuple(_prediction_row(row, scores, in_words) for row in chosen)
    return Table(columns, rows, caption=caption, stacks=True)


def _prediction_row(row: ScoredRow, scores: Scores, in_words: bool) -> tuple[TableCell, ...]:
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
    truth = "(inserted)" if one.truth is None else shown_token(one.truth)
    return truth, "(deleted)" if one.prediction is None else shown_token(one.prediction)
