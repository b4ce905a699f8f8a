"""Read and write checkpoints without PyTorch; the files are the same as those of ``torch_file``.

Source of the layout: what ``torch.save`` writes (torch/serialization.py) - a zip of stored members
``data.pkl`` (a pickle, protocol 2), ``byteorder``, ``version`` and one ``data/KEY`` per array,
each beginning at a multiple of 64 bytes. Equal checkpoints produce equal files.

The pickle is read safely: nothing is ever imported or called. `decoder` runs the program; this
module defines its names. ``torch.save`` describes a tensor as a view of a storage; only complete
storages in C order are accepted, and seqcli writes no others. Therefore the arrays of a file are
never larger than the file itself (source: ``_rebuild_tensor_v2`` in torch/_utils.py).
"""

from __future__ import annotations

import contextlib
import gc
import math
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.checkpoints.archive import MAX_PROGRAM, Archive, Budget, open_archive
from seqcli.checkpoints.content import Checkpoint, from_plain, to_plain
from seqcli.checkpoints.decoder import DecodeError, Decoder, Name
from seqcli.files.atomic import write_atomically

STORAGES = {
    "FloatStorage": np.dtype(np.float32),
    "DoubleStorage": np.dtype(np.float64),
    "HalfStorage": np.dtype(np.float16),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}

_STORAGE_OF = {dtype: name for name, dtype in STORAGES.items()}
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
        return from_plain(read_arrays(archive), path)


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


_MOST_AXES = 32
_Order: TypeAlias = Literal["<", ">"]
_UNKNOWN_LAYOUT = "it describes a tensor in an unknown way"


@dataclass(frozen=True)
class Storage:
    """The data of one array: member ``data/KEY``, with ``count`` numbers of ``dtype``."""

    dtype: np.dtype[Any]
    key: str
    count: int


def read_arrays(archive: Archive) -> object:
    """Return the content of the pickle, with tensors as NumPy arrays.

    Raises:
        ValueError: it has an opcode, a name or a tensor that checkpoints cannot contain, or exceeds
            the budget.
    """
    if archive.size("data.pkl") > MAX_PROGRAM:
        raise DecodeError("its pickle is too long")
    budget = Budget(len(archive.zip.namelist()))
    tensors = _Tensors(archive, budget)
    with _without_garbage_collection():
        return Decoder(archive.read("data.pkl"), tensors.names(), tensors.storage, budget).run()


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection, which is slow for many objects; a tree has no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Tensors:
    """The values of names and persistent ids: arrays of the archive, each read once."""

    def __init__(self, archive: Archive, budget: Budget) -> None:
        self._archive, self._budget, self._order = archive, budget, _byte_order(archive)
        self._arrays: dict[str, tuple[Storage, NDArray[Any]]] = {}  # tied weights stay one array

    def names(self) -> Mapping[tuple[str, str], Name]:
        """Return the replacement of each name."""
        return {
            **{("torch", name): Name(dtype) for name, dtype in STORAGES.items()},
            ("torch._utils", "_rebuild_tensor_v2"): Name(call=self._rebuild),
            ("collections", "OrderedDict"): Name(call=_no_hooks, is_table=True),
        }

    def storage(self, pid: tuple[Any, ...]) -> Storage:
        """Return the storage of a persistent id; its original device is ignored."""
        if len(pid) != 5 or pid[0] != "storage":
            raise DecodeError("it names a tensor's bytes in an unknown way")
        _, dtype, key, _, count = pid
        if not isinstance(dtype, np.dtype) or not isinstance(key, str):
            raise DecodeError("it names a tensor's bytes in an unknown way")
        if _whole(count) * dtype.itemsize != self._archive.size(f"data/{key}"):
            raise DecodeError("a tensor in it is not as large as its bytes")
        return Storage(dtype, key, count)

    def _rebuild(self, arguments: tuple[Any, ...]) -> NDArray[Any]:
        """Return an array; replaces ``torch._utils._rebuild_tensor_v2`` in the pickle."""
        if len(arguments) != 6 or type(arguments[4]) is not bool:
            raise DecodeError(_UNKNOWN_LAYOUT)
        storage, offset, shape, strides, _, _ = arguments
        if not isinstance(storage, Storage):
            raise DecodeError(_UNKNOWN_LAYOUT)
        shape, strides = _wholes(shape), _wholes(strides)
        if _whole(offset) or not _fills(storage, shape, strides):
            raise DecodeError("a tensor in it does not use all of its bytes, in order")
        self._budget.take_array()
        return self._array(storage, shape)

    def _array(self, storage: Storage, shape: tuple[int, ...]) -> NDArray[Any]:
        if storage.key not in self._arrays:
            numbers = _flat(self._archive, storage, self._order).reshape(shape)
            self._arrays[storage.key] = storage, numbers
        known, array = self._arrays[storage.key]
        if known != storage or array.shape != shape:
            raise DecodeError("two tensors in it share their bytes")
        return array


def _no_hooks(arguments: tuple[Any, ...]) -> dict[str, object]:
    """Replace the empty OrderedDict of hooks that PyTorch writes with each tensor."""
    if arguments:
        raise DecodeError(_UNKNOWN_LAYOUT)
    return {}


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise DecodeError("a size in it is not a whole number")
    return value


def _wholes(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > _MOST_AXES:
        raise DecodeError("a shape in it is not a tuple of whole numbers")
    return tuple(map(_whole, values))


def _fills(storage: Storage, shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Return whether a tensor covers its entire storage, in C order."""
    if len(shape) != len(strides) or math.prod(shape) != storage.count:
        return False
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if storage.count and size > 1 and stride != expected:
            return False
        expected *= size
    return True


def _byte_order(archive: Archive) -> _Order:
    name = archive.read("byteorder")
    if name not in (b"little", b"big"):
        raise DecodeError("its byte order is unknown")
    return "<" if name == b"little" else ">"


def _flat(archive: Archive, storage: Storage, order: _Order) -> NDArray[Any]:
    """Return a storage as an array (count,) in native byte order, writable."""
    raw = np.frombuffer(archive.read(f"data/{storage.key}"), storage.dtype.newbyteorder(order))
    return raw.astype(storage.dtype)  # (count,)
