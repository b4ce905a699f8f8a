"""One process at a time: a lock file that the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import UsageError
from seqcli.files.atomic import process_alive, writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, which tells the holder's process id.

    ``flock`` decides where there is one, so that a killed process never leaves a lock behind;
    elsewhere (Windows, some network disks) the process id in the file does.

    Raises:
        UsageError: another process holds it; the message names its id.
    """
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        if not _take(file):
            message = f"{path.parent} is in use by process {_pid(file) or '(unknown)'}"
            raise UsageError(message, "let it end first, or write elsewhere with --out")
        _tell(file, str(os.getpid()))
        try:
            yield
        finally:
            _tell(file, "")


def _take(file: BinaryIO) -> bool:
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a disk that knows no locks
            return _holder_is_gone(file)
        return True
    return _holder_is_gone(file)


def _holder_is_gone(file: BinaryIO) -> bool:
    pid = _pid(file)
    return pid in (None, os.getpid()) or not process_alive(pid or 0)


def _pid(file: BinaryIO) -> int | None:
    file.seek(0)
    text = file.read(32)
    return int(text) if text.isdigit() else None


def _tell(file: BinaryIO, text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock itself holds all the same
        file.seek(0)
        file.truncate()
        file.write(text.encode())
        file.flush()
