"""Read the pickle inside a checkpoint safely: nothing is ever imported or called.

`decoder` runs the program; this module defines its names. ``torch.save`` describes a tensor as a
view of a storage; only complete storages in C order are accepted, and seqcli writes no others.
Therefore the arrays of a file are never larger than the file itself.

Source of the format: torch/serialization.py and torch/_utils.py (``_rebuild_tensor_v2``).
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.checkpoints.archive import Archive
from seqcli.checkpoints.budget import MAX_PROGRAM, Budget
from seqcli.checkpoints.decoder import DecodeError, Decoder, Name

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
