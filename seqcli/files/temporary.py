"""Create temporary files and folders that are unique and removed if their owner dies.

A temporary file is created next to its target and is named ``.NAME.seqcli-XXXXXXXXXXXX.tmp``. Its
owner holds a lock on it. The system always releases the lock when the owner ends, so an unlocked
temporary file is a leftover, and ``sweep`` removes it. Process ids are not used, because processes
in different containers may have the same one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from seqcli.files.system import open_descriptor, owned, same_file, try_lock

FILE, OLD = "tmp", "old"  # suffixes: being written; to be restored if its replacement is missing
_NAME = re.compile(r"(\..+\.seqcli-)[0-9a-f]{12}\.(tmp|old|partial)", re.DOTALL)
_LONGEST_STEM = 180  # bytes of NAME; file systems allow 255 in total
_ATTEMPTS = 100
_NO_LOCKS_AGE = 86400  # seconds after which a temporary is a leftover, on disks without locks


def prefix_of(target: Path) -> str:
    """Return the common prefix of the names of temporary files of ``target``."""
    raw = os.fsencode(target.name)
    stem = target.name
    if len(raw) > _LONGEST_STEM:  # the temporary name must not exceed the system's limit
        stem = sha256(raw).hexdigest()[:32]
    return f".{stem}.seqcli-"


def temporary_path(target: Path, ending: str = FILE) -> Path:
    """Return a path next to ``target`` that no other process will use."""
    return target.with_name(f"{prefix_of(target)}{secrets.token_hex(6)}.{ending}")


@contextlib.contextmanager
def temporary_file(target: Path, ending: str = FILE) -> Iterator[tuple[Path, BinaryIO]]:
    """Create a locked file next to ``target``; remove it at the end if it still exists.

    Yields:
        its path, and the file open for writing.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    path, descriptor = create_file(target, ending)
    with os.fdopen(descriptor, "w+b") as file:
        try:
            yield path, file
        finally:
            if same_file(descriptor, path):
                with contextlib.suppress(OSError):
                    path.unlink()


@dataclass(frozen=True)
class Leftover:
    """A temporary file or folder without an owner, locked while it is inspected."""

    path: Path
    descriptor: int

    @property
    def is_folder(self) -> bool:
        """Whether the leftover is a folder."""
        return stat.S_ISDIR(os.fstat(self.descriptor).st_mode)


def leftovers(folder: Path, prefix: str = "") -> Iterator[Leftover]:
    """Yield the leftovers of dead owners in ``folder``, each locked until the next one.

    Args:
        folder: the folder to search; one that is missing or unreadable has no leftovers.
        prefix: yield only names with this prefix (see ``prefix_of``).
    """
    for name in _names(folder):
        if name.startswith(prefix) and _NAME.fullmatch(name):
            with _claimed(folder / name) as leftover:
                if leftover is not None:
                    yield leftover


def sweep(folder: Path, prefix: str = "") -> list[Path]:
    """Remove the files that dead owners left in ``folder``; return their paths.

    Folders are handled by modules that know their contents (see ``seqcli.files.folder``). A partial
    output that is still visible under its other name is kept. Never raises ``OSError``: files that
    cannot be removed are left for the next call.
    """
    removed = []
    for leftover in leftovers(folder, prefix):
        if leftover.is_folder or _is_kept(leftover):
            continue
        with contextlib.suppress(OSError):
            leftover.path.unlink()
            removed.append(leftover.path)
    return removed


@contextlib.contextmanager
def temporary_folder(target: Path, mode: int = 0o777) -> Iterator[Path]:
    """Create a locked folder next to ``target``; it is unlocked, not removed, at the end.

    Args:
        target: the path to which the folder will be renamed.
        mode: its permissions, before the umask.

    Raises:
        OSError: the parent folder is missing, full or not writable.
    """
    path, descriptor = _create_folder(target, mode)
    try:
        yield path
    finally:
        os.close(descriptor)


def _create_folder(target: Path, mode: int) -> tuple[Path, int]:
    for _ in range(_ATTEMPTS):
        path = temporary_path(target)
        path.mkdir(mode)
        try:
            descriptor = open_descriptor(path, os.O_RDONLY)
        except FileNotFoundError:  # swept before it was locked
            continue
        except OSError:
            path.rmdir()
            raise
        try_lock(descriptor)
        if same_file(descriptor, path):
            return path, descriptor
        os.close(descriptor)
    raise FileExistsError(f"cannot create a temporary folder for {target}")


def create_file(target: Path, ending: str) -> tuple[Path, int]:
    """Create a locked file next to ``target``; return its path and descriptor.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    for _ in range(_ATTEMPTS):
        path = temporary_path(target, ending)
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try_lock(descriptor)
        if same_file(descriptor, path):  # otherwise it was swept before it was locked
            return path, descriptor
        os.close(descriptor)
    raise FileExistsError(f"cannot create a temporary file for {target}")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


@contextlib.contextmanager
def _claimed(path: Path) -> Iterator[Leftover | None]:
    """Lock a temporary file or folder; yield None if another process holds it."""
    try:
        descriptor = open_descriptor(path, os.O_RDONLY)
    except OSError:  # a link, removed meanwhile, or not readable
        yield None
        return
    try:
        yield Leftover(path, descriptor) if _is_left(path, descriptor) else None
    finally:
        os.close(descriptor)


def _is_left(path: Path, descriptor: int) -> bool:
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or not owned(status):
        return False
    locked = try_lock(descriptor)
    if locked is None:  # a disk without locks: use the age instead
        locked = time.time() - status.st_mtime > _NO_LOCKS_AGE
    return locked and same_file(descriptor, path)


def _is_kept(leftover: Leftover) -> bool:
    """Return whether a partial output still has its visible name."""
    match = _NAME.fullmatch(leftover.path.name)
    if match is None or match[2] != "partial":
        return False
    shown = leftover.path.with_name(match[1].removesuffix(".seqcli-")[1:] + ".partial")
    return same_file(leftover.descriptor, shown)
