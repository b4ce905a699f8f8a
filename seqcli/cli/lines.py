"""Read the input lines of a command from its arguments, a file, or stdin as data arrives."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.data.files.streams import Line, Unusable, decoded_lines, line_blocks, open_stream
from seqcli.errors import DataError, UsageError
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.data.corpus import Codec


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
        if from_terminal(text, source):
            out.info("reading lines from the terminal; end with Ctrl-D")
            if sys.stdout is not None and sys.stdout.isatty():  # else the prompt is in the output
                return _typed()
        return line_blocks(sys.stdin.buffer, "stdin")
    return line_blocks(open_stream(Path(str(source))), str(source))


def from_terminal(text: list[str], source: str | None) -> bool:
    """Return whether lines are typed at a terminal."""
    return not text and source in (None, "-") and sys.stdin is not None and sys.stdin.isatty()


def _typed() -> Iterator[list[Line]]:
    """Yield lines typed at a prompt, which can be edited and recalled where Python has readline."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - input() uses it from now on
    with contextlib.suppress(EOFError):
        while True:
            raw = input("> ").encode("utf-8", "surrogateescape")
            yield decoded_lines(raw)


def tokens_hint(codec: Codec) -> str:
    """Describe how the tokens of a source are typed."""
    from seqcli.data.vocabulary import is_feature

    assert codec.source is not None
    some = [token for token in codec.source.tokens if not is_feature(token)][:3]
    hints = {
        "words": f"separate tokens by spaces: {' '.join(some)}",
        "chars": "each character is a token",
        "graphemes": "each character, with its combining marks, is a token",
        "whole": "the whole line is one token",
    }
    features = ", then a tab and features such as N;ACC;PL" * codec.features
    return hints.get(codec.source_tokenizer.style, codec.source_tokenizer.style) + features
