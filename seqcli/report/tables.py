"""Tables as plain aligned text, or drawn by rich to fit the terminal with complete numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from seqcli.formatting import plural, visible

if TYPE_CHECKING:
    from seqcli.config.examples import Example
    from seqcli.descriptions import TaskInfo


GAP = 2  # terminal cells between columns
LEAST_TEXT = 10  # minimum width of a text column, in terminal cells
_Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Fitted:
    """A table that fits, with the widths of its columns in terminal cells."""

    table: Table
    widths: tuple[int, ...]


def fit(table: Table, width: int) -> Fitted | None:
    """Fit a table into ``width`` terminal cells.

    Texts are shortened first, then headers take two lines, then the columns with the highest
    ``Column.drop`` are hidden one by one and named in the caption. Numbers are never shortened.

    Returns:
        The table that fits, or None if even the last columns are too wide.
    """
    candidate, dropped = table, list[str]()
    while True:
        for shown in (candidate, _with_short_headers(candidate)):
            widths = _widths(shown, width)
            if widths is not None:
                return Fitted(_with_note(_level(shown), dropped), widths)
        place = _next_to_hide(candidate.columns)
        if place is None:
            return None
        dropped.append(" ".join(candidate.columns[place].header.split()))
        candidate = _without(candidate, place)


def plain_cell(cell: TableCell) -> str:
    """Return a cell as text without markup."""
    return visible(cell if isinstance(cell, str) else "".join(part.text for part in cell))


def _with_short_headers(table: Table) -> Table:
    """Break headers that are wider than their cells into two lines."""
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
    spaces = [place for place, character in enumerate(header) if character == " "]
    if "\n" in header or not spaces:
        return header
    broken = (f"{header[:place]}\n{header[place + 1 :]}" for place in spaces)
    return min(broken, key=header_width)


def header_width(header: str) -> int:
    """Return the width of the widest line of a header, in terminal cells."""
    return max(map(cell_len, header.split("\n")))


def _level(table: Table) -> Table:
    """Align headers of one line with the last line of the others."""
    lines = max((column.header.count("\n") for column in table.columns), default=0)
    columns = (
        replace(c, header="\n" * (lines - c.header.count("\n")) + c.header) for c in table.columns
    )
    return replace(table, columns=tuple(columns))


def _widths(table: Table, width: int) -> tuple[int, ...] | None:
    """Return the width of each column so that all fit; None if that is impossible."""
    rows = [[plain_cell(cell) for cell in row] for row in table.rows]
    natural = _natural(table.columns, rows)
    least = [_least(table, rows, place, wide) for place, wide in enumerate(natural)]
    room = width - GAP * (len(natural) - 1)
    if sum(least) > room:
        return None
    low, high = 0, max(natural, default=0)
    while low < high:  # maximum width of text columns
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
    """Return the minimum width of a column: numbers and names keep their width."""
    column = table.columns[place]
    if column.right or column.keep:
        return natural
    header = header_width(column.header)
    if column.fold:
        words = (word for row in rows for word in row[place].split())
        return max([header, *map(cell_len, words)])
    return min(natural, max(header, LEAST_TEXT))


def _next_to_hide(columns: Sequence[Column]) -> int | None:
    """Return the index of the column to hide next; None if all others must stay."""
    places = [place for place, column in enumerate(columns) if column.drop]
    return max(places, key=lambda place: (columns[place].drop, place), default=None)


def _without(table: Table, place: int) -> Table:
    columns = table.columns[:place] + table.columns[place + 1 :]
    rows = tuple(row[:place] + row[place + 1 :] for row in table.rows)
    best = frozenset((row, at - (at > place)) for row, at in table.best if at != place)
    return replace(table, columns=columns, rows=rows, best=best)


def _with_note(table: Table, dropped: Sequence[str]) -> Table:
    if not dropped:
        return table
    note = f"{plural(len(dropped), 'column')} hidden ({', '.join(dropped)}): "
    note += "use a wider terminal or --json"
    return replace(table, caption=f"{table.caption}\n{note}" if table.caption else note)


@dataclass(frozen=True)
class Segment:
    """A segment of a marked prediction, correct (``ok``) or not."""

    text: str
    ok: bool


TableCell: TypeAlias = str | tuple[Segment, ...]
ERROR_STYLE = "bold red underline"  # bold and underline are kept with NO_COLOR
_WIDEST = 200  # line width in terminal cells beyond which a table is stacked


@dataclass(frozen=True)
class Column:
    """A column.

    Args:
        header: the header; may have more than one line.
        right: whether to align right, as for numbers.
        keep: whether it is never truncated (numbers never are).
        fold: whether it is wrapped between words instead of truncated.
        drop: priority for hiding it on a narrow terminal, highest first; 0 keeps it.
    """

    header: str
    right: bool = False
    keep: bool = False
    fold: bool = False
    drop: int = 0


@dataclass(frozen=True)
class Table:
    """Headers and rows. A cell is a text, or a prediction with marked errors.

    Args:
        columns: headers and formats of the columns.
        rows: one cell for each column.
        title: a line above the table; may be empty.
        caption: a line below the table, to explain the headers; may be empty.
        strong: indices of rows to highlight.
        best: (row, column) of cells to highlight.
        legend: what highlighted cells mean; added to the caption where they can be seen.
        stacks: whether plain text shows the cells of wide rows one below another.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[TableCell, ...], ...]
    title: str = ""
    caption: str = ""
    strong: frozenset[int] = frozenset()
    best: frozenset[tuple[int, int]] = frozenset()
    legend: str = ""
    stacks: bool = False

    @property
    def notes(self) -> str:
        """The caption and the legend."""
        return "; ".join(filter(None, (self.caption, self.legend)))


