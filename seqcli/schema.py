"""Check data from a file against Python types; an error names the key and the expected type.

A schema is a type: ``str``, ``int`` (64 bits), ``float``, ``bool``, ``None``, ``Any``, unions,
``Literal``, ``list[X]``, ``tuple[X, ...]``, ``Mapping[str, X]``, ``TypedDict`` and dataclasses.
``Annotated[X, rule]`` adds a rule. `read` returns the value, with dataclasses constructed, or
raises `SchemaError` with the key and the expected type.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import reprlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

_MAX_DEPTH = 64  # nesting of plain data
_MAX_INT = 2**63  # the range of NumPy and PyTorch integers
_MAX_NAME_BYTES = 200  # length of a file or folder name
_MAX_QUOTED = 60  # characters of a quoted value


class SchemaError(ValueError):
    """A value does not match its schema; the message is one short line."""


@dataclass(frozen=True)
class Bounds:
    """A finite number from ``least`` to ``most``."""

    least: float = -math.inf
    most: float = math.inf

    def problem(self, value: Any) -> str:
        """Return the expected type; "" if the value matches."""
        fits = self.least <= value <= self.most and abs(value) != math.inf
        return "" if fits else self.description("a number")

    def description(self, kind: str) -> str:
        """Return a description of the range for messages; ``kind`` describes the type."""
        if math.isinf(self.most):
            return kind if math.isinf(self.least) else f"{kind} of at least {self.least:g}"
        return f"{kind} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Array:
    """A tensor or an array, with ``axes`` axes (None: any number) of a dtype in ``dtypes``."""

    dtypes: tuple[str, ...] = ()
    axes: int | None = None

    def problem(self, value: Any) -> str:
        """Return the expected type; "" if the value matches."""
        dtype = str(value.dtype).removeprefix("torch.") if is_array(value) else ""
        fits = dtype and (not self.dtypes or dtype in self.dtypes)
        fits = fits and self.axes in (None, len(value.shape))
        return "" if fits else self.description("")

    def description(self, kind: str) -> str:
        """Return a description for messages."""
        axes = "an array" if self.axes is None else f"an array with {self.axes} axes"
        return f"{axes} of {' or '.join(self.dtypes)}" if self.dtypes else axes


@dataclass(frozen=True)
class _Name:
    """The name of a file or folder: one component of a path."""

    def problem(self, value: Any) -> str:
        fits = (
            re.fullmatch(r"[\w+=@-][\w .+=@-]*", value) and len(value.encode()) <= _MAX_NAME_BYTES
        )
        return "" if fits else self.description("")

    def description(self, kind: str) -> str:
        return "a name of letters, digits and -_.+=@ (no path)"


@dataclass(frozen=True)
class _Plain:
    """JSON data: scalars, lists, and mappings with names as keys."""

    def problem(self, value: Any) -> str:
        return "" if _is_plain(value, 0) else self.description("")

    def description(self, kind: str) -> str:
        return "plain data (numbers, text, lists and mappings of names)"


@dataclass(frozen=True)
class Open:
    """Allow a ``TypedDict`` to have additional keys, with values of this kind."""

    kind: Any


Count = Annotated[int, Bounds(0)]
Number = int | float
Plain = Annotated[Any, _Plain()]
Name = Annotated[str, _Name()]
OPEN = Open(Plain)
_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    NoneType: "nothing",
    Any: "a value",
    object: "a value",
}


def read(kind: Any, value: object, where: str = "") -> Any:
    """Return ``value``, checked against ``kind``.

    Args:
        kind: the schema; see the module.
        value: the value from the file.
        where: the key of the value, for the message.

    Raises:
        SchemaError: the value does not match; the message has the key and the expected type.
    """
    if kind in _WORDS:
        return _scalar(kind, value, where)
    origin = get_origin(kind)
    if origin is Annotated:
        return _with_rules(kind, value, where)
    if origin in (Union, UnionType):
        return _one_of(kind, value, where)
    if origin is Literal:
        names = get_args(kind)
        _need(type(value) is str and value in names, kind, value, where)
        return value
    if origin in (list, tuple) or origin is Sequence:
        return _sequence(kind, value, where)
    if origin in (dict, Mapping):
        return _mapping(kind, value, where)
    if is_typeddict(kind) or dataclasses.is_dataclass(kind):
        return _record(kind, value, where, None)
    raise TypeError(f"{kind} is not supported as a schema")


def to_plain(record: object) -> Any:
    """Return dataclasses as mappings that `read` accepts; fields that are None are left out."""
    if isinstance(record, Mapping):
        return {key: to_plain(value) for key, value in record.items()}
    if not dataclasses.is_dataclass(record):
        return record
    values = ((one.name, getattr(record, one.name)) for one in dataclasses.fields(record))
    return {name: to_plain(value) for name, value in values if value is not None}


def parse_json(text: str) -> Any:
    """Parse a JSON document.

    Raises:
        SchemaError: the text is not JSON, is nested too deeply, or repeats a key.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except SchemaError:
        raise
    except ValueError as error:
        raise SchemaError(f"not valid JSON: {error}") from None


