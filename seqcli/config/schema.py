"""All keys of the configuration, derived from the dataclasses, and validation of their values."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real
from types import ModuleType
from typing import Any, cast, get_args, get_type_hints

from seqcli import registry
from seqcli.config import sections
from seqcli.config.limits import Duration, Limit, OneOf, Scalar
from seqcli.errors import UsageError

TASK = "task."  # the section of task options, which the task validates
# Names of keys in other toolkits; suggested in errors, never accepted.
ALSO_CALLED = {
    "learning_rate": "train.lr",
    "optimizer": "train.optimizer",
    "wd": "train.weight_decay",
    "model": "model.cell",
    "rnn_type": "model.cell",
    "clip": "train.grad_clip",
    "clip_value": "train.grad_clip_value",
    "max_grad_norm": "train.grad_clip",
    "time_limit": "train.budget",
    "steps_per_epoch": "train.epoch_steps",
}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Key:
    """One key: its dotted name, type, default, limit and meaning."""

    name: str
    kind: type
    default: Scalar
    limit: Limit | None
    doc: str

    @property
    def leaf(self) -> str:
        """The name without its section."""
        return self.name.partition(".")[2]

    @property
    def expected(self) -> str:
        """Description of the allowed values."""
        return _WORDS[self.kind] + ("" if self.limit is None else str(self.limit))


def section_types() -> dict[str, type[Any]]:
    """Return the sections with fixed keys, by name."""
    defaults = {f.name: f.default for f in dataclasses.fields(sections.Config)}
    return {name: type(one) for name, one in defaults.items() if dataclasses.is_dataclass(one)}


@cache
def keys() -> Mapping[str, Key]:
    """Return every key by its dotted name, in the order of definition."""
    docs = field_docs(sections)
    keys_by_name: dict[str, Key] = {}
    for section, cls in section_types().items():
        hints = get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            kind, *limit = get_args(hints[field.name]) or (hints[field.name],)
            name, default = f"{section}.{field.name}", cast(Scalar, field.default)
            doc = docs.get((cls.__name__, field.name), "")
            limits = limit[0] if limit else None
            keys_by_name[name] = Key(name, kind, default, limits, doc)
    return keys_by_name


def field_docs(module: ModuleType) -> dict[tuple[str, str], str]:
    """Return (class, field) -> the docstring below the field, for all classes of a module."""
    docs = {}
    for cls in ast.parse(inspect.getsource(module)).body:
        if isinstance(cls, ast.ClassDef):
            for field, below in zip(cls.body, cls.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    assert isinstance(field.target, ast.Name)
                    text = " ".join(str(ast.literal_eval(below.value)).split())
                    docs[cls.name, field.target.id] = text
    return docs


def nearest_key(name: str) -> str:
    """Return a hint for an unknown key: the correct section of its name, or a similar name."""
    leaf = name.rpartition(".")[2]
    same = [key.name for key in keys().values() if key.leaf == leaf]
    if not same and leaf in ALSO_CALLED:
        same = [ALSO_CALLED[leaf]]
    if not same:
        same = difflib.get_close_matches(name, keys(), n=1, cutoff=0.8)
    if not same:
        leaves = {key.leaf: key.name for key in keys().values()}
        same = [leaves[near] for near in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6)]
    if same:
        return f"did you mean {' or '.join(same)}?"
    section = name.partition(".")[0]
    if section in section_types():
        inside = [key.leaf for key in keys().values() if key.name.startswith(section + ".")]
        return f"{section} has " + ", ".join(inside)
    return "the sections are " + ", ".join((*section_types(), TASK[:-1]))


def _first(section: str) -> str:
    """Return the first key of a section."""
    return next((name for name in keys() if name.startswith(section + ".")), "task.length")


def find(name: str, where: str) -> Key:
    """Return the key called ``name``.

    Raises:
        UsageError: the key is unknown; the hint names the most similar one.
    """
    if name in section_types() or name == TASK[:-1]:
        message = f"{where}: {name} is a section and cannot have a value"
        raise UsageError(message, f"set one of its keys, such as {_first(name)}")
    if name not in keys():
        kind = "key" if "." in name else "section"
        raise UsageError(f"{where}: no configuration {kind} is called {name!r}", nearest_key(name))
    return keys()[name]


_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_MOST_DIGITS = 1000  # Python rejects more than 4300
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"[-+]?0[0-9]+")
_BOOL = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Plain(str):
    """Text as written without quotes, in YAML or after ``--set key=``.

    It is read by the type its key expects and not by YAML 1.1, in which ``1e-3`` is text, ``no``
    is false, ``012`` is 10 and ``5:20`` is 320.
    """

    __slots__ = ()


def _to_bool(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _BOOL.get(value.lower()) if isinstance(value, Plain) else None


def _to_int(value: object) -> int | None:
    if isinstance(value, Plain):
        whole = len(value) <= _MOST_DIGITS and _INT.fullmatch(value)
        return int(value) if whole else None
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None


def _to_float(value: object) -> float | None:
    number = None
    if isinstance(value, Plain):
        number = float(value) if _FLOAT.fullmatch(value) and not _OCTAL.fullmatch(value) else None
    elif isinstance(value, Real) and not isinstance(value, bool):
        number = float(value)
    return number if number is not None and math.isfinite(number) else None


def _to_str(value: object) -> str | None:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return str(value) if isinstance(value, str) and "\0" not in value else None


_READERS: Mapping[type, Callable[[object], Scalar | None]] = {
    bool: _to_bool,
    int: _to_int,
    float: _to_float,
    str: _to_str,
}


def read(key: Key, value: object, where: str) -> Scalar:
    """Return ``value`` converted to the type of ``key``; an integer is a valid float.

    Args:
        key: what the value is for.
        value: a Python value, or ``Plain`` text.
        where: location for error messages: ``file, line N``, ``--set`` or a flag.

    Raises:
        UsageError: the type is wrong, the number out of range or the name unknown.
    """
    if isinstance(key.limit, Duration) and isinstance(value, str):
        seconds = key.limit.seconds(value)
        value = value if seconds is None else seconds
    try:
        converted = _READERS[key.kind](value)
    except (ValueError, OverflowError):  # int() of thousands of digits, float() of a huge int
        converted = None
    if converted is None or (key.limit is not None and not key.limit.allows(converted)):
        raise _invalid_value(key, value, where)
    return converted


def _invalid_value(key: Key, value: object, where: str) -> UsageError:
    """Return the error for an invalid value, with its location and the allowed values."""
    flag = where.startswith("--") and where != "--set"
    subject = f"{where} ({key.name})" if flag else f"{where}: {key.name}"
    if value in (None, "") and not (isinstance(key.limit, OneOf) and value == ""):
        return UsageError(f"{subject} has no value; it must be {key.expected}")
    if isinstance(value, str) and isinstance(key.limit, OneOf):
        hint = registry.suggest(value, key.limit.names)
        return UsageError(f"{subject} cannot be {_shown(value)}", hint)
    hint = ""
    if isinstance(value, Plain) and _OCTAL.fullmatch(value):
        hint = f"some parsers read a leading 0 as octal; write {value.lstrip('+-0') or '0'}"
    elif isinstance(key.limit, Duration):
        hint = "m means minutes, h hours"
    elif isinstance(value, str) and not isinstance(value, Plain) and key.kind is not str:
        hint = "write it without quotes"
    return UsageError(f"{subject} must be {key.expected}, not {_shown(value)}", hint)


def _shown(value: object) -> str:
    text = str.__repr__(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_free(name: str, value: object, where: str) -> object:
    """Convert a value of the free ``task`` section; plain text follows the rules of YAML 1.2.

    Raises:
        UsageError: it is not a number, text, true or false, or a list of these.
    """
    if isinstance(value, list | tuple):
        return [_free_scalar(name, one, where) for one in value]
    return _free_scalar(name, value, where)


def _free_scalar(name: str, value: object, where: str) -> Scalar:
    if isinstance(value, Plain):
        return _infer_scalar(name, value, where)
    if isinstance(value, str):
        return value
    for reader in (_to_bool, _to_int, _to_float):
        converted = reader(value)
        if converted is not None:
            return converted
    expected = "a number, text, true or false, or a list of these"
    raise UsageError(f"{where}: {name} must be {expected}, not {_shown(value)}")


def stays_text(text: str) -> bool:
    """Return whether unquoted text stays text where any type is allowed."""
    try:
        return _infer_scalar("", Plain(text), "") == text
    except UsageError:
        return False


def _infer_scalar(name: str, text: Plain, where: str) -> Scalar:
    if _OCTAL.fullmatch(text):
        hint = f"write {text.lstrip('+-0') or '0'} for a number, or '{text}' for text"
        raise UsageError(f"{where}: {name} cannot be {text}: is it octal, decimal or text?", hint)
    if text in ("", "~", "null", "Null", "NULL"):
        raise UsageError(f"{where}: {name} has no value", "omit it to keep its default")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for reader in (_to_int, _to_float):
        converted = reader(text)
        if converted is not None:
            return converted
    return str(text)
