"""The zip file around a checkpoint: checked before a byte of it is believed.

``torch.load`` alone takes a file with a flipped bit and says nothing; ``zipfile.testzip`` compares
every member with its checksum. The rest of the checks keep out what only looks like a checkpoint:
compressed members (zip bombs), members of one name, bytes before, between or after the members.
"""

from __future__ import annotations

import contextlib
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import CheckpointError

_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_GIVE = "give a run folder or a .pt file"


@dataclass(frozen=True)
class Archive:
    """An opened and checked checkpoint file; ``root`` is the folder all members are in."""

    zip: zipfile.ZipFile
    root: str

    def read(self, name: str) -> bytes:
        """Return a member's bytes; KeyError if there is no such member."""
        return self.zip.read(f"{self.root}/{name}")

    def size(self, name: str) -> int:
        """Return a member's size in bytes; KeyError if there is no such member."""
        return self.zip.getinfo(f"{self.root}/{name}").file_size


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a checkpoint file and check it; whatever fails while it is open is reported for it.

    Raises:
        CheckpointError: no such file, no regular file, unreadable, empty, no zip file, damaged, or
            any error of the code that reads the archive.
    """
    with _refusing(path), _open(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise _refused(path, "is empty")
        if not zipfile.is_zipfile(file):
            raise _refused(path, "is not a checkpoint, or was cut short")
        with zipfile.ZipFile(file) as archive:
            root = _check(archive, file, path)
            yield Archive(archive, root)


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Broken files make readers raise some ten kinds of exception: here they become one."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise _refused(path, f"is damaged or not a checkpoint: {reason}") from error


@contextlib.contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    # O_NONBLOCK: opening a FIFO nobody writes to must not wait for ever
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path}: no such file", _GIVE) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise CheckpointError(f"{path}: is not a regular file", _GIVE)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _check(archive: zipfile.ZipFile, file: BinaryIO, path: Path) -> str:
    """Check layout and checksums; return the one folder all members are in."""
    members = archive.infolist()
    names = [member.filename for member in members]
    size = file.seek(0, os.SEEK_END)
    if len(set(names)) != len(names):
        raise _refused(path, "is damaged: two members have one name")
    if any(m.compress_type or m.compress_size != m.file_size or m.flag_bits & 1 for m in members):
        raise _refused(path, "is not a checkpoint: its members are compressed or encrypted")
    if sum(member.file_size for member in members) > size:
        raise _refused(path, "is damaged: its members claim more bytes than the file has")
    if not _fills(members, file, size):
        raise _refused(path, "is damaged: something was put before or after the archive")
    roots = {name.partition("/")[0] for name in names if "/" in name}
    if len(roots) != 1 or f"{(root := roots.pop())}/data.pkl" not in names:
        raise _refused(path, "is a zip file, but not a checkpoint")
    bad = archive.testzip()
    if bad is not None:
        raise _refused(path, f"is damaged: {bad} fails its checksum")
    return root


def _fills(members: list[zipfile.ZipInfo], file: BinaryIO, size: int) -> bool:
    """Whether the archive begins at the first byte of the file and ends at the last."""
    if size < _END_RECORD_BYTES or not members:
        return False
    file.seek(size - _END_RECORD_BYTES)
    return file.read(4) == _END_RECORD and min(m.header_offset for m in members) == 0


def _refused(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path}: {what}", _rescue(path))


def _rescue(path: Path) -> str:
    """Name the other checkpoints of the run, which may be whole."""
    names = ("last.pt", "last.prev.pt", "best.pt")
    others = [path.with_name(name) for name in names if name != path.name]
    whole = [str(other) for other in others if other.is_file()]
    return f"try {' or '.join(whole)}" if whole else "give another file, or train again"
