"""Read the input lines of a command from its arguments, a file, or stdin as data arrives."""

from __future__ import annotations

import gzip
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from seqcli.data.files.kinds import GZIP, check_binary, line_ending_error
from seqcli.data.files.opening import MOST_BYTES, readable, regular_file
from seqcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out

_FIRST, _MOST = 1 << 14, 1 << 19  # bytes of the first block of lines, and the maximum of later ones
_PAUSE = 0.02  # seconds without input after which the lines read so far are processed
_MARK = b"\xef\xbb\xbf"


class Unusable(NamedTuple):
    """A line that is not text or is too long, with the problem."""

    problem: str


Line = str | Unusable


def read_lines(text: list[str], source: str | None, out: Out) -> Iterator[str]:
    """Yield the lines one by one; see `read_blocks`.

    Raises:
        DataError: (while reading, after the lines before it) a line cannot be used.
    """
    lines = chain.from_iterable(read_blocks(text, source, out))
    for number, line in enumerate(lines, 1):
        if isinstance(line, Unusable):
            raise DataError(f"{source or 'stdin'}, line {number}: {line.problem}", "correct it")
        yield line


def read_blocks(text: list[str], source: str | None, out: Out) -> Iterator[list[Line]]:
    """Return the input lines in blocks: arguments, a file, or stdin.

    A block ends when no more input is available for a moment, or at half a megabyte: a typed line
    is processed at once, and a file is read in large blocks. Gzip is decompressed. Binary input is
    rejected as in training. A line that is not UTF-8, has a NUL or is longer than a megabyte is
    `Unusable`.

    Raises:
        UsageError: both texts and a file are given, or neither.
        DataError: the file cannot be read, or (while reading) the input is not text.
    """
    if text and source is not None:
        raise UsageError("both TEXT and --input are given", "choose one")
    if text:
        return iter([list[Line](text)])
    if source is None and sys.stdin is None:
        raise UsageError("no input", "give TEXT, or --input FILE")
    if source in (None, "-"):
        if sys.stdin.isatty():
            out.info("reading lines from the terminal; end with Ctrl-D")
        return _blocks(sys.stdin.buffer, "stdin")
    return _blocks(_opened(Path(str(source))), str(source))


def _opened(path: Path) -> BinaryIO:
    """Open a file, a pipe or a terminal; `seqcli.data.files.opening` rejects anything else."""
    with readable(path):
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and _is_stream(path)):
            return path.open("rb")
        with regular_file(path):  # rejects anything else
            return path.open("rb")


def _is_stream(path: Path) -> bool:
    """Return whether a device may be read like a file: a terminal or the null device."""
    if path.resolve() == Path(os.devnull):
        return True
    with path.open("rb") as device:
        return device.isatty()


def _blocks(stream: BinaryIO, name: str) -> Iterator[list[Line]]:
    """Yield the lines of a stream as they arrive, without line ends."""
    rest, cut, began, ended = b"", False, False, False  # ended: a line end was seen
    with stream:
        for piece in _pieces(stream, name):
            if not began and piece:
                check_binary(piece, name)
                piece, began = piece.removeprefix(_MARK), True
            whole, end, rest = (rest + piece).rpartition(b"\n")
            if end:
                yield _decoded(whole, cut)
                ended, cut = True, False
            if cut or len(rest) > MOST_BYTES:
                _check_line_ends(rest, name, ended)
                rest, cut = b"", True
        _check_line_ends(rest, name, ended)
        if rest or cut:
            yield _decoded(rest, cut)


def _check_line_ends(rest: bytes, name: str, ended: bool) -> None:
    """Raise an error if no line ends in LF but some seem to end in CR."""
    if not ended and b"\r" in rest[:-1]:
        raise line_ending_error(name)


def _pieces(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the available bytes; wait for the first byte, and only briefly for more."""
    source, room, parts = _decompressed(stream), _FIRST, list[bytes]()
    try:
        while piece := source.read1(room - sum(map(len, parts))):
            parts.append(piece)
            full = sum(map(len, parts)) >= room
            if full or not _more_is_ready(stream):
                yield b"".join(parts)
                parts, room = [], min(2 * room, _MOST) if full else room
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(
            f"{name}: its gzip data is truncated or damaged", "compress it again"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{name} is a folder, not a file", "name a file in it") from None
    yield b"".join(parts)


def _decompressed(stream: BinaryIO) -> Any:
    """Return a stream with ``read1``, decompressed if it is gzip."""
    raw = cast(io.BufferedReader, stream if hasattr(stream, "peek") else io.BufferedReader(stream))
    packed = raw.peek(len(GZIP))[: len(GZIP)] == GZIP
    return gzip.GzipFile(fileobj=raw) if packed else raw


def _more_is_ready(stream: BinaryIO) -> bool:
    """Return whether more input is available soon; False if the system cannot tell."""
    try:
        return bool(select.select([stream], [], [], _PAUSE)[0])
    except (OSError, ValueError):
        return False


def _decoded(raw: bytes, cut: bool) -> list[Line]:
    """Decode a block of lines; ``cut``: the start of its first line was discarded."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text and not cut:
        lines = text.split("\n")
        return [line.rstrip("\r") for line in lines] if "\r" in text else [*lines]
    decoded = [_line(line.rstrip(b"\r")) for line in raw.split(b"\n")]
    return [Unusable(f"longer than {MOST_BYTES:,} bytes"), *decoded[1:]] if cut else decoded


def _line(raw: bytes) -> Line:
    from seqcli.data.files.rows import decoded_line  # imports NumPy

    problem, detail, text = decoded_line(raw)
    return Unusable(detail) if problem else text
