"""Write a file line by line, and rename it when it is complete."""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, cast

from seqcli.errors import UsageError
from seqcli.files.atomic import check_output, put_in_place, writing
from seqcli.files.system import open_descriptor, same_file, try_lock
from seqcli.files.temporary import create_file, leftovers, prefix_of, sweep

PARTIAL = "partial"
_BLOCK = 1 << 20
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENAMETOOLONG}


class LinesFile:
    """Write lines to ``PATH.partial``, and rename it to ``PATH`` at the end.

    If writing is interrupted, the partial file remains, with every line that reached the disk; the
    next ``LinesFile`` of the same path removes it. A ``PATH.partial`` from another program is never
    touched. A second, hidden name of the partial file (a hard link) identifies its owner, and a
    lock on it shows whether its writer is alive.

    Args:
        path: the path of the complete file; the suffix ``.gz`` compresses it.
        force: whether an existing file may be replaced.

    Attributes:
        partial: the partial file, or None if it does not exist.
        lines: the number of lines written; after a failure, the number in the partial file.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: the file exists, another process is writing it, or the folder is not writable.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        self.path, self.lines, self._force = path, 0, force
        self.partial: Path | None = None
        with writing(path):
            check_output(path, overwrite=True)  # whether the path can be written at all
            shown = path.with_name(f"{path.name}.{PARTIAL}")
            _drop_second_name(path, shown)
            sweep(path.parent)
            check_output(path, overwrite=force)
            _make_way(path, shown)
            self._hidden, descriptor = create_file(path, PARTIAL)
            self._raw = os.fdopen(descriptor, "wb")
            try:
                self.partial = _show(self._hidden, shown, path)
            except BaseException:
                self._discard()
                raise
        self._file = _packing(self._raw) if path.suffix == ".gz" else self._raw

    def write(self, lines: Iterable[str]) -> None:
        """Append lines.

        Raises:
            MachineError: the disk is full or broken.
        """
        block = list(lines)
        with writing(self.path):
            self._file.write("".join(f"{line}\n" for line in block).encode("utf-8", "replace"))
        self.lines += len(block)

    def __enter__(self) -> LinesFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Rename the file if there was no error."""
        if kind is not None:
            self._stop()
            return
        try:
            with writing(self.path):
                self._finish()
        except BaseException:
            self._stop()
            raise

    def _finish(self) -> None:
        self._flush()
        os.fsync(self._raw.fileno())
        check_output(self.path, overwrite=self._force)
        put_in_place(self._hidden, self.path, overwrite=self._force)
        self._hide()
        self._close()

    def _stop(self) -> None:
        """Keep the partial file with its hidden name if it holds lines; else remove both."""
        with contextlib.suppress(OSError):
            self._flush()
        self._close()
        with contextlib.suppress(OSError):
            self.lines = _whole_lines(self._hidden, packed=self._file is not self._raw)
        if self.partial is None or not self.lines:
            self._discard()

    def _discard(self) -> None:
        self._hide()
        with contextlib.suppress(OSError):
            self._hidden.unlink()

    def _flush(self) -> None:
        if self._file is not self._raw:
            self._file.close()  # writes the end of the compressed data
        self._raw.flush()

    def _hide(self) -> None:
        if self.partial is not None:
            with contextlib.suppress(OSError):
                self.partial.unlink()
            self.partial = None

    def _close(self) -> None:
        with contextlib.suppress(OSError):  # on a full disk, writing the buffer fails again
            self._raw.close()


def _packing(raw: BinaryIO) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))


def _drop_second_name(path: Path, shown: Path) -> None:
    """Remove the partial name of a complete file whose writer was killed before removing it."""
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(path.lstat(), shown.lstat()):
            shown.unlink()


def _make_way(path: Path, shown: Path) -> None:
    """Remove leftovers of an earlier writer of ``path``, and refuse foreign files.

    Raises:
        UsageError: ``shown`` exists and must not be removed.
    """
    for leftover in leftovers(path.parent, prefix_of(path)):
        if leftover.path.suffix == f".{PARTIAL}" and not leftover.is_folder:
            if same_file(leftover.descriptor, shown):
                shown.unlink()
            leftover.path.unlink()
    if os.path.lexists(shown):
        raise _in_the_way(path, shown)


def _show(hidden: Path, shown: Path, path: Path) -> Path | None:
    """Give the partial file its visible name; return None if the disk has no hard links."""
    try:
        shown.hardlink_to(hidden)
    except FileExistsError:
        raise _in_the_way(path, shown) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return None
    return shown


def _in_the_way(path: Path, shown: Path) -> UsageError:
    with contextlib.suppress(OSError):
        descriptor = open_descriptor(shown, os.O_RDONLY)
        try:
            if try_lock(descriptor) is False:
                message = f"another process is writing {path}"
                return UsageError(message, "wait until it ends, or choose another --out")
        finally:
            os.close(descriptor)
    return UsageError(f"{shown} is in the way", "move it, or choose another --out")


def _whole_lines(path: Path, *, packed: bool) -> int:
    """Count the complete lines on disk and truncate an incomplete last line."""
    count, size, end = 0, 0, 0
    for block in _unpacked(path) if packed else _blocks(path):
        if b"\n" in block:
            count, end = count + block.count(b"\n"), size + block.rindex(b"\n") + 1
        size += len(block)
    if not packed and end < size:
        os.truncate(path, end)
    return count


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _unpacked(path: Path) -> Iterator[bytes]:
    """Yield the readable part of a gzip file that may be truncated."""
    unpack = zlib.decompressobj(wbits=31)
    for block in _blocks(path):
        yield unpack.decompress(block)
