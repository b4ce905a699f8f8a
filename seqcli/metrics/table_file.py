r"""Tab-separated tables: escape and unescape cells with texts or rows of tokens.

Backslash, tab and line ends inside a text are written ``\\``, ``\t``, ``\n``, ``\r``. Tokens that
tokenizing their text would not give back are written one by one, each after ``\/``.
"""

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
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import DataError
from seqcli.files.atomic import write_atomically

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_MEANINGS = {escape[1]: character for character, escape in _ESCAPES.items()}
_TOKEN = "/"  # after a backslash: a token begins


def unescape(text: str) -> str:
    """Undo `escape`.

    Raises:
        ValueError: a backslash is followed by another character.
    """
    fields = _fields(text)
    if len(fields) > 1:
        raise ValueError
    return fields[0]


def escape(text: str) -> str:
    """Escape backslashes, tabs and line ends, which a cell must not contain."""
    for character, escaped in _ESCAPES.items():
        if character in text:
            text = text.replace(character, escaped)
    return text


def escape_tokens(row: Sequence[str], tokens: Tokenizer) -> str:
    """Return the cell of a row of tokens: its text if it has the same tokens, else each token."""
    text = tokens.join(row)
    if tokens.split(text) == list(row):
        return escape(text)
    return "".join(f"\\{_TOKEN}{escape(token)}" for token in row)


def unescape_tokens(cell: str, tokens: Tokenizer) -> list[str]:
    """Undo `escape_tokens`.

    Raises:
        ValueError: a backslash is followed by another character.
    """
    text, *listed = _fields(cell)
    if listed and text:
        raise ValueError
    return listed or tokens.split(text)


def _fields(text: str) -> list[str]:
    """Split at each ``\\/`` and unescape the parts."""
    if "\\" not in text:
        return [text]
    characters, fields = iter(text), [""]
    for character in characters:
        if character != "\\":
            fields[-1] += character
            continue
        escaped = next(characters, "")
        if escaped == _TOKEN:
            fields.append("")
        elif escaped in _MEANINGS:
            fields[-1] += _MEANINGS[escaped]
        else:
            raise ValueError
    return fields


def write_table(path: Path, columns: Sequence[tuple[str, Iterable[str]]]) -> None:
    """Write columns (name, cells) as a tab-separated table, atomically.

    Raises:
        UsageError, MachineError: it cannot be written.
    """

    def write(file: BinaryIO) -> None:
        file.write(("\t".join(name for name, _ in columns) + "\n").encode())
        for row in zip(*(cells for _, cells in columns), strict=True):
            file.write(("\t".join(row) + "\n").encode(errors="surrogatepass"))

    write_atomically(path, write)


STDIN = "-"
HINT = "write it again with seqcli eval --predictions FILE.tsv"
_SOURCES = ("src", "input", "word", "x", "query", "question", "grapheme")
_TRUTHS = ("gold", "target", "tgt", "reference", "ref", "expected", "label", "y_true")
_HYPOTHESES = ("hypothesis", "hyp", "pred", "predicted", "predictions", "output", "guess", "y_pred")
OTHER_NAMES: Mapping[str, str] = {
    **dict.fromkeys(_SOURCES, "source"),
    **dict.fromkeys((*_TRUTHS, "true", "answer"), "truth"),
    **dict.fromkeys((*_HYPOTHESES, "system", "model", "generated"), "prediction"),
}
_COLUMNS = ("source", "truth", "prediction")
_BOMS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_MOSTLY = 0.5  # of the texts have spaces inside, where texts are words


def table_lines(path: Path) -> list[str]:
    """Read the lines of a table: UTF-8 or UTF-16, gzipped or not; ``-`` is stdin.

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
    """Return a note if a first row of three columns looks like a header but was read as data."""
    plain = [cell.strip().lower() for cell in cells]
    known = sum(cell in OTHER_NAMES or cell in _COLUMNS for cell in plain)
    if len(cells) != len(_COLUMNS) or known < 2:
        return ()
    names = ", ".join(_COLUMNS)
    return (
        f"line 1 looks like a header ({', '.join(cells)}) but was scored as a row; a header names "
        f"the columns {names}",
    )


def mostly_spaced(texts: Iterable[str]) -> bool:
    """Return whether most texts contain white space, ignoring the ends."""
    spaced = [len(text.split()) > 1 for text in texts]
    return bool(spaced) and sum(spaced) >= _MOSTLY * len(spaced)


def edge_notes(columns: Mapping[str, Sequence[str]], names: Iterable[str]) -> Iterator[str]:
    """Yield a note for each column with texts that begin or end with white space."""
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
        raise DataError(f"{path} is a damaged gzip file", "compress it again") from None


def _as_utf8(raw: bytes) -> bytes:
    """Convert text to UTF-8; UTF-16 is detected by its byte order mark or by zeros next to tabs."""
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
