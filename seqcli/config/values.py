"""From what was written to a value of the right type, or a refusal that says what was wanted."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real

from seqcli import registry
from seqcli.config.limits import OneOf, Scalar
from seqcli.config.schema import Key
from seqcli.errors import UsageError

_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_MOST_DIGITS = 1000  # Python itself refuses more than 4300
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
    """Return ``value`` as ``key`` wants it; a whole number will do for a float.

    Args:
        key: what the value is for.
        value: a Python value, or ``Plain`` text.
        where: names the place in the error: ``file, line N``, ``--set`` or a flag.

    Raises:
        UsageError: the type is wrong, the number out of range or the name unknown.
    """
    try:
        found = _READERS[key.kind](value)
    except (ValueError, OverflowError):  # int() of thousands of digits, float() of a huge int
        found = None
    if found is None or (key.limit is not None and not key.limit.allows(found)):
        raise _refusal(key, value, where)
    return found


def _refusal(key: Key, value: object, where: str) -> UsageError:
    """Say which key, where, what was wanted and what came."""
    flag = where.startswith("--") and where != "--set"
    subject = f"{where} ({key.name})" if flag else f"{where}: {key.name}"
    if value in (None, "") and not (isinstance(key.limit, OneOf) and value == ""):
        return UsageError(f"{subject} has no value; it must be {key.wanted}")
    if isinstance(value, str) and isinstance(key.limit, OneOf):
        hint = registry.suggest(value, key.limit.names)
        return UsageError(f"{subject} cannot be {_shown(value)}", hint)
    hint = ""
    if isinstance(value, Plain) and _OCTAL.fullmatch(value):
        hint = f"a leading 0 means octal to some readers; write {value.lstrip('+-0') or '0'}"
    elif isinstance(value, str) and not isinstance(value, Plain) and key.kind is not str:
        hint = "write it without quotes"
    return UsageError(f"{subject} must be {key.wanted}, not {_shown(value)}", hint)


def _shown(value: object) -> str:
    text = str.__repr__(value) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read_free(name: str, value: object, where: str) -> object:
    """Return a value of the free ``task`` section: plain text is read as YAML 1.2 reads it.

    Raises:
        UsageError: it is neither a number, text, true or false, nor a list of such.
    """
    if isinstance(value, list | tuple):
        return [_free_scalar(name, one, where) for one in value]
    return _free_scalar(name, value, where)


def _free_scalar(name: str, value: object, where: str) -> Scalar:
    if isinstance(value, Plain):
        return _guess(name, value, where)
    if isinstance(value, str):
        return value
    for reader in (_to_bool, _to_int, _to_float):
        found = reader(value)
        if found is not None:
            return found
    wanted = "a number, text, true or false, or a list of such"
    raise UsageError(f"{where}: {name} must be {wanted}, not {_shown(value)}")


def stays_text(text: str) -> bool:
    """Whether text without quotes is read as that very text where any type is allowed."""
    try:
        return _guess("", Plain(text), "") == text
    except UsageError:
        return False


def _guess(name: str, text: Plain, where: str) -> Scalar:
    if _OCTAL.fullmatch(text):
        hint = f"write {text.lstrip('+-0') or '0'} for a number, or '{text}' for text"
        raise UsageError(f"{where}: {name} cannot be {text}: is it octal, decimal or text?", hint)
    if text in ("", "~", "null", "Null", "NULL"):
        raise UsageError(f"{where}: {name} has no value", "leave it out to keep its default")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for reader in (_to_int, _to_float):
        found = reader(text)
        if found is not None:
            return found
    return str(text)
