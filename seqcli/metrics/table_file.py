"""Tables with tabs: escape any text such that it fits a cell, read it back, write a table."""

from __future__ import annotations

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from seqcli.data.files.kinds import GZIP, check_text
from seqcli.data.files.opening import read_bytes
from seqcli.errors import DataError
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


STDIN = "-"
HINT = "write it anew with seqcli eval --predictions FILE.tsv"
_SOURCES = ("src", "input", "word", "x", "query", "question", "grapheme")
_TRUTHS = ("gold", "target", "tgt", "reference", "ref", "expected", "label", "y_true")
_HYPOTHESES = ("hypothesis", "hyp", "pred", "predicted", "predictions", "output", "guess", "y_pred")
OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(_SOURCES, "source"),
    **dict.fromkeys((*_TRUTHS, "true", "answer"), "truth"),
    **dict.fromkeys((*_HYPOTHESES, "system", "model", "generated"), "prediction"),
}
_MEANT = ("source", "truth", "prediction")
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MOSTLY = 0.5  # of the texts have spaces inside, where texts are words


def table_lines(path: Path) -> list[str]:
    """Return the lines of a table: UTF-8 or UTF-16, packed with gzip or not, from stdin for ``-``.

    Line ends are LF, CRLF or CRCRLF.

    Raises:
        DataError: the file is missing, empty or not text.
    """
    raw = _unpacked(sys.stdin.buffer.read() if str(path) == STDIN else read_bytes(path), path)
    raw = _as_utf8(raw)
    check_text(raw[: 1 << 16], str(path))
    try:
        text = raw.decode("utf-8-sig", "surrogatepass")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not valid UTF-8", HINT) from None
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if lines[-1] == "":
        lines.pop()
    if not lines:
        raise DataError(f"{path} is empty", HINT)
    return lines


def header_note(cells: Sequence[str]) -> tuple[str, ...]:
    """Return a note where a first row of three columns looks like a header but was not taken so."""
    plain = [cell.strip().lower() for cell in cells]
    known = sum(cell in OTHER_NAMES or cell in _MEANT for cell in plain)
    if len(cells) != len(_MEANT) or known < 2:
        return ()
    names = ", ".join(_MEANT)
    return (
        f"line 1 looks like a header ({', '.join(cells)}) and was scored as a row; the columns of "
        f"a header are called {names}",
    )


def mostly_spaced(texts: Iterable[str]) -> bool:
    """Say whether most texts have white space inside; that at their ends does not count."""
    found = [len(text.split()) > 1 for text in texts]
    return bool(found) and sum(found) >= _MOSTLY * len(found)


def edge_notes(columns: Mapping[str, Sequence[str]], names: Iterable[str]) -> Iterator[str]:
    """Yield a note for each column with texts that begin or end in white space."""
    for name in names:
        rows = [row for row, text in enumerate(columns[name], 1) if text != text.strip()]
        if rows:
            some = f"{len(rows):,} {name}{'s' * (len(rows) > 1)}"
            yield f"{some} with white space at an end, which counts (first: row {rows[0]:,})"


def _unpacked(raw: bytes, path: Path) -> bytes:
    if not raw.startswith(GZIP):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path} is a damaged gzip file", "pack it again") from None


def _as_utf8(raw: bytes) -> bytes:
    """Return text in UTF-8: UTF-16 is told by its mark, or by the zeros beside each tab."""
    encoding = next((name for mark, name in _BOMS if raw.startswith(mark)), "")
    if not encoding and b"\t\0" in raw[:4096] and raw[1:2] == b"\0":
        encoding = "utf-16-le"
    elif not encoding and b"\0\t" in raw[:4096] and raw[:1] == b"\0":
        encoding = "utf-16-be"
    if not encoding:
        return raw
    try:
        return raw.decode(encoding).encode()
    except UnicodeDecodeError:
        return raw
