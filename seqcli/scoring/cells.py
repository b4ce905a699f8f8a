"""Tables with tabs: escape any text such that it fits a cell, read it back, write a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from seqcli.files.atomic import write_atomically

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANINGS = {escape[1]: symbol for symbol, escape in _ESCAPES.items()}


def unescape(text: str) -> str:
    """Undo `escape`.

    Raises:
        ValueError: a backslash stands before something else.
    """
    symbols, found = iter(text), []
    for symbol in symbols:
        meant = _MEANINGS.get(next(symbols, "")) if symbol == "\\" else symbol
        if meant is None:
            raise ValueError
        found.append(meant)
    return "".join(found)


def escape(text: str) -> str:
    """Write backslashes, tabs and line ends of a text such that it fits a cell."""
    for symbol, escape in _ESCAPES.items():
        if symbol in text:
            text = text.replace(symbol, escape)
    return text


def write_table(path: Path, columns: Sequence[tuple[str, Iterable[str]]]) -> None:
    """Write columns, each a name and its cells, as a table with tabs, atomically.

    Raises:
        UsageError, MachineError: it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        file.write(("\t".join(name for name, _ in columns) + "\n").encode())
        for row in zip(*(cells for _, cells in columns), strict=True):
            file.write(("\t".join(row) + "\n").encode(errors="surrogatepass"))

    write_atomically(path, write)
