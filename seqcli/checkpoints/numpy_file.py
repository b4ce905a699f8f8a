"""Read and write checkpoints without PyTorch; the files are the same as those of ``torch_file``.

Source of the layout: what ``torch.save`` writes (torch/serialization.py) - a zip of stored members
``data.pkl`` (a pickle, protocol 2), ``byteorder``, ``version`` and one ``data/KEY`` per array,
each beginning at a multiple of 64 bytes. Equal checkpoints produce equal files.
"""

from __future__ import annotations

import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from seqcli.checkpoints import restricted
from seqcli.checkpoints.archive import open_archive
from seqcli.checkpoints.content import Checkpoint, from_plain, to_plain
from seqcli.files.atomic import write_atomically

_STORAGE_OF = {dtype: name for name, dtype in restricted.STORAGES.items()}
_ROOT = "archive"
_ALIGNMENT = 64
_LOCAL_HEADER_BYTES = 30
_PADDING_ID = 0x4246  # the extra field that PyTorch uses for padding


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint with NumPy arrays, atomically.

    Raises:
        SeqcliError: the disk is full or broken; the old file is kept.
        UsageError: the path cannot be written.
        ValueError: a value could not be read back (a bug of the caller).
    """
    plain = to_plain(checkpoint)
    write_atomically(path, lambda file: write_plain(file, plain))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint with its tensors as NumPy arrays.

    Raises:
        CheckpointError: it is missing, damaged, malicious or not a checkpoint.
    """
    with open_archive(path) as archive:
        return from_plain(restricted.read_arrays(archive), path)


def write_plain(file: BinaryIO, plain: object) -> None:
    """Write nested plain data in the format that ``torch.load(weights_only=True)`` reads.

    Raises:
        ValueError: a value is not plain data, or a dtype is not supported by PyTorch.
    """
    pickle = _Pickle(plain)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "data.pkl", pickle.program)
        _add(archive, "byteorder", sys.byteorder.encode())
        for key, array in enumerate(pickle.arrays):
            _add(archive, f"data/{key}", array.tobytes())
        _add(archive, "version", b"3\n")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(f"{_ROOT}/{name}")  # the date is always 1980-01-01
    begins = archive.fp.tell() if archive.fp else 0
    unpadded = begins + _LOCAL_HEADER_BYTES + len(member.filename) + 4
    padding = -unpadded % _ALIGNMENT
    member.extra = struct.pack("<HH", _PADDING_ID, padding) + bytes(padding)
    archive.writestr(member, content)


class _Pickle:
    """The pickle of nested plain data (``program``) and the arrays that it refers to by number."""

    def __init__(self, plain: object) -> None:
        self.arrays: list[NDArray[Any]] = []
        self._keys: dict[int, int] = {}  # id of an array -> its number: tied weights stay tied
        self._out = bytearray(b"\x80\x02")  # PROTO 2
        self._put(plain)
        self._out += b"."
        self.program = bytes(self._out)

    def _put(self, value: object) -> None:
        if isinstance(value, dict):
            items = [part for pair in value.items() for part in pair]
            self._sequence(b"}(", items, b"u")
        elif isinstance(value, list):
            self._sequence(b"](", value, b"e")
        elif isinstance(value, tuple):
            self._sequence(b"(", value, b"t")
        elif isinstance(value, np.ndarray):
            self._array(value)
        else:
            self._out += _scalar(value)

    def _sequence(self, begin: bytes, items: Any, end: bytes) -> None:
        self._out += begin
        for item in items:
            self._put(item)
        self._out += end

    def _array(self, array: NDArray[Any]) -> None:
        """Emit ``_rebuild_tensor_v2(storage, offset, shape, strides, False, OrderedDict())``."""
        key = self._key(array)
        self._out += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        self._out += _scalar("storage") + b"ctorch\n%s\n" % _storage_name(array)
        self._out += _scalar(str(key)) + _scalar("cpu") + _scalar(array.size) + b"tQ"
        self._put(0)
        self._put(array.shape)
        self._put(_strides(array.shape))
        self._put(False)
        self._out += b"ccollections\nOrderedDict\n)RtR"

    def _key(self, array: NDArray[Any]) -> int:
        if id(array) not in self._keys:
            self._keys[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return self._keys[id(array)]


def _storage_name(array: NDArray[Any]) -> bytes:
    if array.dtype not in _STORAGE_OF:
        raise ValueError(f"a checkpoint cannot contain numbers of {array.dtype}")
    return _STORAGE_OF[array.dtype].encode()


def _strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides, in elements, of a C-ordered array of this shape."""
    strides = [1]
    for size in reversed(shape[1:]):
        strides.append(strides[-1] * max(size, 1))
    return tuple(reversed(strides)) if shape else ()


def _scalar(value: object) -> bytes:
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return struct.pack(">cd", b"G", value)
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        return struct.pack("<cI", b"X", len(text)) + text
    raise ValueError(f"a checkpoint cannot contain a {type(value).__name__}")


def _integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return struct.pack("<ci", b"J", value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return struct.pack("<cB", b"\x8a", len(raw)) + raw
