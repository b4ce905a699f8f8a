"""Memory: its size, and a setting of the C library that avoids page faults in training."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_IN_HEAP = 32 << 20  # bytes; glibc takes no more
KEPT = 1 << 30  # bytes


def keep_freed_memory() -> None:
    """Let the C library reuse freed memory instead of returning it to the system.

    A training step allocates and frees the same tensors every time. glibc takes those above some
    128 kB from the system anew, and the system clears each page of them on first use: that was
    8 percent of a step of the GRU, 12 percent of one of the Transformer. Where there is no
    ``mallopt`` nothing happens.
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
