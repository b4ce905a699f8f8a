"""Files that appear whole or not at all, whatever kills the process or fills the disk.

The steps are the usual ones of databases: write a temporary file in the same folder, flush it,
``fsync`` it, ``os.replace`` it over the old file, ``fsync`` the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import MachineError, UsageError

_TEMPORARY = re.compile(r".+\.tmp-(\d+)")
_OUT_OF_ROOM = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let ``write`` fill a temporary file, then put it at ``path`` in one step.

    Whatever goes wrong, the file that was at ``path`` stays as it was.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: the folder is missing or not writable, or ``path`` is no place for a file.
    """
    with writing(path):
        if path.exists() and not path.is_file():  # never rename over /dev/null or a folder
            raise UsageError(f"{path} is not a regular file", "choose another file name")
        _replace(path, write)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals into one line that names ``path``.

    Raises:
        MachineError: the disk is full or broken.
        UsageError: any other ``OSError`` (missing folder, permissions, read-only disk).
    """
    try:
        yield
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        if error.errno in _OUT_OF_ROOM:
            raise MachineError(message, "make room on the disk; the old file is whole") from error
        raise UsageError(message, "choose a folder you can write to") from error


def remove_stale(folder: Path) -> list[Path]:
    """Remove what writers that died left in ``folder``; return the files removed.

    A temporary file of this very process id goes too: call this before the first write, when it can
    only be from an earlier process (in a container every process may get the same id).
    """
    with writing(folder):
        stale = [path for path in folder.glob("*.tmp-*") if _is_stale(path)]
        for path in stale:
            path.unlink(missing_ok=True)
    return stale


def process_alive(pid: int) -> bool:
    """Whether a process of this id runs here; True where the system cannot be asked (Windows)."""
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's, or no possible id: leave it alone
        return True
    return True


def temporary_name(path: Path) -> Path:
    """Return where this process writes before it replaces ``path``."""
    return path.with_name(f"{path.name}.tmp-{os.getpid()}")


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` last through a power cut, where the system can."""
    with contextlib.suppress(OSError):  # Windows and some network disks cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    temporary = temporary_name(path)
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _is_stale(path: Path) -> bool:
    match = _TEMPORARY.fullmatch(path.name)
    if match is None or not path.is_file():
        return False
    pid = int(match[1])
    return pid == os.getpid() or not process_alive(pid)
