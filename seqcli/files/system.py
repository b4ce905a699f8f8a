"""Wrap system calls that Python lacks or that differ between systems, memory included."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

msvcrt: Any = None
if sys.platform == "win32":
    import msvcrt
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_LOCKED_BYTE = 1 << 30
_LOCKED_BY_OTHERS = (errno.EACCES, errno.EDEADLK)  # as Windows reports it
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux's renameat2
_HERE = -100  # AT_FDCWD: paths are relative to the working folder
_UNKNOWN = {
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}  # the call is not available


def open_descriptor(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open ``path`` without following a final symbolic link and without blocking on a FIFO.

    Raises:
        OSError: as ``os.open``; ELOOP if ``path`` is a link.
    """
    safe = _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags | safe | getattr(os, "O_BINARY", 0), mode)


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder for this process until it is closed or the process ends.

    Returns:
        whether it is locked now; None if the system or the disk has no locks.
    """
    if fcntl is not None:
        return _try_flock(descriptor)
    return None if msvcrt is None else _try_lock_byte(descriptor)


def _try_flock(descriptor: int) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # for example on a network disk
        return None
    return True


def _try_lock_byte(descriptor: int) -> bool | None:
    """Lock one byte far after the end of a file, so that others can still read its content."""
    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    try:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        return False if error.errno in _LOCKED_BY_OTHERS else None
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    return True


def same_file(descriptor: int, path: Path) -> bool:
    """Return whether ``path`` itself, not its link target, is the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except OSError:
        return False


def exchange(one: Path, other: Path) -> bool:
    """Swap two paths atomically; return False if the system does not support it.

    Raises:
        OSError: a path is missing or may not be renamed.
    """
    rename = _renameat2()
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))


def sync_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to disk, if the system can."""
    with contextlib.suppress(OSError):  # Windows and some network disks cannot
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def process_alive(pid: int) -> bool:
    """Return whether a process with this id is running; True if unknown.

    On Windows it is unknown, because signal 0 means Ctrl-C there.
    """
    if os.name != "posix":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # another user's process, or an invalid id
        return True
    return True


def owned(status: os.stat_result) -> bool:
    """Return whether a file belongs to the user of this process (always true on Windows)."""
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


@cache
def _renameat2() -> Any:
    """Return the C function, or None if it does not exist."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    ]
    return function


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_IN_HEAP = 32 << 20  # bytes; the maximum that glibc accepts
KEPT = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Let the C library reuse freed memory instead of returning it to the system.

    Each training step allocates and frees the same tensors. By default, glibc requests those above
    about 128 kB from the system each time, and the system clears every page on first use. That took
    8% of a training step of the GRU and 12% of one of the Transformer. Without ``mallopt``, this
    function does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGEST_IN_HEAP)
        mallopt(M_TRIM_THRESHOLD, KEPT)


def physical_memory() -> int:
    """Return the machine's memory in bytes; ``sys.maxsize`` if it is unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows
        return sys.maxsize
