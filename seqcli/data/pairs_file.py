"""Files of two tab-separated columns: one source and one target per line, nothing quoted."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcli.errors import DataError


@dataclass(frozen=True)
class TextPairs:
    """The rows of a file: row i stands on line i + 1."""

    sources: list[str]
    targets: list[str]

    def __len__(self) -> int:
        return len(self.sources)

    def take(self, rows: Sequence[int]) -> TextPairs:
        """Return the given rows, in the given order."""
        return TextPairs([self.sources[i] for i in rows], [self.targets[i] for i in rows])


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        DataError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "check the path") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "check the path") from None


def parse_pairs(raw: bytes, path: Path) -> TextPairs:
    """Read rows ``source<TAB>target``, UTF-8 with or without a byte-order mark, LF or CRLF.

    Lines end at LF only: U+2028 and its like are data, and so are quotes and words such as "nan".

    Raises:
        DataError: a row that is not two columns with something in each; names path and line.
    """
    lines = _lines(raw, path)
    rows = [line.split("\t") for line in lines]
    bad = [number for number, row in enumerate(rows) if len(row) != 2 or not _filled(row)]
    if bad:
        more = f" (and {len(bad) - 1} more such lines)" if len(bad) > 1 else ""
        raise DataError(f"{path}, line {bad[0] + 1}: {_what_is_wrong(rows[bad[0]])}{more}", _HINT)
    return TextPairs([row[0] for row in rows], [row[1] for row in rows])


_HINT = "each line is source, tab, target (a file of names has no tab at all)"


def _lines(raw: bytes, path: Path) -> list[str]:
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if b"\0" in raw:
        where = f"{path}, line {_line_of(raw, raw.index(0))}"
        raise DataError(f"{where}: a NUL character", "is this a text file? save it as UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"{path}, line {_line_of(raw, error.start)}"
        raise DataError(f"{where}: not valid UTF-8", "save the file as UTF-8") from None
    lines = text.split("\n")
    if not lines[-1]:  # what comes after the last LF
        lines.pop()
    if not lines:
        raise DataError(f"{path} is empty", _HINT)
    return [line.removesuffix("\r") for line in lines]


def _line_of(raw: bytes, place: int) -> int:
    return raw.count(b"\n", 0, place) + 1


def _filled(row: Sequence[str]) -> bool:
    return all(side and not side.isspace() for side in row)


def _what_is_wrong(row: Sequence[str]) -> str:
    if row == [""]:
        return "the line is blank"
    if len(row) != 2:
        return f"expected 2 tab-separated columns, found {len(row)}"
    return f"the {'target' if _filled(row[:1]) else 'source'} is empty"
