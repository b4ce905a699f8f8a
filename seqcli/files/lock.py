"""One process at a time: a lock file that the system frees when its holder dies."""

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
    """Hold the lock file ``path``, which tells the holder's process id.

    ``flock`` decides where there is one, so that a killed process never leaves a lock behind;
    elsewhere (Windows, some network disks) the process id in the file does. A lock file that is a
    symbolic link, or another name of some other file, is refused: nothing is written through it.

    Raises:
        UsageError: another process holds it (the message names its id), or it is not a plain file.
    """
    with _opened(path) as file:
        if not _take(file):
            message = f"{path.parent} is in use by process {_pid(file) or '(unknown)'}"
            raise UsageError(message, "let it end first, or write elsewhere with --out")
        _tell(file, str(os.getpid()))
        try:
            yield
        finally:
            _tell(file, "")


def _opened(path: Path) -> BinaryIO:
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
    message = f"{path} is not a lock file of seqcli: it is a link, or no regular file"
    return UsageError(message, "look at where it leads; remove it if it is not yours")


def _take(file: BinaryIO) -> bool:
    taken = try_lock(file.fileno())
    return _holder_is_gone(file) if taken is None else taken


def _holder_is_gone(file: BinaryIO) -> bool:
    pid = _pid(file)
    return pid in (None, os.getpid()) or not process_alive(pid or 0)


def _pid(file: BinaryIO) -> int | None:
    file.seek(0)
    text = file.read(32)
    return int(text) if text.isdigit() else None


def _tell(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock itself holds all the same
        if _pid(file) is None and os.fstat(file.fileno()).st_size:
            return  # somebody else's text: lock the file, but leave it as it is
        file.seek(0)
        file.truncate()
        file.write(text.encode())
        file.flush()
