"""Lock files: one process at a time; the system releases the lock when the process ends.

`filelock` (tested: 4.3.1) does not replace this module. It locks a FIFO or a hard link to another
file without an error, its error does not name the process that holds the lock, and importing it
takes 0.13 s of CPU time.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import UsageError
from seqcli.files.atomic import writing
from seqcli.files.system import open_descriptor, process_alive, try_lock


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, which contains the process id of the holder.

    The lock is a lock of the operating system, so a killed process never leaves one behind. On
    disks without locks, such as some network disks, the process id in the file is used instead. A
    lock file that is a symbolic link or a hard link to another file is refused: nothing is written
    through it.

    Raises:
        UsageError: another process holds the lock, or the path is not a regular file.
    """
    with _open_lock(path) as file:
        _acquire(file, path)
        _write_owner(file, str(os.getpid()))
        try:
            yield
        finally:
            _write_owner(file, "")


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock file ``path``, without waiting or writing."""
    try:
        descriptor = open_descriptor(path, os.O_RDONLY)
    except OSError:
        return False
    with os.fdopen(descriptor, "rb") as file:
        owner = _read_owner(file)
        return owner is not None and process_alive(owner) and try_lock(descriptor) is not True


def _open_lock(path: Path) -> BinaryIO:
    """Open the lock file, or create it."""
    try:
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise _not_a_lock(path) from None
        with writing(path):
            raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise _not_a_lock(path)
    return os.fdopen(descriptor, "r+b")


def _not_a_lock(path: Path) -> UsageError:
    message = f"{path} is not a lock file of seqcli: it is a link, or not a regular file"
    return UsageError(message, "check where it points, and remove it if it is not needed")


def _acquire(file: BinaryIO, path: Path) -> None:
    locked, owner = try_lock(file.fileno()), _read_owner(file)
    hint = "wait until it ends, or write elsewhere with --out"
    if locked is None:  # a disk without locks
        locked = owner in (None, os.getpid()) or not process_alive(owner or 0)
        hint += f"; if there is no such process, remove {path}"
    if not locked:
        raise UsageError(f"{path.parent} is in use by process {owner or '(unknown)'}", hint)


def _read_owner(file: BinaryIO) -> int | None:
    """Return the process id in the file; None if there is none."""
    file.seek(0)
    text = file.read(32)
    return int(text) if text.isdigit() else None


def _write_owner(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # if the disk is full, the lock itself still holds
        if _read_owner(file) is None and os.fstat(file.fileno()).st_size:
            return  # the file has other content: lock it, but do not change it
        file.seek(0)
        file.truncate()
        file.write(text.encode())
        file.flush()
