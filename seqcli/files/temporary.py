"""Temporary files and folders that no other process uses, and that are removed if their owner dies.

A temporary lies next to what it will become, and is called ``.NAME.seqcli-XXXXXXXXXXXX.tmp``. Its
owner holds a lock on it. The system releases the lock when the owner dies, however it dies, so an
unlocked temporary is a leftover, and ``sweep`` removes it. Process ids play no part: in a container
every process may get the same one.
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

FILE, OLD = "tmp", "old"  # endings: being written; to be put back if its successor is missing
_NAME = re.compile(r"(\..+\.seqcli-)[0-9a-f]{12}\.(tmp|old|partial)", re.DOTALL)
_LONGEST_STEM = 180  # bytes of NAME; file systems allow 255 in all
_ATTEMPTS = 100
_NO_LOCKS_AGE = 86400  # seconds after which a temporary counts as left, on disks without locks


def prefix_of(target: Path) -> str:
    """Return the prefix of the names of all temporaries of ``target``."""
    raw = os.fsencode(target.name)
    stem = target.name
    if len(raw) > _LONGEST_STEM:  # a name as long as the system allows needs a shorter temporary
        stem = sha256(raw).hexdigest()[:32]
    return f".{stem}.seqcli-"


def temporary_path(target: Path, ending: str = FILE) -> Path:
    """Return a path next to ``target`` that no other process will use."""
    return target.with_name(f"{prefix_of(target)}{secrets.token_hex(6)}.{ending}")


@contextlib.contextmanager
def temporary_file(target: Path, ending: str = FILE) -> Iterator[tuple[Path, BinaryIO]]:
    """Create a locked file next to ``target``; remove it at the end if it is still there.

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
        """Whether it is a folder."""
        return stat.S_ISDIR(os.fstat(self.descriptor).st_mode)


def leftovers(folder: Path, prefix: str = "") -> Iterator[Leftover]:
    """Yield the leftovers of dead owners in ``folder``, each locked until the next one.

    Args:
        folder: where to look; one that is missing or cannot be read has none.
        prefix: only names that begin with it (see ``prefix_of``).
    """
    for name in _names(folder):
        if name.startswith(prefix) and _NAME.fullmatch(name):
            with _claimed(folder / name) as leftover:
                if leftover is not None:
                    yield leftover


def sweep(folder: Path, prefix: str = "") -> list[Path]:
    """Remove the files that dead owners left in ``folder``; return their paths.

    Folders are left to those who know what they may hold (see ``seqcli.files.folder``). A partial
    output that the user can still see under its other name stays. Never raises ``OSError``: what
    cannot be removed is left for the next time.
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
        target: what it is to become.
        mode: its permissions, less the umask.

    Raises:
        OSError: the folder it is to lie in is missing, full or not writable.
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
    raise FileExistsError(f"no temporary folder can be made for {target}")


def create_file(target: Path, ending: str) -> tuple[Path, int]:
    """Create a locked file next to ``target``; return its path and descriptor.

    Raises:
        OSError: the folder is missing, full or not writable.
    """
    for _ in range(_ATTEMPTS):
        path = temporary_path(target, ending)
        descriptor = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try_lock(descriptor)
        if same_file(descriptor, path):  # else swept before it was locked
            return path, descriptor
        os.close(descriptor)
    raise FileExistsError(f"no temporary file can be made for {target}")


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
    except OSError:  # a link, or gone, or not ours to read
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
    if locked is None:  # a disk without locks: only age tells
        locked = time.time() - status.st_mtime > _NO_LOCKS_AGE
    return locked and same_file(descriptor, path)


def _is_kept(leftover: Leftover) -> bool:
    """Return whether a partial output still has its visible name."""
    found = _NAME.fullmatch(leftover.path.name)
    if found is None or found[2] != "partial":
        return False
    shown = leftover.path.with_name(found[1].removesuffix(".seqcli-")[1:] + ".partial")
    return same_file(leftover.descriptor, shown)
