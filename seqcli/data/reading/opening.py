"""A file as numbered lines of bytes, packed or not; what is no text is told at once."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from seqcli.errors import DataError
from seqcli.files.regular import open_regular

MOST_BYTES = 1 << 20  # of a line: a longer one is cut, and too long for any use
_BLOCK = 1 << 16
_GZIP = b"\x1f\x8b"
_UTF16 = "UTF-16 text", "save it as UTF-8"
_UNPACK = "unpack it first"
# what a file begins with that is no text of ours: what it is, what to do
_KINDS = {
    codecs.BOM_UTF32_LE: ("UTF-32 text", "save it as UTF-8"),
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PK\x03\x04": ("a zip archive or a spreadsheet", "export it as UTF-8 text, tab-separated"),
    b"\xd0\xcf\x11\xe0": ("an old Office document", "export it as UTF-8 text, tab-separated"),
    b"BZh": ("packed with bzip2", _UNPACK),
    b"\xfd7zXZ\x00": ("packed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", _UNPACK),
    b"%PDF": ("a PDF", "export it as UTF-8 text, tab-separated"),
    b"PAR1": ("a Parquet file", "export it as UTF-8 text, tab-separated"),
    b"SQLite format 3\x00": ("a database", "export it as UTF-8 text, tab-separated"),
}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as it is on the disk.

    Raises:
        DataError: it is missing or cannot be read.
    """
    with _readable(path), open_regular(path) as file:
        found = hashlib.sha256()
        while block := file.read(_BLOCK):
            found.update(block)
        return found.hexdigest()


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises:
        DataError: it is missing or cannot be read.
    """
    with _readable(path), open_regular(path) as file:
        return file.read()


def first_block(path: Path) -> bytes:
    """Return the first 64 KiB of text, unpacked.

    Raises:
        DataError: the file is missing, cannot be read, or is no text.
    """
    with _readable(path), _opened(path) as file:
        block = file.read(_BLOCK)
    _check_text(block, path)
    return block.removeprefix(codecs.BOM_UTF8)


def raw_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file without their ends (LF or CRLF) and without a byte-order mark.

    Lines end at LF only. A line of more than ``MOST_BYTES`` is cut to one byte more.

    Raises:
        DataError: the file is missing, cannot be read, or is no text.
    """
    first_block(path)
    with _readable(path), _opened(path) as file:
        line = file.readline(MOST_BYTES + 1).removeprefix(codecs.BOM_UTF8)
        while line:
            if line.endswith(b"\n"):
                yield line[:-2] if line.endswith(b"\r\n") else line[:-1]
            else:
                _skip_rest(file, line)
                yield line.removesuffix(b"\r")
            line = file.readline(MOST_BYTES + 1)


def _skip_rest(file: IO[bytes], line: bytes) -> None:
    """Read on to the end of a line that was cut."""
    while line and not line.endswith(b"\n"):
        line = file.readline(MOST_BYTES)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{path} does not exist", "check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path} is a damaged gzip file", "pack it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "check the path") from None


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with open_regular(path) as raw:
        if raw.read(2) != _GZIP:
            raw.seek(0)
            yield raw
            return
        raw.seek(0)
        with gzip.open(raw) as file:
            yield file  # type: ignore[misc]


def _check_text(block: bytes, path: Path) -> None:
    """Refuse a file that begins like no text."""
    for begin, (what, hint) in _KINDS.items():
        if block.startswith(begin):
            raise DataError(f"{path} is {what}", hint)
    nuls = block.count(0)
    if nuls > len(block) // 4:
        is_wide = max(block[::2].count(0), block[1::2].count(0)) > nuls * 0.9
        raise DataError(f"{path} is {_UTF16[0] if is_wide else 'binary'}", "save it as UTF-8 text")
    if b"\n" not in block and b"\r" in block[:-1]:
        hint = r"make them LF, for example with tr '\r' '\n'"
        raise DataError(f"{path}, line 1: lines end in CR alone", hint)