def rich_table(table: Table) -> RenderableType:
    """Return a rich renderable that fits the terminal when it is drawn.

    Texts that are too long are truncated with "…"; numbers never are.
    """
    return _TerminalTable(table)


@dataclass(frozen=True)
class _TerminalTable:
    """A rich renderable for a table on a terminal."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield title, grid and caption, or stacked cells if nothing else fits."""
        explained = replace(self.table, caption=self.table.notes, legend="")
        fitted = fit(explained, options.max_width)
        table = explained if fitted is None else fitted.table
        if table.title:
            yield Text(visible(table.title, keep="\n"), style="dim")
        if fitted is None:
            yield from map(Text, _stacked_lines(table))
        else:
            yield _grid(table, fitted.widths)
        if table.caption:
            yield Text(visible(table.caption, keep="\n"), style="dim")


def _stacked_lines(table: Table) -> list[str]:
    headers = [visible(" ".join(column.header.split())) for column in table.columns]
    rows = ([plain_cell(cell) for cell in row] for row in table.rows)
    return [line for row in rows for line in _stacked(row, headers)]


def _grid(table: Table, widths: Sequence[int]) -> RichTable:
    grid = RichTable(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
    )
    for column, width in zip(table.columns, widths, strict=True):
        grid.add_column(
            Text(visible(column.header, keep="\n")),
            justify="right" if column.right else "left",
            width=width,
            no_wrap=column.right or column.keep,
            overflow="fold" if column.fold else "ellipsis",
        )
    for index, row in enumerate(table.rows):
        style = "bold" if index in table.strong else ""
        cells = [marked_text(cell) for cell in row]
        for place, (cell, column) in enumerate(zip(cells, table.columns, strict=True)):
            cell.no_wrap = not column.fold
            if (index, place) in table.best:
                cell.stylize("bold")
        grid.add_row(*cells, style=style)
    return grid


def marked_text(cell: TableCell) -> Text:
    """Convert a cell to rich text, with errors in red and underlined."""
    if isinstance(cell, str):
        return Text(visible(cell), no_wrap=True)
    parts = ((visible(part.text), "" if part.ok else ERROR_STYLE) for part in cell)
    return Text.assemble(*parts, no_wrap=True)


def plain_lines(table: Table) -> list[str]:
    """Return the table as lines of aligned text of any width, or stacked."""
    rows = [[plain_cell(cell) for cell in row] for row in table.rows]
    headers = [visible(" ".join(column.header.split())) for column in table.columns]
    widths = [max(map(cell_len, column)) for column in zip(headers, *rows, strict=True)]
    if table.stacks and sum(widths) + GAP * (len(widths) - 1) > _WIDEST:
        lines = [line for row in rows for line in _stacked(row, headers)]
    else:
        right = [column.right for column in table.columns]
        lines = [_aligned(row, widths, right) for row in [headers, *rows]]
    title, caption = (visible(note, keep="\n") for note in (table.title, table.caption))
    return [note for note in (title, *lines, caption) if note]


def _stacked(row: Sequence[str], headers: Sequence[str]) -> list[str]:
    """Return a row as lines: its first cell, then one line per cell with its header."""
    width = max(map(cell_len, headers)) + GAP
    others = zip(headers[1:], row[1:], strict=True)
    named = [
        f"  {header}{' ' * (width - cell_len(header))}{cell}" for header, cell in others if cell
    ]
    return [row[0] or "-", *named]


def width_of(table: Table) -> int:
    """Return the natural width of the table in terminal cells."""
    widths = [max(map(cell_len, column.header.splitlines())) for column in table.columns]
    for row in table.rows:
        widths = [max(w, marked_text(cell).cell_len) for w, cell in zip(widths, row, strict=True)]
    return sum(widths) + GAP * (len(widths) - 1)


def tasks_table(rows: Iterable[tuple[str, str, tuple[str, str]]]) -> Table:
    """Return the table of tasks: (name, summary, (source, target) of an example)."""
    columns = (
        Column("task", keep=True),
        Column("description", fold=True),
        Column("example", fold=True),
    )
    cells = tuple((name, summary, " -> ".join(filter(None, pair))) for name, summary, pair in rows)
    return Table(columns, cells)


def examples_table(examples: Iterable[Example]) -> Table:
    """Return the table of the files that come with seqcli."""
    columns = (
        Column("name", keep=True),
        Column("kind", keep=True),
        Column("description", fold=True),
    )
    return Table(columns, tuple((one.name, one.kind, one.about) for one in examples))


def task_options_table(task: TaskInfo) -> Table:
    """Return the table of a task's options with their defaults."""
    columns = (
        Column("option", keep=True),
        Column("default", fold=True),
        Column("description", fold=True),
    )
    rows = ((name, option_value(default), doc) for name, default, doc in task.options)
    return Table(columns, tuple(rows))


def option_value(value: object) -> str:
    """Format the value of a task's option as typed on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for text, width, side in zip(row, widths, right, strict=True):
        space = " " * (width - cell_len(text))
        cells.append(space + text if side else text + space)
    return (" " * GAP).join(cells).rstrip()
