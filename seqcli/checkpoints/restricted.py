"""Reading the pickle inside a checkpoint without trusting it: nothing is ever imported or called.

A pickle is a little program. This reader knows the few opcodes and the handful of names that
``torch.save`` needs for a dict of tensors, and turns the names into things of its own; every other
opcode or name is refused before anything happens. Tensors are measured against the bytes that are
really there, so that a small file cannot claim a huge array.

Source of the format: torch/serialization.py and torch/_utils.py (``_rebuild_tensor_v2``).
"""

from __future__ import annotations

import functools
import io
import pickle
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.checkpoints.archive import Archive

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
_SCALARS = {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_TABLES = {"EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS", "BINUNICODE"}
_MACHINE = {"PROTO", "STOP", "MARK", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"}
_TENSORS = {"GLOBAL", "REDUCE", "BINPERSID"}
_OPCODES = _SCALARS | _TUPLES | _TABLES | _MACHINE | _TENSORS
_MOST_AXES = 32
_Order: TypeAlias = Literal["<", ">"]


@dataclass(frozen=True)
class Storage:
    """The bytes behind one or more tensors: member ``data/KEY``, ``count`` numbers of ``dtype``."""

    dtype: np.dtype[Any]
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor as the pickle tells of it, found to lie inside its storage; in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_Make: TypeAlias = Callable[[View], NDArray[Any]]


def read_arrays(archive: Archive) -> object:
    """Return what the pickle holds, tensors as NumPy arrays (views of one storage stay so).

    Raises:
        pickle.UnpicklingError: an opcode, a name or a tensor that no checkpoint holds.
    """
    order = _byte_order(archive)
    flat = functools.cache(lambda storage: _flat(archive, storage, order))

    @functools.cache  # tied weights stay one array
    def array(view: View) -> NDArray[Any]:
        numbers = flat(view.storage)[view.offset :]
        strides = tuple(stride * numbers.itemsize for stride in view.strides)
        return np.lib.stride_tricks.as_strided(numbers, view.shape, strides)

    program = archive.read("data.pkl")
    _check_opcodes(program)
    return _Reader(program, archive, array).load()


def _check_opcodes(program: bytes) -> None:
    for count, (opcode, argument, _) in enumerate(pickletools.genops(program)):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"its pickle uses {opcode.name}")
        # the memo is a table as long as its largest number: a lie there costs gigabytes
        if opcode.name.endswith("BINPUT") and int(argument or 0) > count:
            raise pickle.UnpicklingError("its pickle numbers its parts out of order")


class _Reader(pickle.Unpickler):
    """An unpickler whose every name is one of its own."""

    def __init__(
        self, program: bytes, archive: Archive, make: Callable[[View], NDArray[Any]]
    ) -> None:
        super().__init__(io.BytesIO(program))
        self.archive = archive
        self.make = make

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up in the table of known names, never among modules."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return _no_hooks
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no checkpoint holds")

    def persistent_load(self, pid: Any) -> Storage:
        """Return the storage a tensor stands on; the device it was on does not matter."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or not isinstance(key, str):
            raise pickle.UnpicklingError("it names a tensor's bytes in an unknown way")
        if _whole(count) * dtype.itemsize != self.archive.size(f"data/{key}"):
            raise pickle.UnpicklingError(f"data/{key} has not the size its tensor needs")
        return Storage(dtype, key, count)

    def rebuild(
        self, storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any
    ) -> NDArray[Any]:
        """Return a tensor: called by the pickle in place of torch's function of that name."""
        if not isinstance(storage, Storage) or len(rest) != 2 or type(rest[0]) is not bool:
            raise pickle.UnpicklingError("it describes a tensor in an unknown way")
        view = View(storage, _whole(offset), _wholes(shape), _wholes(strides))
        _check_bounds(view)
        return self.make(view)


def _no_hooks() -> dict[str, object]:
    """Stand in for the empty OrderedDict of hooks that torch writes with each tensor."""
    return {}


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise pickle.UnpicklingError("a size in it is not a whole number")
    return value


def _wholes(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > _MOST_AXES:
        raise pickle.UnpicklingError("a shape in it is not a tuple of whole numbers")
    return tuple(map(_whole, values))


def _check_bounds(view: View) -> None:
    """Refuse a tensor with more elements than its storage has, or that reaches past its end."""
    if len(view.shape) != len(view.strides):
        raise pickle.UnpicklingError("a tensor in it has more axes than strides")
    elements = _product(view.shape)
    steps = zip(view.shape, view.strides, strict=True)
    end = view.offset + sum((size - 1) * stride for size, stride in steps) + 1
    if elements and (elements > view.storage.count or end > view.storage.count):
        raise pickle.UnpicklingError(f"a tensor in it claims more than data/{view.storage.key} has")


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _byte_order(archive: Archive) -> _Order:
    name = archive.read("byteorder")
    if name not in (b"little", b"big"):
        raise pickle.UnpicklingError("its byte order is unknown")
    return "<" if name == b"little" else ">"


def _flat(archive: Archive, storage: Storage, order: _Order) -> NDArray[Any]:
    """Return a storage as an array (count,) in this machine's byte order, free to be written."""
    raw = np.frombuffer(archive.read(f"data/{storage.key}"), storage.dtype.newbyteorder(order))
    return raw.astype(storage.dtype)  # (count,)
