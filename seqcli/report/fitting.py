"""Fit a table into the width of a terminal without cutting a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.cells import cell_len

from seqcli.report.formats import plural, visible

if TYPE_CHECKING:
    from seqcli.report.tables import Cell, Column, Table

GAP = 2  # terminal cells between columns
LEAST_TEXT = 10  # terminal cells that a text column keeps when it is cut
_Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Fitted:
    """A table that fits, and the width of each of its columns in terminal cells."""

    table: Table
    widths: tuple[int, ...]


def fit(table: Table, width: int) -> Fitted | None:
    """Make a table at most ``width`` terminal cells wide.

    Texts are shortened first, then headers take two lines, then the columns with the highest
    ``Column.drop`` are left out one by one and named in the caption. Figures are never shortened.

    Returns:
        the table that fits, or None if even its last columns are too wide.
    """
    candidate, dropped = table, list[str]()
    while True:
        for shown in (candidate, _with_short_headers(candidate)):
            widths = _widths(shown, width)
            if widths is not None:
                return Fitted(_with_note(_level(shown), dropped), widths)
        place = _least_important(candidate.columns)
        if place is None:
            return None
        dropped.append(" ".join(candidate.columns[place].header.split()))
        candidate = _without(candidate, place)


def plain_cell(cell: Cell) -> str:
    """Return a cell as text without marks."""
    return visible(cell if isinstance(cell, str) else "".join(part.text for part in cell))


def _with_short_headers(table: Table) -> Table:
    """Return the table with headers in two lines where they are wider than their cells."""
    cells = zip(*table.rows, strict=True) if table.rows else ((),) * len(table.columns)
    columns = [
        replace(column, header=two_lines(column.header))
        if header_width(column.header) > max(map(cell_len, map(plain_cell, below)), default=0)
        else column
        for column, below in zip(table.columns, cells, strict=True)
    ]
    return replace(table, columns=tuple(columns))


def two_lines(header: str) -> str:
    """Break a header of one line at the space that makes it narrowest."""
    spaces = [place for place, symbol in enumerate(header) if symbol == " "]
    if "\n" in header or not spaces:
        return header
    broken = (f"{header[:place]}\n{header[place + 1 :]}" for place in spaces)
    return min(broken, key=header_width)


def header_width(header: str) -> int:
    """Return the width of the widest line of a header, in terminal cells."""
    return max(map(cell_len, header.split("\n")))


def _level(table: Table) -> Table:
    """Put headers of one line at the height of the second line of the others."""
    lines = max((column.header.count("\n") for column in table.columns), default=0)
    columns = (
        replace(c, header="\n" * (lines - c.header.count("\n")) + c.header) for c in table.columns
    )
    return replace(table, columns=tuple(columns))


def _widths(table: Table, width: int) -> tuple[int, ...] | None:
    """Return a width for each column such that all fit; None if they cannot."""
    rows = [[plain_cell(cell) for cell in row] for row in table.rows]
    natural = _natural(table.columns, rows)
    least = [_least(table, rows, place, wide) for place, wide in enumerate(natural)]
    room = width - GAP * (len(natural) - 1)
    if sum(least) > room:
        return None
    low, high = 0, max(natural, default=0)
    while low < high:  # the widest width that texts may have
        most = (low + high + 1) // 2
        low, high = (most, high) if sum(_capped(natural, least, most)) <= room else (low, most - 1)
    return tuple(_capped(natural, least, low))


def _capped(natural: Iterable[int], least: Iterable[int], most: int) -> list[int]:
    return [max(few, min(wide, most)) for wide, few in zip(natural, least, strict=True)]


def _natural(columns: Sequence[Column], rows: _Rows) -> list[int]:
    cells = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return [
        max([header_width(column.header), *map(cell_len, below)])
        for column, below in zip(columns, cells, strict=True)
    ]


def _least(table: Table, rows: _Rows, place: int, natural: int) -> int:
    """Return the narrowest a column may be: figures and names keep their width."""
    column = table.columns[place]
    if column.right or column.keep:
        return natural
    header = header_width(column.header)
    if column.fold:
        words = (word for row in rows for word in row[place].split())
        return max([header, *map(cell_len, words)])
    return min(natural, max(header, LEAST_TEXT))


def _least_important(columns: Sequence[Column]) -> int | None:
    """Return the place of the column to leave out next; None if all others must stay."""
    places = [place for place, column in enumerate(columns) if column.drop]
    return max(places, key=lambda place: (columns[place].drop, place), default=None)


def _without(table: Table, place: int) -> Table:
    columns = table.columns[:place] + table.columns[place + 1 :]
    rows = tuple(row[:place] + row[place + 1 :] for row in table.rows)
    return replace(table, columns=columns, rows=rows)


def _with_note(table: Table, dropped: Sequence[str]) -> Table:
    if not dropped:
        return table
    note = f"{plural(len(dropped), 'column')} hidden ({', '.join(dropped)}): "
    note += "use a wider terminal or --json"
    return replace(table, caption=f"{table.caption}\n{note}" if table.caption else note)
