"""The files that this process has open."""

from __future__ import annotations

from pathlib import Path

_DESCRIPTORS = Path("/proc/self/fd")


def open_files() -> set[Path]:
    """Return the paths of open files; empty where the system has no /proc."""
    if not _DESCRIPTORS.is_dir():
        return set()
    return {one.resolve() for one in _DESCRIPTORS.iterdir()}
