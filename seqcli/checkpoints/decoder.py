"""Decode the pickle inside a checkpoint: a stack machine that never imports or calls anything.

A pickle is a small program. The decoder supports the opcodes that a tree of plain data and tensors
needs, and charges a `Budget` for every object before it is created. It refuses everything else:

- names that are not in the caller's table, which maps names to values of the caller;
- keys of tables that are neither text nor 64-bit whole numbers, and duplicate keys;
- a list or a table used in two places, so that the result is a tree: without cycles, and not
  larger than the program that describes it.

Nothing here recurses, and the depth of each value is known when it is put into another.

Source of the format: Python's ``pickletools``, which describes every opcode.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from seqcli.checkpoints.archive import DEEPEST, MAX_INT_BITS, MAX_PROGRAM, Budget

_KEY_LIMIT = 2**63
_ITEM_BYTES, _ENTRY_BYTES = 8, 104  # cost of a list item, and of a dictionary entry
_CALL_BYTES = 128  # size of a call's result: an array without its data, or an empty dict
_MARKS = DEEPEST + 4  # a tensor needs some as well

Call: TypeAlias = Callable[[tuple[Any, ...]], object]


class DecodeError(ValueError):
    """The program cannot be part of a checkpoint."""


@dataclass(frozen=True)
class Name:
    """A name in a program: ``value`` replaces it, and ``call`` replaces a call of it."""

    value: object = None
    call: Call | None = None
    is_table: bool = False  # whether the call returns a table


@dataclass(frozen=True)
class Reference:
    """The value of a persistent id; it may only be an argument of a call."""

    value: object


class _Arguments(tuple[Any, ...]):
    """A tuple that contains a name or a reference; it may only be the arguments of a call."""


_NOT_DATA = {Name, Reference, _Arguments}
_CONTAINERS = {list, dict}


class Decoder:
    """Run one program.

    Args:
        program: the pickle.
        names: (module, name) -> its replacement.
        refer: returns the value for the tuple of a persistent id.
        budget: charged for every value.
    """

    def __init__(
        self,
        program: bytes,
        names: Mapping[tuple[str, str], Name],
        refer: Call,
        budget: Budget,
    ) -> None:
        if len(program) > MAX_PROGRAM:
            raise DecodeError("its pickle is too long")
        self._program, self._at = program, 0
        self._names, self._refer, self._budget = names, refer, budget
        self._stack: list[Any] = []
        self._depths: list[int] = []  # of the values on the stack
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> object:
        """Return the value that the program describes.

        Raises:
            DecodeError: the program cannot be part of a checkpoint.
            ValueError: the budget is exceeded.
        """
        program = self._program
        for _ in range(len(program)):
            if self._at >= len(program):
                break
            code = program[self._at]
            self._at += 1
            if code == _STOP:
                return self._result()
            step = _STEPS.get(code)
            if step is None:
                raise DecodeError(f"its pickle uses the opcode {code:#04x}")
            step(self)
        raise DecodeError("its pickle has no end")

    def _result(self) -> object:
        if len(self._stack) != 1 or self._marks or type(self._stack[0]) in _NOT_DATA:
            raise DecodeError("its pickle leaves no value")
        return self._stack[0]

    # -- the program ---------------------------------------------------------------------------

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._program):
            raise DecodeError("its pickle is truncated")
        raw = self._program[self._at : end]
        self._at = end
        return raw

    def _number(self, layout: struct.Struct) -> Any:
        (number,) = layout.unpack(self._take(layout.size))
        return number

    def _line(self) -> str:
        end = self._program.find(b"\n", self._at, self._at + 200)
        if end < 0:
            raise DecodeError("its pickle is truncated")
        line = self._program[self._at : end]
        self._at = end + 1
        return line.decode("ascii", "backslashreplace")

    # -- the stack -----------------------------------------------------------------------------

    def _push(self, value: object, depth: int = 0, size: int | None = None) -> None:
        self._budget.take(sys.getsizeof(value) if size is None else size)
        self._stack.append(value)
        self._depths.append(depth)

    def _pop(self) -> tuple[Any, int]:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise DecodeError("its pickle takes a value that is not there")
        return self._stack.pop(), self._depths.pop()

    def _pop_to_mark(self) -> tuple[list[Any], int]:
        """Return the values above the last mark, and the maximum depth among them."""
        if not self._marks:
            raise DecodeError("its pickle takes values that are not there")
        mark = self._marks.pop()
        items, depth = self._stack[mark:], max(self._depths[mark:], default=0)
        del self._stack[mark:], self._depths[mark:]
        return items, depth

    def _top(self, kind: type) -> Any:
        """Return the value on top, which must have this type."""
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise DecodeError("its pickle changes a value that is not there")
        if type(self._stack[-1]) is not kind:
            raise DecodeError(f"its pickle changes a value that is not a {kind.__name__}")
        return self._stack[-1]

    # -- scalars -------------------------------------------------------------------------------

    def _protocol(self) -> None:
        self._take(1)

    def _text(self) -> None:
        begin = self._at + 4
        end = begin + int.from_bytes(self._program[self._at : begin], "little")
        if end > len(self._program):
            raise DecodeError("its pickle is truncated")
        self._at = end
        self._push(str(self._program[begin:end], "utf-8", "surrogatepass"))

    def _long(self) -> None:
        number = int.from_bytes(self._take(self._number(_BYTE)), "little", signed=True)
        if number.bit_length() > MAX_INT_BITS:
            raise DecodeError("it has a number that is too large")
        self._push(number)

    # -- tuples, lists and tables --------------------------------------------------------------

    def _mark(self) -> None:
        self._marks.append(len(self._stack))
        if len(self._marks) > _MARKS:
            raise DecodeError("it is nested too deeply")

    def _make_tuple(self, items: list[Any], depth: int) -> None:
        kinds = set(map(type, items))
        if _Arguments in kinds:
            raise DecodeError("it describes a tensor in an unknown way")
        made = tuple(items) if kinds.isdisjoint(_NOT_DATA) else _Arguments(items)
        self._push(made, self._deeper(depth))

    def _short_tuple(self, size: int) -> None:
        popped = [self._pop() for _ in range(size)][::-1]
        self._make_tuple([value for value, _ in popped], max(depth for _, depth in popped))

    def _extend(self, items: list[Any], depth: int) -> None:
        self._check_data(items)
        self._budget.charge(_ITEM_BYTES * len(items))
        self._top(list).extend(items)
        self._depths[-1] = max(self._depths[-1], self._deeper(depth))

    def _append(self) -> None:
        value, depth = self._pop()
        self._extend([value], depth)

    def _update(self, items: list[Any], depth: int) -> None:
        self._check_data(items)
        self._budget.charge(_ENTRY_BYTES * len(items) // 2)
        table, keys = self._top(dict), items[0::2]
        if len(items) % 2 or not all(map(_is_key, keys)):
            raise DecodeError("a table in it has a key that is neither text nor a whole number")
        before = len(table)
        table.update(zip(keys, items[1::2], strict=True))
        if len(table) != before + len(keys):
            raise DecodeError("a table in it has a duplicate key")
        self._depths[-1] = max(self._depths[-1], self._deeper(depth))

    def _set_item(self) -> None:
        (value, depth), (key, _) = self._pop(), self._pop()
        self._update([key, value], depth)

    @staticmethod
    def _deeper(depth: int) -> int:
        if depth >= DEEPEST:
            raise DecodeError("it is nested too deeply")
        return depth + 1

    @staticmethod
    def _check_data(items: Iterable[object]) -> None:
        if not _NOT_DATA.isdisjoint(map(type, items)):
            raise DecodeError("it has a value of a type that checkpoints cannot contain")

    # -- the memo ------------------------------------------------------------------------------

    def _put(self, key: int) -> None:
        if not self._stack:
            raise DecodeError("its pickle keeps a value that is not there")
        self._budget.keep(_ENTRY_BYTES)
        self._memo[key] = self._stack[-1]

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise DecodeError("its pickle refers to a value that does not exist")
        value = self._memo[key]
        if type(value) in _CONTAINERS or (type(value) is tuple and not _is_flat(value)):
            raise DecodeError("it uses one list or table in two places")
        self._push(value, int(type(value) is tuple), 0)

    # -- names and calls -----------------------------------------------------------------------

    def _name(self) -> None:
        module, name = self._line(), self._line()
        if (module, name) not in self._names:
            raise DecodeError(f"it refers to {module}.{name}, which checkpoints cannot contain")
        self._push(self._names[module, name])

    def _call(self) -> None:
        (arguments, _), (name, _) = self._pop(), self._pop()
        if type(name) is not Name or name.call is None or not isinstance(arguments, tuple):
            raise DecodeError("it makes a call that checkpoints cannot contain")
        self._push(name.call(tuple(map(_value_of, arguments))), int(name.is_table), _CALL_BYTES)

    def _reference(self) -> None:
        pid, _ = self._pop()
        if not isinstance(pid, tuple):
            raise DecodeError("it refers to bytes in an unknown way")
        self._push(Reference(self._refer(tuple(map(_value_of, pid)))))


def _value_of(argument: object) -> object:
    return argument.value if isinstance(argument, (Name, Reference)) else argument


def _is_key(key: object) -> bool:
    """Return whether a key is text or a 64-bit whole number (others could be made to collide)."""
    return type(key) is str or (type(key) is int and -_KEY_LIMIT <= key < _KEY_LIMIT)


def _is_flat(value: tuple[Any, ...]) -> bool:
    return len(value) <= DEEPEST and all(type(item) in (int, str, float) for item in value)


_BYTE, _SHORT = struct.Struct("<B"), struct.Struct("<H")
_INT, _UINT, _FLOAT = struct.Struct("<i"), struct.Struct("<I"), struct.Struct(">d")
_STOP = ord(".")
_STEPS: Mapping[int, Callable[[Decoder], None]] = {
    0x80: Decoder._protocol,
    ord("N"): lambda it: it._push(None),
    0x88: lambda it: it._push(True),
    0x89: lambda it: it._push(False),
    ord("J"): lambda it: it._push(it._number(_INT)),
    ord("K"): lambda it: it._push(it._number(_BYTE)),
    ord("M"): lambda it: it._push(it._number(_SHORT)),
    0x8A: Decoder._long,
    ord("G"): lambda it: it._push(it._number(_FLOAT)),
    ord("X"): Decoder._text,
    ord("("): Decoder._mark,
    ord(")"): lambda it: it._push((), 1),
    ord("t"): lambda it: it._make_tuple(*it._pop_to_mark()),
    0x85: lambda it: it._short_tuple(1),
    0x86: lambda it: it._short_tuple(2),
    0x87: lambda it: it._short_tuple(3),
    ord("]"): lambda it: it._push([], 1),
    ord("a"): Decoder._append,
    ord("e"): lambda it: it._extend(*it._pop_to_mark()),
    ord("}"): lambda it: it._push({}, 1),
    ord("s"): Decoder._set_item,
    ord("u"): lambda it: it._update(*it._pop_to_mark()),
    ord("q"): lambda it: it._put(it._number(_BYTE)),
    ord("r"): lambda it: it._put(it._number(_UINT)),
    ord("h"): lambda it: it._get(it._number(_BYTE)),
    ord("j"): lambda it: it._get(it._number(_UINT)),
    ord("c"): Decoder._name,
    ord("R"): Decoder._call,
    ord("Q"): Decoder._reference,
}
