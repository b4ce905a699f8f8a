"""Open the zip file of a checkpoint and verify it before its contents are used.

``torch.load`` alone accepts a file with a flipped bit without an error; here every member is
compared with its checksum, when it is read or else at the end. The other checks reject files that
only look like checkpoints: compressed members (zip bombs), duplicate member names, bytes before,
between or after the members, and directories and sparse files of excessive size.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from seqcli.errors import CheckpointError, MachineError
from seqcli.files.regular import NotRegularError, open_regular

DEEPEST = 64  # levels of nesting
MOST_VALUES = 500_000  # texts, numbers, lists and tables, including keys
MOST_ARRAYS = 50_000
MAX_PROGRAM = 32 << 20  # bytes of the pickle
MOST_BYTES = 96 << 20  # bytes of the Python objects built from it
MAX_INT_BITS = 2000
_STEPS_PER_ARRAY = 20  # values that describe one array in a pickle

_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20  # the zip64 locator, before the end record
_END_RECORD_64_BYTES = 56
_MEMBER_BYTES = 256  # maximum average size of a directory entry
_MAX_DIRECTORY = (MOST_ARRAYS + 8) * _MEMBER_BYTES
_SPARSE_BYTES, _SPARSE_SHARE = 64 << 20, 8  # refuse a large file with less than 1/8 on disk
_BLOCK = 1 << 20
_MAX_UNUSED = 64  # members; torch.save writes a few that are not read
_USAGE_HINT = "give a run folder or a .pt file"


@dataclass(frozen=True)
class Archive:
    """An opened and checked checkpoint file; ``root`` is the folder that contains all members."""

    zip: zipfile.ZipFile
    root: str
    _seen: set[str] = field(default_factory=set)

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            KeyError: there is no such member.
            zipfile.BadZipFile: it fails its checksum.
        """
        content = self.zip.read(f"{self.root}/{name}")
        self._seen.add(f"{self.root}/{name}")
        return content

    def size(self, name: str) -> int:
        """Return a member's size in bytes; KeyError if there is no such member."""
        return self.zip.getinfo(f"{self.root}/{name}").file_size

    def check_rest(self) -> None:
        """Verify the checksums of the members that have not been read.

        Raises:
            zipfile.BadZipFile: one fails its checksum, or there are too many.
        """
        unread = [name for name in self.zip.namelist() if name not in self._seen]
        if len(unread) > _MAX_UNUSED:
            raise zipfile.BadZipFile(f"it has {len(unread):,} unexpected members")
        for name in unread:
            with self.zip.open(name) as member:
                while member.read(_BLOCK):
                    pass


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open and verify a checkpoint file; errors while it is open become a `CheckpointError`.

    Raises:
        CheckpointError: the file is missing, not a regular file, unreadable, empty, not a zip file
            or damaged, or the code that reads the archive raised an error.
    """
    with _checkpoint_errors(path), open_regular(path) as file:
        _check_file(file, path)
        with zipfile.ZipFile(file) as archive:
            opened = Archive(archive, _check(archive, file, path))
            yield opened
            opened.check_rest()


@contextlib.contextmanager
def _checkpoint_errors(path: Path) -> Iterator[None]:
    """Convert the many exceptions that broken files cause to a `CheckpointError`."""
    try:
        yield
    except CheckpointError:
        raise
    except MemoryError as error:
        message = f"{path}: there is not enough memory to read it"
        raise MachineError(message, "close other programs, or use a larger machine") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path}: no such file", _USAGE_HINT) from error
    except NotRegularError as error:
        raise CheckpointError(f"{path}: {error.strerror}", _USAGE_HINT) from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error)[:400].split())[:200] or type(error).__name__
        raise _refused(path, f"is damaged or not a checkpoint: {reason}") from error


def _check_file(file: BinaryIO, path: Path) -> None:
    """Refuse files that cannot be read at a bounded cost."""
    status = os.fstat(file.fileno())
    if status.st_size == 0:
        raise _refused(path, "is empty")
    on_disk = getattr(status, "st_blocks", status.st_size) * 512
    if status.st_size > _SPARSE_BYTES and 0 < on_disk < status.st_size // _SPARSE_SHARE:
        raise _refused(path, "is not a checkpoint: most of the file was never written")
    if not zipfile.is_zipfile(file):
        raise _refused(path, "is not a checkpoint, or is truncated")
    if _directory_bytes(file) > _MAX_DIRECTORY:
        raise _refused(path, "is not a checkpoint: it has too many members")


def _directory_bytes(file: BinaryIO) -> int:
    """Return the size of the archive's directory, as stored in either of the two end records."""
    size = file.seek(0, os.SEEK_END)
    tail = _LOCATOR_BYTES + _END_RECORD_64_BYTES + _END_RECORD_BYTES
    file.seek(max(size - tail, 0))
    end = file.read(tail)
    (plain,) = struct.unpack_from("<L", end, len(end) - _END_RECORD_BYTES + 12)
    if len(end) < tail or end[_END_RECORD_64_BYTES:][:4] != _LOCATOR:
        return int(plain)
    (large,) = struct.unpack_from("<Q", end, 40)
    return int(large if plain == 0xFFFFFFFF else max(plain, large))


