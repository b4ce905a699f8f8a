"""Write files atomically, even if the process is killed or the disk is full.

The steps are the usual ones of databases: write a temporary file in the same folder, flush it,
``fsync`` it, ``os.replace`` it over the old file, ``fsync`` the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import MachineError, UsageError
from seqcli.files.system import process_alive, sync_folder
from seqcli.files.temporary import sweep, temporary_file, temporary_path

__all__ = [
    "check_output",
    "check_own_output",
    "process_alive",
    "put_in_place",
    "refuse_stdout",
    "remove_stale",
    "sync_folder",
    "temporary_name",
    "write_atomically",
    "writing",
]

_ROOM = "free some disk space; the existing file is unchanged"
_MACHINE_HINTS = {  # errno -> hint, for errors of the machine
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write to another disk",
    errno.EIO: "the disk reports an error: write to another disk, and check this one",
    errno.ENOMEM: "close other programs, and try again",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "close other programs: the system has too many open files",
}
_USAGE_HINTS = {
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "create the folder first, or choose another",
    errno.ENOTDIR: "a part of the path is a file: choose another folder",
    errno.ELOOP: "a symbolic link is in the way: give the path it points to",
    errno.EROFS: "the disk is read-only: choose another folder",
}
_BEGIN = 4096  # bytes from which the kind of a file is recognized
_ELSEWHERE = "choose a folder you can write to"


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], *, overwrite: bool = True
) -> None:
    """Call ``write`` with a temporary file, then rename it to ``path``.

    If anything fails, an existing file at ``path`` remains unchanged.

    Args:
        path: the file to write.
        write: fills the temporary file.
        overwrite: replace an existing file.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: the folder is missing or not writable, ``path`` cannot be a file, or
            it exists and ``overwrite`` is False.
    """
    with writing(path):
        _sweep_once(path.parent.absolute())
        check_output(path, overwrite=overwrite)
        with temporary_file(path) as (temporary, file):
            write(file)
            file.flush()
            os.fsync(file.fileno())
            put_in_place(temporary, path, overwrite=overwrite)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert system errors into one-line errors that name ``path``.

    Raises:
        MachineError: the disk is full or broken, or memory or open files have run out.
        UsageError: any other ``OSError`` (missing folder, permissions, read-only disk).
    """
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        if error.errno in _MACHINE_HINTS:
            raise MachineError(message, _MACHINE_HINTS[error.errno]) from error
        raise UsageError(message, _USAGE_HINTS.get(error.errno or 0, _ELSEWHERE)) from error


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse a path that cannot or must not be written, before any work is done.

    Raises:
        OSError: the path is not accessible (a name that is too long, a folder without access).
        UsageError: the path is a folder, a symbolic link, a device or a FIFO, or it exists and
            ``overwrite`` is False.
    """
    refuse_stdout(path)
    if not path.name or path.is_dir():
        raise UsageError(f"{path} is a folder", "give the name of a file")
    if path.is_symlink():  # including dangling links
        raise UsageError(f"{path} is a symbolic link", "give the path it points to, or remove it")
    if os.path.lexists(path):
        if not path.is_file():  # never rename over /dev/null
            raise UsageError(f"{path} is not a regular file", "choose another file name")
        if not overwrite:
            raise UsageError(f"{path} already exists", "choose another --out, or give --force")


def check_own_output(path: Path, recognize: Callable[[bytes], bool], hint: str) -> None:
    """Refuse to replace a file that seqcli did not write, before any work is done.

    Args:
        path: the output file.
        recognize: returns whether a file that begins with these bytes (at most 4 KiB) is of the
            same kind as the output and may be replaced. Empty files are always replaced.
        hint: the hint of the error.

    Raises:
        MachineError: the disk is broken.
        UsageError: the existing file is of another kind, or the path cannot be written.
    """
    with writing(path):
        check_output(path, overwrite=True)
        if os.path.lexists(path):
            with path.open("rb") as file:
                begin = file.read(_BEGIN)
            if begin and not recognize(begin):
                raise UsageError(f"{path} exists, and seqcli did not write it", hint)


def refuse_stdout(path: Path) -> None:
    """Refuse ``-``, which usually means stdout; a file of that name is hard to remove.

    Raises:
        UsageError: ``path`` is ``-``.
    """
    if str(path) == "-":
        raise UsageError(
            "- usually means stdout, but this output is a file", "give the name of a file"
        )


def put_in_place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Rename a complete temporary file and flush the folder.

    Raises:
        OSError: the file cannot be renamed.
        UsageError: another process has written ``path``, and ``overwrite`` is False.
    """
    if overwrite or not _linked(temporary, path):
        temporary.replace(path)
    sync_folder(path.parent)


def _linked(temporary: Path, path: Path) -> bool:
    """Move a file to a path that must not exist; return False on a disk without hard links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise UsageError(f"{path} already exists: another process wrote it", "") from None
    except OSError:
        return False
    temporary.unlink()
    return True


def remove_stale(folder: Path) -> list[Path]:
    """Remove leftovers of killed processes in ``folder``; return the removed files."""
    return sweep(folder)


def temporary_name(path: Path) -> Path:
    """Return a name next to ``path`` that no other process uses."""
    return temporary_path(path)


@cache
def _sweep_once(folder: Path) -> None:
    """Remove leftovers in a folder on the first write only; scanning every time is slow."""
    sweep(folder)
