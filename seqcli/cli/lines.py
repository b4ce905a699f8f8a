"""The lines a command works on: its arguments, a file, or stdin as it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seqcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out


def typing(text: list[str] | None, source: str | None) -> bool:
    """Whether somebody types the lines, who wants each answer at once."""
    return not text and source in (None, "-") and sys.stdin is not None and sys.stdin.isatty()


def read_lines(text: list[str], source: str | None, out: Out) -> Iterator[str]:
    """Return the lines to answer: the arguments, else those of a file or of stdin.

    Raises:
        UsageError: there are both, or neither.
        DataError: the file cannot be read, or (while reading) a line is not UTF-8.
    """
    if text and source is not None:
        raise UsageError("there are texts to answer and --input as well", "choose one")
    if text:
        return iter(text)
    if source is None and sys.stdin is None:
        raise UsageError("there is nothing to answer", "give texts, or --input FILE")
    if source in (None, "-"):
        if sys.stdin.isatty():
            out.say("type one line at a time; Ctrl-D ends")
        return _decoded(sys.stdin.buffer, "stdin")
    return _decoded(_opened(Path(str(source))), str(source))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: cannot be read: {reason}") from None


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of a UTF-8 stream as they come, without their ends."""
    with stream:
        for number, line in enumerate(stream, 1):
            try:
                decoded = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                message = f"{name}, line {number}: this is not UTF-8"
                raise DataError(message, "convert it, for example with iconv") from None
            yield decoded.rstrip("\r\n")