def _check(archive: zipfile.ZipFile, file: BinaryIO, path: Path) -> str:
    """Check the layout; return the folder that contains all members."""
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
        raise _refused(path, "is damaged: there is data before or after the archive")
    roots = {name.partition("/")[0] for name in names if "/" in name}
    if len(roots) != 1 or f"{(root := roots.pop())}/data.pkl" not in names:
        raise _refused(path, "is a zip file, but not a checkpoint")
    return root


def _fills(members: list[zipfile.ZipInfo], file: BinaryIO, size: int) -> bool:
    """Return whether the archive fills the file, from the first byte to the last."""
    if size < _END_RECORD_BYTES or not members:
        return False
    file.seek(size - _END_RECORD_BYTES)
    return file.read(4) == _END_RECORD and min(m.header_offset for m in members) == 0


def _refused(path: Path, what: str) -> CheckpointError:
    return CheckpointError(f"{path}: {what}", _other_checkpoints(path))


def _other_checkpoints(path: Path) -> str:
    """Return a hint with the other checkpoints of the run, which may be intact."""
    names = ("last.pt", "last.prev.pt", "best.pt")
    others = [path.with_name(name) for name in names if name != path.name]
    existing = [str(other) for other in others if other.is_file()]
    return f"try {' or '.join(existing)}" if existing else "give another file, or train again"


class Budget:
    """Count the values created while a pickle is decoded, and enforce the limits.

    Args:
        members: the number of files in the archive, each of which may hold an array.
    """

    def __init__(self, members: int = 0) -> None:
        self._values = MOST_VALUES + _STEPS_PER_ARRAY * min(members, MOST_ARRAYS)
        self._kept = self._values
        self._bytes, self._arrays = MOST_BYTES, MOST_ARRAYS

    def take(self, size: int) -> None:
        """Count one value of ``size`` bytes.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._values -= 1
        self._bytes -= size
        if self._values < 0 or self._bytes < 0:
            raise ValueError("it has too many values")

    def charge(self, size: int) -> None:
        """Count only bytes: the cost of an item to the list or table that contains it.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._bytes -= size
        if self._bytes < 0:
            raise ValueError("it has too many values")

    def keep(self, size: int) -> None:
        """Count one value that is stored in the memo for reuse.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._kept -= 1
        if self._kept < 0:
            raise ValueError("it has too many values")
        self.charge(size)

    def take_array(self) -> None:
        """Count one array.

        Raises:
            ValueError: a limit is exceeded.
        """
        self._arrays -= 1
        if self._arrays < 0:
            raise ValueError("it has too many arrays")
