"""The zip file around a checkpoint: each part is checked before it is used.

``torch.load`` alone takes a file with a flipped bit and says nothing; here every member is compared
with its checksum, those that are used when they are read and the others at the end. The rest of the
checks keep out what only looks like a checkpoint: compressed members (zip bombs), members of one
name, bytes before, between or after the members, directories and sparse files of absurd size.
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

from seqcli.checkpoints.budget import MOST_ARRAYS
from seqcli.errors import CheckpointError, MachineError
from seqcli.files.regular import NotRegularError, open_regular

_END_RECORD = b"PK\x05\x06"
_END_RECORD_BYTES = 22
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20  # of zip64, before the end record
_END_RECORD_64_BYTES = 56
_MEMBER_BYTES = 256  # of the directory, at most on average
_MOST_DIRECTORY = (MOST_ARRAYS + 8) * _MEMBER_BYTES
_SPARSE_BYTES, _SPARSE_SHARE = 64 << 20, 8  # a large file with less than 1/8 of it on the disk
_BLOCK = 1 << 20
_MOST_UNUSED = 64  # members; torch.save writes a handful of notes
_GIVE = "give a run folder or a .pt file"


@dataclass(frozen=True)
class Archive:
    """An opened and checked checkpoint file; ``root`` is the folder all members are in."""

    zip: zipfile.ZipFile
    root: str
    _seen: set[str] = field(default_factory=set)

    def read(self, name: str) -> bytes:
        """Return a member's bytes.

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
        """Compare the members that nobody has read with their checksums.

        Raises:
            zipfile.BadZipFile: one fails its checksum, or there are many of them.
        """
        rest = [name for name in self.zip.namelist() if name not in self._seen]
        if len(rest) > _MOST_UNUSED:
            raise zipfile.BadZipFile(f"it has {len(rest):,} members that it does not use")
        for name in rest:
            with self.zip.open(name) as member:
                while member.read(_BLOCK):
                    pass


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open a checkpoint file and check it; whatever fails while it is open is reported for it.

    Raises:
        CheckpointError: no such file, no regular file, unreadable, empty, no zip file, damaged, or
            any error of the code that reads the archive.
    """
    with _refusing(path), open_regular(path) as file:
        _check_file(file, path)
        with zipfile.ZipFile(file) as archive:
            found = Archive(archive, _check(archive, file, path))
            yield found
            found.check_rest()


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Broken files make readers raise some ten kinds of exception: here they become one."""
    try:
        yield
    except CheckpointError:
        raise
    except MemoryError as error:
        message = f"{path}: there is not enough memory to read it"
        raise MachineError(message, "close other programs, or use a larger machine") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{path}: no such file", _GIVE) from error
    except NotRegularError as error:
        raise CheckpointError(f"{path}: {error.strerror}", _GIVE) from error
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = " ".join(str(error)[:400].split())[:200] or type(error).__name__
        raise _refused(path, f"is damaged or not a checkpoint: {reason}") from error


def _check_file(file: BinaryIO, path: Path) -> None:
    """Refuse what cannot be read at a bounded cost."""
    about = os.fstat(file.fileno())
    if about.st_size == 0:
        raise _refused(path, "is empty")
    on_disk = getattr(about, "st_blocks", about.st_size) * 512
    if about.st_size > _SPARSE_BYTES and 0 < on_disk < about.st_size // _SPARSE_SHARE:
        raise _refused(path, "is not a checkpoint: most of the file was never written")
    if not zipfile.is_zipfile(file):
        raise _refused(path, "is not a checkpoint, or is truncated")
    if _directory_bytes(file) > _MOST_DIRECTORY:
        raise _refused(path, "is not a checkpoint: it has too many members")


def _directory_bytes(file: BinaryIO) -> int:
    """Return how long the archive's directory says it is, in either of the two end records."""
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
        raise _refused(path, "is damaged: there is data before or after the archive")
    roots = {name.partition("/")[0] for name in names if "/" in name}
    if len(roots) != 1 or f"{(root := roots.pop())}/data.pkl" not in names:
        raise _refused(path, "is a zip file, but not a checkpoint")
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
