"""Labels: how well each is found, and which are taken for which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from seqcli.report.formats import count, percent, plural
from seqcli.report.tables import Column, Table, width_of

if TYPE_CHECKING:
    from seqcli.results import Classes

NO_LABEL = "(no label)"
MOST = 40  # labels of a matrix that a page can show


def class_table(classes: Classes) -> Table:
    """Return precision, recall and F1 of each label, the commonest first."""
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
    """Yield the confusion matrix, in as many parts as the terminal is narrow.

    Args:
        classes: the labels.
        width: of the terminal, in cells; 0 for as wide as it needs.
    """
    if len(classes.labels) > MOST:
        caption = f"the confusion matrix has {plural(len(classes.labels), 'column')}: see --json"
        yield Table((Column("confusion matrix"),), (("",),), caption=caption)
        return
    yield from next(found for found in _parts(classes) if _fits(found, width))


def _parts(classes: Classes) -> Iterator[list[Table]]:
    """Yield the matrix cut into 1, 2, 3 ... parts of like widths."""
    columns = len(classes.labels)
    for number in range(1, columns + 1):
        size = -(-columns // number)
        yield [_part(classes, range(columns)[at : at + size]) for at in range(0, columns, size)]


def _fits(parts: list[Table], width: int) -> bool:
    narrowest = all(len(part.columns) == 2 for part in parts)
    return not width or narrowest or max(map(width_of, parts)) <= width


def _part(classes: Classes, places: range) -> Table:
    """Return some columns of the matrix, all of its rows."""
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
