"""Check data that was read from a file against Python types: one line names what is wrong.

A schema is a type: ``str``, ``int`` (64 bits), ``float``, ``bool``, ``None``, ``Any``, unions,
``Literal``, ``list[X]``, ``tuple[X, ...]``, ``Mapping[str, X]``, ``TypedDict`` and dataclasses.
``Annotated[X, rule]`` adds a rule. `read` returns the value, dataclasses built, or raises
`SchemaError` with the key and what was expected there.
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

_DEEPEST = 64  # levels of nesting of plain data
_LARGEST = 2**63  # of whole numbers: what NumPy and PyTorch can take
_LONGEST_NAME = 200  # bytes of the name of a file or folder
_SHOWN = 60  # characters of a quoted value


class SchemaError(ValueError):
    """A value that does not fit its schema; the message is one short line."""


@dataclass(frozen=True)
class Bounds:
    """A finite number from ``least`` to ``most``."""

    least: float = -math.inf
    most: float = math.inf

    def problem(self, value: Any) -> str:
        """Return what was expected; "" if the value fits."""
        fits = self.least <= value <= self.most and abs(value) != math.inf
        return "" if fits else self.wanted("a number")

    def wanted(self, kind: str) -> str:
        """Return the words for it, after the words for its type."""
        if math.isinf(self.most):
            return kind if math.isinf(self.least) else f"{kind} of at least {self.least:g}"
        return f"{kind} from {self.least:g} to {self.most:g}"


@dataclass(frozen=True)
class Array:
    """A tensor or an array, with ``axes`` axes (None: any number) of a dtype in ``dtypes``."""

    dtypes: tuple[str, ...] = ()
    axes: int | None = None

    def problem(self, value: Any) -> str:
        """Return what was expected; "" if the value fits."""
        dtype = str(value.dtype).removeprefix("torch.") if is_array(value) else ""
        fits = dtype and (not self.dtypes or dtype in self.dtypes)
        fits = fits and self.axes in (None, len(value.shape))
        return "" if fits else self.wanted("")

    def wanted(self, kind: str) -> str:
        """Return the words for it."""
        axes = "an array" if self.axes is None else f"an array with {self.axes} axes"
        return f"{axes} of {' or '.join(self.dtypes)}" if self.dtypes else axes


@dataclass(frozen=True)
class _Name:
    """The name of a file or folder: one part of a path, which leads nowhere else."""

    def problem(self, value: Any) -> str:
        fits = re.fullmatch(r"[\w+=@-][\w .+=@-]*", value) and len(value.encode()) <= _LONGEST_NAME
        return "" if fits else self.wanted("")

    def wanted(self, kind: str) -> str:
        return "a name of letters, digits and -_.+=@ (no path)"


@dataclass(frozen=True)
class _Plain:
    """Scalars, lists and mappings of names to such: what JSON can hold."""

    def problem(self, value: Any) -> str:
        return "" if _is_plain(value, 0) else self.wanted("")

    def wanted(self, kind: str) -> str:
        return "plain data (numbers, text, lists and mappings of names)"


@dataclass(frozen=True)
class Open:
    """A ``TypedDict`` that may hold other keys too, with values of some kind."""

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
        value: what was read.
        where: the key of the value, for the error.

    Raises:
        SchemaError: it does not fit; the message names the key and what was expected.
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
    raise TypeError(f"no schema is made of {kind}")


def parse_json(text: str) -> Any:
    """Return what a JSON document holds; no key may stand in a mapping twice.

    Raises:
        SchemaError: it is no JSON, is nested too deeply, or gives a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise SchemaError("nested too deeply") from None
    except SchemaError:
        raise
    except ValueError as error:
        raise SchemaError(f"not valid JSON: {error}") from None


