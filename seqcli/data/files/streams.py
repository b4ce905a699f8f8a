"""Read the lines of a stream in blocks, as data arrives; the stream may be gzip."""

from __future__ import annotations

import gzip
import io
import os
import select
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from seqcli.data.files.kinds import GZIP, check_binary, line_ending_error
from seqcli.data.files.opening import MOST_BYTES, readable, regular_file
from seqcli.errors import DataError

_FIRST, _MOST = 1 << 14, 1 << 19  # bytes of the first block of lines, and the maximum of later ones
_PAUSE = 0.02  # seconds without input after which the lines read so far are processed
_MARK = b"\xef\xbb\xbf"


class Unusable(NamedTuple):
    """A line that is not text or is too long, with the problem."""

    problem: str


Line = str | Unusable


def open_stream(path: Path) -> BinaryIO:
    """Open a file, a pipe or a terminal; `seqcli.data.files.opening` rejects anything else.

    Raises:
        DataError: the file is missing, of another kind, or cannot be read.
    """
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


def line_blocks(stream: BinaryIO, name: str) -> Iterator[list[Line]]:
    """Yield the lines of a stream in blocks as they arrive, without line ends.

    A block ends when no more input is available for a moment, or at half a megabyte.

    Args:
        stream: bytes, plain or gzip; closed at the end.
        name: the name of the stream in messages.

    Raises:
        DataError: (while reading) the input is not text.
    """
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


def decoded_lines(raw: bytes) -> list[Line]:
    """Decode lines that are separated by LF."""
    return _decoded(raw, cut=False)


def _line(raw: bytes) -> Line:
    from seqcli.data.files.rows import decoded_line  # imports NumPy

    problem, detail, text = decoded_line(raw)
    return Unusable(detail) if problem else text
