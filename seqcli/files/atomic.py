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

_ROOM = "make room on the disk; what was there before is unchanged"
_MACHINE_HINTS = {  # errno -> what to do: the machine's fault
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or write to another disk",
    errno.EIO: "the disk reports an error: write to another one, and check this one",
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
_BEGIN = 4096  # bytes by which a file is recognized
_ELSEWHERE = "choose a folder you can write to"


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], *, overwrite: bool = True
) -> None:
    """Let ``write`` fill a temporary file, then put it at ``path`` in one step.

    Whatever goes wrong, the file that was at ``path`` stays as it was.

    Args:
        path: the file to write.
        write: fills the temporary file.
        overwrite: replace a file that is there.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: the folder is missing or not writable, ``path`` is not a place for a file, or
            there is one and not ``overwrite``.
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
    """Turn errors of the system into one line that names ``path``.

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
    """Refuse a path where no file can or may be written, before any work is done.

    Raises:
        OSError: the path cannot be looked at (a name that is too long, a folder without access).
        UsageError: it is a folder, a symbolic link, a device or a FIFO, or it exists and not
            ``overwrite``.
    """
    refuse_stdout(path)
    if not path.name or path.is_dir():
        raise UsageError(f"{path} is a folder", "give the name of a file")
    if path.is_symlink():  # also one that leads nowhere
        raise UsageError(f"{path} is a symbolic link", "give the path it points to, or remove it")
    if os.path.lexists(path):
        if not path.is_file():  # never rename over /dev/null
            raise UsageError(f"{path} is not a regular file", "choose another file name")
        if not overwrite:
            raise UsageError(f"{path} is already there", "choose another --out, or give --force")


def check_own_output(path: Path, recognize: Callable[[bytes], bool], hint: str) -> None:
    """Refuse a path where there is a file that seqcli did not write, before any work is done.

    Args:
        path: what is to be written.
        recognize: whether a file that begins with these bytes (4 KiB at most) is of the kind that
            is to be written, so that it may be replaced. An empty file always may.
        hint: what to do instead.

    Raises:
        MachineError: the disk is broken.
        UsageError: it is something else, or cannot be written at all.
    """
    with writing(path):
        check_output(path, overwrite=True)
        if os.path.lexists(path):
            with path.open("rb") as file:
                begin = file.read(_BEGIN)
            if begin and not recognize(begin):
                raise UsageError(f"{path} is there, and seqcli did not write it", hint)


def refuse_stdout(path: Path) -> None:
    """Refuse ``-``, which means stdout to most programs: a file of that name is hard to remove.

    Raises:
        UsageError: ``path`` is ``-``.
    """
    if str(path) == "-":
        raise UsageError("- usually means stdout, but this output is a file", "name it")


def put_in_place(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Rename a complete temporary file, durably.

    Raises:
        OSError: it cannot be renamed.
        UsageError: another process has put a file there, and not ``overwrite``.
    """
    if overwrite or not _linked(temporary, path):
        temporary.replace(path)
    sync_folder(path.parent)


def _linked(temporary: Path, path: Path) -> bool:
    """Move a file to a name that must be free; return False on a disk without hard links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise UsageError(f"{path} is already there: another process wrote it", "") from None
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
    """Remove leftovers in a folder at the first write to it; scanning each time would be slow."""
    sweep(folder)
