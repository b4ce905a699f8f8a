"""Check the arguments of the Python API as strictly as those of the command line."""

from __future__ import annotations

import inspect
import math
import os
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeAlias, TypeVar, get_type_hints

from seqcli.config.flags import FLAGS, Flags, description
from seqcli.config.limits import Range
from seqcli.config.schema import Key, keys, read
from seqcli.errors import UsageError
from seqcli.plugins import load_plugins
from seqcli.training.processes import refuse_several


def check_counts(**counts: int | None) -> None:
    """Refuse counts (``beam``, ``nbest``, ``batch_size`` ...) below 1; None is allowed.

    Raises:
        UsageError: a count is below 1; the message names it.
    """
    for name, count in counts.items():
        if count is None:
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            message = f"{name} must be a whole number of at least 1, not {count!r}"
            raise UsageError(message, f"give {name}=1 or more")


def check_length_penalty(power: float | None) -> None:
    """Refuse a length penalty below 0.

    Raises:
        UsageError: the penalty is negative or not finite.
    """
    if power is not None and not (math.isfinite(power) and power >= 0):
        message = f"length_penalty must be a number of at least 0, not {power!r}"
        raise UsageError(message, "give 0 to compare plain sums of log-probabilities, or 1")


P = ParamSpec("P")
Result = TypeVar("Result")
Check: TypeAlias = Callable[[str, Any], Any]


def checked(function: Callable[P, Result]) -> Callable[P, Result]:
    """Decorate a function to load plugins and check its arguments with `CHECKS`.

    Arguments that are None are not checked.

    Raises:
        UsageError: on a call with an invalid argument; the message names the argument.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        load_plugins()
        bound = signature.bind(*args, **kwargs)
        for name, value in bound.arguments.items():
            if value is not None and name in CHECKS:
                bound.arguments[name] = CHECKS[name](name, value)
        return function(*bound.args, **bound.kwargs)

    return call


def in_one_process(function: Callable[P, Result]) -> Callable[P, Result]:
    """Decorate a function that writes files or starts processes, which torchrun's cannot share.

    Functions that only read run in every process of torchrun, each for itself.

    Raises:
        UsageError: on a call, if torchrun has started several processes.
    """

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        hint = "torchrun is for train; call it in a program of its own"
        refuse_several(f"{function.__name__} runs in one", hint)
        return function(*args, **kwargs)

    return call


def with_flags(
    *also: Callable[..., Any], defaults: Mapping[str, Any] | None = None
) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Decorate a function with ``**flags`` to show them in its signature and its docstring.

    Args:
        also: functions whose parameters the function takes, too.
        defaults: dotted key -> default, where it differs from that of the configuration.
    """

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        named = _written(function)
        others = [p for one in also for p in _written(one)]
        every = {one.name: one for one in (*map(_parameter, FLAGS), *others, *named)}
        kept = sorted(every.values(), key=lambda one: (one.kind, one not in named))

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> Result:
            return function(*args, **kwargs)

        call.__signature__ = inspect.signature(function).replace(parameters=kept)  # type: ignore[attr-defined]
        taken = {one.name for one in named} | {p.name for one in also for p in _written(one)}
        described = {name: description(name, defaults) for name in FLAGS if name not in taken}
        call.__doc__ = _with_settings(inspect.getdoc(function) or "", described)
        return call

    return decorate


def _written(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters that a function names itself, without ``**flags``."""
    every = inspect.signature(inspect.unwrap(function)).parameters.values()
    return [one for one in every if one.kind is not one.VAR_KEYWORD]


def _parameter(flag: str) -> inspect.Parameter:
    """Return a flag as a parameter."""
    kind = get_type_hints(Flags)[flag]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(flag, keyword, default=None, annotation=kind)


def _with_settings(doc: str, flags: Mapping[str, str]) -> str:
    """Return a docstring with descriptions of flags after its other arguments."""
    wrap = partial(textwrap.fill, width=99, initial_indent=" " * 4, subsequent_indent=" " * 8)
    described = "\n".join(wrap(f"{name}: {text}") for name, text in flags.items())
    arguments, raises, rest = doc.partition("\n\nRaises:")
    return f"{arguments}\n\nSettings:\n{described}{raises}{rest}"


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Convert an argument to a tuple of texts; a single text becomes one item."""
    if isinstance(value, str):
        return (value,)
    _check_iterable(name, value, "a list of texts")
    return tuple(_lines(name, value))


def names(name: str, value: Any) -> tuple[str, ...]:
    """Convert an argument to a tuple of names; a single text is split at commas."""
    if isinstance(value, str):
        return tuple(filter(None, map(str.strip, value.split(","))))
    return texts(name, value)


def lines(name: str, value: Any) -> Iterator[str]:
    """Return an iterator over lines without their line ends; a single text is one line."""
    if isinstance(value, str):
        return iter((value,))
    hint = f"for the lines of a file: {name}=open(path, encoding='utf-8')"
    _check_iterable(name, value, "lines of text", hint)
    return _lines(name, value)


def path(name: str, value: Any) -> Path:
    """Convert an argument to a path; refuse an empty path and NUL characters."""
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise UsageError(f"{name} must be a path, not {_shown(value)}")
    if text == "" or "\0" in text:
        raise UsageError(f"{name} is not a file name: {_shown(text)}", "give a path")
    return Path(text)


def checkpoint(name: str, value: Any) -> Any:
    """Return the paths of checkpoints as a tuple, or an open model unchanged."""
    from seqcli.api.trained_model import TrainedModel

    if isinstance(value, TrainedModel):
        return value
    several = isinstance(value, list | tuple)
    return tuple(path(name, one) for one in (value if several else (value,)))


def number(key: Key) -> Check:
    """Return a check that a number is in the range of a configuration key."""

    def check(name: str, value: Any) -> Any:
        try:
            return read(key, value, name)
        except UsageError:
            message = f"{name} must be {key.expected}, not {_shown(value)}"
            raise UsageError(message, "give another number") from None

    return check


def _check_iterable(name: str, value: Any, expected: str, hint: str = "") -> None:
    refused = isinstance(value, bytes | bytearray | Mapping | os.PathLike)
    if refused or not isinstance(value, Iterable):
        raise UsageError(f"{name} must be {expected}, not {_shown(value)}", hint)


def _lines(name: str, value: Iterable[Any]) -> Iterator[str]:
    for number, one in enumerate(value, 1):
        if not isinstance(one, str):
            raise UsageError(f"{name}, item {number}: must be a text, not {_shown(one)}")
        yield one.removesuffix("\n").removesuffix("\r") if one.endswith("\n") else one


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _integer(least: int, most: int) -> Check:
    return number(Key("", int, least, Range(at_least=least, at_most=most), ""))


CHECKS: Mapping[str, Check] = {
    "ckpt": checkpoint,
    **dict.fromkeys(("out", "resume", "folder", "data", "path", "predictions"), path),
    "set": texts,
    "grid": texts,
    "cells": names,
    "track": names,
    "lines": lines,
    "seed": number(keys()["train.seed"]),
    "beam": number(keys()["decode.beam"]),
    "nbest": number(keys()["decode.beam"]),
    "length_penalty": number(keys()["decode.length_penalty"]),
    "batch_size": number(keys()["train.batch_size"]),
    "look_ahead": number(keys()["train.batch_size"]),
    "n": _integer(1, 10**9),
    "max_length": _integer(1, 10**6),
    "top_k": _integer(0, 10**9),
    "rows": _integer(1, 10**9),
    "seeds": _integer(1, 10**4),
    "jobs": _integer(0, 10**4),
}
