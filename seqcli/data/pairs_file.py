"""Files of two tab-separated columns: one source and one target per line, nothing quoted."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqcli.data.ragged import Ragged
from seqcli.errors import DataError

_BLOCK = 1 << 18  # bytes packed at a time, in the cache


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


_HINT = "each line is source, tab, target"


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


class PairWriter:
    """Turns rows of symbol indices into lines such as ``3 1 4<TAB>4 1 3``, many at once.

    Each symbol is looked up, with the separator that follows it, in a table of bytes padded with
    NULs, and the NULs are left out of the result.

    Args:
        sources: the source alphabet.
        targets: the target alphabet.
    """

    def __init__(self, sources: Sequence[str], targets: Sequence[str]) -> None:
        columns = [(sources, " "), (sources, "\t"), (targets, " "), (targets, "\n")]
        texts = [(symbol + after).encode() for symbols, after in columns for symbol in symbols]
        width = max(2, 1 << (max(map(len, texts)) - 1).bit_length())
        table = np.array(texts, f"S{width}")  # (2 * V_source + 2 * V_target,)
        self._table = table.view(f"u{width}" if width <= 8 else f"V{width}")
        self._source_symbols, self._target_symbols = len(sources), len(targets)

    def lines(self, sources: Ragged, targets: Ragged) -> bytes:
        """Return the lines of N rows, none of them empty, end to end."""
        starts = sources.offsets + targets.offsets  # (N + 1,) in the interleaved rows
        codes = np.empty(starts[-1], np.int64)
        before = np.repeat(targets.offsets[:-1], sources.lengths)
        codes[np.arange(len(before)) + before] = sources.tokens
        before = np.repeat(sources.offsets[1:], targets.lengths)
        codes[np.arange(len(before)) + before] = targets.tokens + 2 * self._source_symbols
        codes[starts[:-1] + sources.lengths - 1] += self._source_symbols
        codes[starts[1:] - 1] += self._target_symbols
        padded = self._table.take(codes).view(np.uint8)
        blocks = (padded[first : first + _BLOCK] for first in range(0, len(padded), _BLOCK))
        return b"".join(np.compress(block != 0, block) for block in blocks)