def quoted(value: object, most: int = _MAX_QUOTED) -> str:
    """Return a short ``repr`` of a value from a file, which may be of any size."""
    if isinstance(value, str):
        text = repr(value[: most + 1])
    elif isinstance(value, int) and value.bit_length() > 128:
        text = f"a whole number of {value.bit_length()} bits"
    elif is_array(value):
        text = f"an array of {value.dtype} with {len(value.shape)} axes"  # type: ignore[attr-defined]
    else:
        text = reprlib.repr(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def is_array(value: object) -> bool:
    """Return whether ``value`` is a tensor or an array, without importing a library."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__setitem__"))


def describe(kind: Any) -> str:
    """Return a description of a schema for messages."""
    if kind in _WORDS:
        return _WORDS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        rules = [rule for rule in arguments[1:] if not isinstance(rule, Open)]
        return (
            str(rules[-1].description(describe(arguments[0]))) if rules else describe(arguments[0])
        )
    if origin in (Union, UnionType):
        return " or ".join(map(describe, arguments))
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (list, tuple) or origin is Sequence:
        fixed = origin is tuple and arguments[-1] is not ...
        items = f"{len(arguments)} values" if fixed else "values"
        return f"a list of {items}"
    return "a mapping"


def _scalar(kind: Any, value: object, where: str) -> Any:
    if kind in (Any, object):
        return value
    if kind is float and type(value) is int:
        _need(abs(value) < 2**1000, kind, value, where)
        return float(value)
    _need(type(value) is kind, kind, value, where)
    _need(kind is not int or -_MAX_INT <= value < _MAX_INT, kind, value, where)  # type: ignore[operator]
    return value


def _with_rules(kind: Any, value: object, where: str) -> Any:
    base, *rules = get_args(kind)
    if isinstance(rules[0], Open):
        return _record(base, value, where, rules[0].kind)
    values = read(base, value, where)
    for rule in rules:
        _need(not rule.problem(values), kind, value, where)
    return values


def _one_of(kind: Any, value: object, where: str) -> Any:
    """Return the value as the first matching member of a union."""
    members = [one for one in get_args(kind) if one is not NoneType]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:  # its error is more specific
        return read(members[0], value, where)
    for member in members:
        try:
            return read(member, value, where)
        except SchemaError:
            continue
    raise _error(kind, value, where)


def _sequence(kind: Any, value: object, where: str) -> Any:
    _need(type(value) in (list, tuple), kind, value, where)
    assert isinstance(value, (list, tuple))
    items, make = get_args(kind), list if get_origin(kind) is list else tuple
    if make is tuple and items[-1] is not ...:
        _need(len(items) == len(value), kind, value, where)
        pairs = zip(items, value, strict=True)
        return tuple(read(one, item, f"{where}[{n}]") for n, (one, item) in enumerate(pairs))
    if items[0] in (str, bool) and all(type(item) is items[0] for item in value):
        return make(value)  # faster for vocabularies
    return make(read(items[0], item, f"{where}[{n}]") for n, item in enumerate(value))


def _mapping(kind: Any, value: object, where: str) -> dict[Any, Any]:
    _need(isinstance(value, Mapping), kind, value, where)
    assert isinstance(value, Mapping)
    key_kind, item_kind = get_args(kind)
    values = {}
    for key, item in value.items():
        place = _below(where, key)
        values[read(key_kind, key, f"the key {place}")] = read(item_kind, item, place)
    return values


def _record(kind: Any, value: object, where: str, others: Any) -> Any:
    """Return a ``TypedDict`` as a new dict, or a dataclass built from a mapping.

    ``others`` is the schema of additional keys; None allows none.
    """
    _need(isinstance(value, Mapping), kind, value, where)
    assert isinstance(value, Mapping)
    hints, required = _fields(kind)
    missing = [name for name in required if name not in value]
    if missing:
        raise SchemaError(f"{where or 'it'} has no key {missing[0]}")
    values = {}
    for key, item in value.items():
        if others is None and key not in hints:
            raise SchemaError(f"{where or 'it'} has an unknown key {quoted(key)}")
        _need(type(key) is str, str, key, f"a key of {where or 'it'}")
        values[key] = read(hints.get(key, others), item, _below(where, key))
    if not dataclasses.is_dataclass(kind):
        return values
    try:
        return kind(**values)  # type: ignore[operator]
    except ValueError as error:
        raise SchemaError(f"{where or 'it'}: {error}") from None


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the fields (name -> schema) of a record, and the required names."""
    hints = get_type_hints(kind, include_extras=True)
    if not dataclasses.is_dataclass(kind):
        return hints, tuple(name for name in hints if name in kind.__required_keys__)
    fields = [one for one in dataclasses.fields(kind) if one.init]
    missing = dataclasses.MISSING
    required = [one.name for one in fields if one.default is missing is one.default_factory]
    return {one.name: hints[one.name] for one in fields}, tuple(required)


def _is_plain(value: object, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, Mapping):
        keys = all(type(key) in (str, int) for key in value)
        return keys and all(_is_plain(item, depth + 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, depth + 1) for item in value)
    return value is None or type(value) in (str, int, float, bool)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise SchemaError(f"the key {quoted(twice)} is given twice")
    return values


def _below(where: str, key: object) -> str:
    name = (
        key if type(key) is str and key.isprintable() and len(key) <= _MAX_QUOTED else quoted(key)
    )
    return f"{where}.{name}" if where else str(name)


def _need(fits: object, kind: Any, value: object, where: str) -> None:
    if not fits:
        raise _error(kind, value, where)


def _error(kind: Any, value: object, where: str) -> SchemaError:
    subject = f"{where} must be" if where else "must be"
    return SchemaError(f"{subject} {describe(kind)}, not {quoted(value)}")
