"""The lines a command works on: its arguments, a file, or stdin as it comes."""

from __future__ import annotations

import gzip
import io
import select
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from seqcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out

_FIRST, _MOST = 1 << 14, 1 << 19  # bytes of the first block of lines, and of later ones
_PAUSE = 0.02  # seconds without a byte after which the lines that are there are handed on
_GZIP = b"\x1f\x8b"


def read_lines(text: list[str], source: str | None, out: Out) -> Iterator[str]:
    """Return the lines to answer one by one; see `read_blocks`."""
    return chain.from_iterable(read_blocks(text, source, out))


def read_blocks(text: list[str], source: str | None, out: Out) -> Iterator[list[str]]:
    """Return the lines to answer, those that are there together: arguments, a file, or stdin.

    A block is what has come when for a moment nothing more comes, and half a megabyte at most:
    who types a line gets its answer at once, who sends a file has it read in large pieces.
    What begins like gzip is unpacked.

    Raises:
        UsageError: there are both texts and a file, or neither.
        DataError: the file cannot be read, or (while reading, after the lines before it) a line is
            not UTF-8.
    """
    if text and source is not None:
        raise UsageError("there are texts to answer and --input as well", "choose one")
    if text:
        return iter([text])
    if source is None and sys.stdin is None:
        raise UsageError("there is nothing to answer", "give texts, or --input FILE")
    if source in (None, "-"):
        if sys.stdin.isatty():
            out.say("type one line at a time; Ctrl-D ends")
        return _blocks(sys.stdin.buffer, "stdin")
    return _blocks(_opened(Path(str(source))), str(source))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: cannot be read: {reason}", "check --input") from None


def _blocks(stream: BinaryIO, name: str) -> Iterator[list[str]]:
    """Yield the lines of a UTF-8 stream as they come, without their ends."""
    number, rest = 1, b""
    with stream:
        for piece in _arriving(stream, name):
            whole, end, rest = (rest + piece).rpartition(b"\n")
            if end:
                yield from _decoded(whole, name, number)
                number += whole.count(b"\n") + 1
        if rest:
            yield from _decoded(rest, name, number)


def _arriving(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield what has come; wait for the first byte of it, and hardly for more."""
    source, room, parts = _unpacked(stream), _FIRST, list[bytes]()
    try:
        while piece := source.read1(room - sum(map(len, parts))):
            parts.append(piece)
            full = sum(map(len, parts)) >= room
            if full or not _coming(stream):
                yield b"".join(parts)
                parts, room = [], min(2 * room, _MOST) if full else room
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{name}: its gzip data is cut short or damaged", "pack it again") from None
    yield b"".join(parts)


def _unpacked(stream: BinaryIO) -> Any:
    """Return the stream, unpacked where it begins like gzip: something that has ``read1``."""
    raw = cast(io.BufferedReader, stream if hasattr(stream, "peek") else io.BufferedReader(stream))
    packed = raw.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
    return gzip.GzipFile(fileobj=raw) if packed else raw


def _coming(stream: BinaryIO) -> bool:
    """Whether more can be read within a moment; False where the system cannot tell."""
    try:
        return bool(select.select([stream], [], [], _PAUSE)[0])
    except (OSError, ValueError):
        return False


def _decoded(raw: bytes, name: str, first: int) -> Iterator[list[str]]:
    """Yield the lines of some bytes as one block; before a bad one, those that come before it."""
    if first == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before, _, _ = raw[: error.start].rpartition(b"\n")
        count = raw.count(b"\n", 0, error.start)
        if count:
            yield _cut(before.decode())
        message = f"{name}, line {first + count}: this is not UTF-8"
        raise DataError(message, "convert it, for example with iconv") from None
    yield _cut(text)


def _cut(text: str) -> list[str]:
    lines = text.split("\n")
    return [line.rstrip("\r") for line in lines] if "\r" in text else lines