def quoted(value: object, most: int = _SHOWN) -> str:
    """Return a short ``repr`` of a value from a file, whatever its size."""
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
    """Return whether ``value`` is a tensor or an array (neither library is imported)."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "__setitem__"))


def wanted(kind: Any) -> str:
    """Return in words what a schema expects."""
    if kind in _WORDS:
        return _WORDS[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        rules = [rule for rule in arguments[1:] if not isinstance(rule, Open)]
        return str(rules[-1].wanted(wanted(arguments[0]))) if rules else wanted(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(map(wanted, arguments))
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
    _need(kind is not int or -_LARGEST <= value < _LARGEST, kind, value, where)  # type: ignore[operator]
    return value


def _with_rules(kind: Any, value: object, where: str) -> Any:
    base, *rules = get_args(kind)
    if isinstance(rules[0], Open):
        return _record(base, value, where, rules[0].kind)
    found = read(base, value, where)
    for rule in rules:
        _need(not rule.problem(found), kind, value, where)
    return found


def _one_of(kind: Any, value: object, where: str) -> Any:
    """Return the value as the first member of a union that it fits."""
    members = [one for one in get_args(kind) if one is not NoneType]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:  # its own error says more
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
        return make(value)  # quicker, for vocabularies
    return make(read(items[0], item, f"{where}[{n}]") for n, item in enumerate(value))


def _mapping(kind: Any, value: object, where: str) -> dict[Any, Any]:
    _need(isinstance(value, Mapping), kind, value, where)
    assert isinstance(value, Mapping)
    key_kind, item_kind = get_args(kind)
    found = {}
    for key, item in value.items():
        place = _below(where, key)
        found[read(key_kind, key, f"the key {place}")] = read(item_kind, item, place)
    return found


def _record(kind: Any, value: object, where: str, others: Any) -> Any:
    """Return a ``TypedDict`` as a new dict, or the dataclass built of a mapping.

    ``others`` is the schema of keys that it does not name; None: there may be none.
    """
    _need(isinstance(value, Mapping), kind, value, where)
    assert isinstance(value, Mapping)
    hints, required = _fields(kind)
    missing = [name for name in required if name not in value]
    if missing:
        raise SchemaError(f"{where or 'it'} has no key {missing[0]}")
    found = {}
    for key, item in value.items():
        if others is None and key not in hints:
            raise SchemaError(f"{where or 'it'} has an unknown key {quoted(key)}")
        _need(type(key) is str, str, key, f"a key of {where or 'it'}")
        found[key] = read(hints.get(key, others), item, _below(where, key))
    if not dataclasses.is_dataclass(kind):
        return found
    try:
        return kind(**found)  # type: ignore[operator]
    except ValueError as error:
        raise SchemaError(f"{where or 'it'}: {error}") from None


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return name -> schema of a record, and the names that it must have."""
    hints = get_type_hints(kind, include_extras=True)
    if not dataclasses.is_dataclass(kind):
        return hints, tuple(name for name in hints if name in kind.__required_keys__)
    fields = [one for one in dataclasses.fields(kind) if one.init]
    missing = dataclasses.MISSING
    required = [one.name for one in fields if one.default is missing is one.default_factory]
    return {one.name: hints[one.name] for one in fields}, tuple(required)


def _is_plain(value: object, depth: int) -> bool:
    if depth > _DEEPEST:
        return False
    if isinstance(value, Mapping):
        keys = all(type(key) in (str, int) for key in value)
        return keys and all(_is_plain(item, depth + 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, depth + 1) for item in value)
    return value is None or type(value) in (str, int, float, bool)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise SchemaError(f"the key {quoted(twice)} is given twice")
    return found


def _below(where: str, key: object) -> str:
    name = key if type(key) is str and key.isprintable() and len(key) <= _SHOWN else quoted(key)
    return f"{where}.{name}" if where else str(name)


def _need(fits: object, kind: Any, value: object, where: str) -> None:
    if not fits:
        raise _error(kind, value, where)


def _error(kind: Any, value: object, where: str) -> SchemaError:
    subject = f"{where} must be" if where else "must be"
    return SchemaError(f"{subject} {wanted(kind)}, not {quoted(value)}")
