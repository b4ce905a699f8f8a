"""Open data files: regular files only, read as lines of bytes.

Every data path is opened by `regular_file`, whether it comes from the command line, a configuration
or a checkpoint. A pipe, a device or a socket never blocks a command and is never read twice.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import gzip
import hashlib
import io
import os
import stat
import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, NoReturn, cast

from seqcli.data.files.kinds import GZIP, check_text, line_ending_error
from seqcli.errors import DataError, MachineError

MOST_BYTES = 1 << 20  # of a line; longer lines are truncated and not used
_BLOCK = 1 << 16
_ONCE = "a pipe can be read only once; save it to a file first"
_NOT_REGULAR = (
    (stat.S_ISDIR, "is a folder, not a file", "name a file in it"),
    (stat.S_ISFIFO, "is a pipe", _ONCE),
    (stat.S_ISSOCK, "is a socket", "name a file"),
    (stat.S_ISCHR, "is a device", "name a file"),
    (stat.S_ISBLK, "is a device", "name a file"),
)
_MACHINE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def kind_of_path(path: Path) -> str:
    """Return "file", "folder" or "" (not found) for a data path.

    Raises:
        DataError: the path is a pipe, a device or a socket, is too long, or is not accessible.
    """
    if str(path) == "-":
        raise DataError("- (standard input) cannot be read as data", _ONCE)
    with readable(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return ""
        if stat.S_ISDIR(mode):
            return "folder"
        _check_regular(mode, path)
        return "file"


@contextlib.contextmanager
def regular_file(path: Path) -> Iterator[io.FileIO]:
    """Open a regular file for reading; refuse anything else.

    The kind of file is checked before and after opening, so a path that changes in between is
    refused too. Opening never blocks.

    Raises:
        DataError: the path is missing, is not a regular file or cannot be read.
        MachineError: the disk is broken or too many files are open.
    """
    if str(path) == "-":
        raise DataError("- (standard input) cannot be read as data", _ONCE)
    with readable(path):
        _check_regular(path.stat().st_mode, path)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with io.FileIO(descriptor) as file:
            _check_regular(os.fstat(descriptor).st_mode, path)
            yield file


@contextlib.contextmanager
def text_files(paths: Sequence[Path]) -> Iterator[list[TextFile]]:
    """Close files at the end, also when reading was given up in the middle by an error.

    Nothing is opened before the lines are read; see `TextFile`.
    """
    files = [TextFile(path) for path in paths]
    try:
        yield files
    finally:
        for file in files:
            file.close()


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Convert system errors into one-line errors that name the path.

    Raises:
        DataError: the path is missing, damaged gzip, too long or not permitted.
        MachineError: the disk is broken or too many files are open.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        _missing(path)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DataError(f"{path} is a damaged gzip file", "compress it again") from None
    except PermissionError:
        hint = "ask its owner, or change it with chmod"
        raise DataError(f"{path} cannot be read: permission denied", hint) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if error.errno in _MACHINE:
            hint = "check the disk, or close other programs"
            raise MachineError(f"{path} cannot be read: {reason}", hint) from None
        raise DataError(f"{_short(path)} cannot be read: {reason}", "check the path") from None


def digest(path: Path) -> str:
    """Return the SHA-256 of a regular file.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    hasher = hashlib.sha256()
    with regular_file(path) as file:
        while block := file.read(_BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def read_bytes(path: Path) -> bytes:
    """Return the contents of a regular file.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    with regular_file(path) as file:
        return file.read()


class TextFile:
    """A text file, possibly compressed with gzip; `text_files` closes it.

    Args:
        path: names a regular file.

    Attributes:
        sha256: the digest of the bytes read by the last complete pass over `lines`; "" before.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = ""
        self._passes: list[Generator[bytes]] = []  # over the lines, ended or not

    def first_block(self) -> bytes:
        """Return up to 64 KiB of decompressed text from the beginning.

        Raises:
            DataError: the file is missing, cannot be read, or is not text.
        """
        with regular_file(self.path) as raw, _unpacked(raw) as file:
            block = file.read(_BLOCK)
        check_text(block, str(self.path))
        return block.removeprefix(codecs.BOM_UTF8)

    def lines(self) -> Iterator[bytes]:
        """Return the lines without their ends (LF, CRLF or CRCRLF) and without a byte-order mark.

        Lines end at LF only. Longer lines are truncated to ``MOST_BYTES`` + 1 bytes.

        Raises:
            DataError: the file is missing, cannot be read, or is not text.
        """
        self._passes.append(self._read_lines())
        return self._passes[-1]

    def close(self) -> None:
        """End the passes over the lines, which close the file."""
        for one in self._passes:
            one.close()

    def _read_lines(self) -> Generator[bytes]:
        self.first_block()
        with regular_file(self.path) as raw:
            digested = _HashingReader(raw)
            with _unpacked(digested) as file:
                yield from _lines(file, self.path)
            self.sha256 = digested.finish()

    def text(self) -> str:
        """Return the whole text, for formats that are not line-based.

        Raises:
            DataError: the file is missing, cannot be read, or is not UTF-8 text.
        """
        self.first_block()
        with regular_file(self.path) as raw:
            digested = _HashingReader(raw)
            with _unpacked(digested) as file:
                whole = file.read().removeprefix(codecs.BOM_UTF8)
            self.sha256 = digested.finish()
        try:
            return whole.decode()
        except UnicodeDecodeError as error:
            line = whole.count(b"\n", 0, error.start) + 1
            hint = "save the file as UTF-8 text"
            raise DataError(f"{self.path}, line {line}: not valid UTF-8", hint) from None


class _HashingReader(io.RawIOBase):
    """A raw file that computes a digest of the bytes as they are read."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw, self._hasher, self._done = raw, hashlib.sha256(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._raw.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        begin = self._raw.tell()
        count = self._raw.readinto(buffer) or 0
        fresh = begin + count - self._done  # bytes that have not been read before
        if fresh > 0:
            self._hasher.update(memoryview(buffer)[count - fresh : count])
            self._done += fresh
        return count

    def finish(self) -> str:
        """Read the remaining bytes and return the SHA-256 of the file."""
        while self.read(_BLOCK):
            pass
        return self._hasher.hexdigest()


def _lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    line = file.readline(MOST_BYTES + 1).removeprefix(codecs.BOM_UTF8)
    first = True
    while line:
        if line.endswith(b"\n"):
            yield line[:-1].rstrip(b"\r")
        else:
            if first and b"\r" in line[:-1]:
                raise line_ending_error(str(path))
            _skip_rest(file, line)
            yield line.rstrip(b"\r")
        line, first = file.readline(MOST_BYTES + 1), False


def _skip_rest(file: IO[bytes], line: bytes) -> None:
    """Skip to the end of a truncated line."""
    while line and not line.endswith(b"\n"):
        line = file.readline(MOST_BYTES)


@contextlib.contextmanager
def _unpacked(raw: io.RawIOBase) -> Iterator[IO[bytes]]:
    packed = raw.read(len(GZIP)) == GZIP
    raw.seek(0)
    buffered = io.BufferedReader(raw, _BLOCK)
    if packed:
        with gzip.GzipFile(fileobj=buffered) as file:
            yield cast(IO[bytes], file)
    else:
        yield cast(IO[bytes], buffered)
    buffered.detach()


def _check_regular(mode: int, path: Path) -> None:
    for is_kind, what, hint in _NOT_REGULAR:
        if is_kind(mode):
            raise DataError(f"{path} {what}", hint)


def _missing(path: Path) -> NoReturn:
    if path.is_symlink():
        target = path.readlink()
        message = f"{path} is a link to {target}, which does not exist"
        raise DataError(message, "correct the link") from None
    raise DataError(f"{path} does not exist", "check the path") from None


def _short(path: Path) -> str:
    """Return a path for display, or the end of a very long path."""
    text = str(path)
    return text if len(text) <= 300 else f"...{text[-100:]}"
