"""Shell completion: names, comma lists, settings, presets, suites and runs."""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TypeAlias

from seqcli.config.examples import PRESET, examples, suite_names
from seqcli.config.limits import OneOf
from seqcli.config.schema import Key, keys

Complete: TypeAlias = Callable[[str], list[str]]
VARIABLE = "_SEQCLI_COMPLETE"  # of Click: names the shell and what to do


def names(known: Callable[[], Iterable[str]]) -> Complete:
    """Return a completion function for the names available when it is called."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known() if name.startswith(incomplete)]

    return complete


def comma_list(known: Callable[[], Iterable[str]]) -> Complete:
    """Return a completion function for a list of names, which are not repeated."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        left = [name for name in known() if name not in before.split(",")]
        return [f"{before}{comma}{name}" for name in left if name.startswith(last)]

    return complete


def settings(incomplete: str) -> list[str]:
    """Complete ``KEY=VALUE``: the key, then the names of its values or its default.

    Several candidates are given for a complete key, after which the shell adds no space.
    """
    key, equals, _ = incomplete.partition("=")
    found = [one for name, one in keys().items() if name.startswith(key)]
    if equals:
        found = [one for one in found if one.name == key]
    if len(found) != 1:
        return [f"{one.name}=" for one in found]
    (one,) = found
    texts = [f"{one.name}={value}" for value in ("", *_values(one))]
    return [text for text in texts if text.startswith(incomplete)]


def _values(key: Key) -> list[str]:
    if isinstance(key.limit, OneOf):
        return [name for name in key.limit.names if name]
    if key.kind is bool:
        return ["true", "false"]
    return [str(key.default)] if key.default != "" else []


def presets(incomplete: str) -> list[str]:
    """Complete the name of a preset for ``--config``; the shell completes files."""
    return names(lambda: [one.name for one in examples() if one.kind == PRESET])(incomplete)


def suites(incomplete: str) -> list[str]:
    """Complete the name of a suite; the shell completes files."""
    return names(suite_names)(incomplete)


def runs(incomplete: str) -> list[str]:
    """Complete a run: the run folders and ``.pt`` files here and in ``runs``, newest first."""
    from seqcli.runs.folders import runs_near

    files = sorted(one for one in Path().glob("*.pt") if one.is_file())
    found = [*map(str, runs_near()), *map(str, files)]
    return [one for one in found if one.startswith(incomplete)]


@contextmanager
def whole_words() -> Iterator[None]:
    """Let bash complete ``KEY=VALUE`` although it cuts words at ``=``.

    The three words are joined for the completion; what bash has cut off is removed from its output.
    """
    if os.environ.get(VARIABLE) != "complete_bash":
        yield
        return
    words = shlex.split(os.environ.get("COMP_WORDS", ""))[
        : int(os.environ.get("COMP_CWORD", 0)) + 1
    ]
    if os.environ.get("COMP_CWORD") == str(len(words)) or words[-1:] == ["="]:
        words.append("")  # nothing is typed yet
    if len(words) < 3 or words[-2] != "=":
        yield
        return
    *before, key, _, value = words
    os.environ["COMP_WORDS"] = shlex.join([*before, f"{key}={value}"])
    os.environ["COMP_CWORD"] = str(len(before))
    written = io.StringIO()
    try:
        with redirect_stdout(written):
            yield
    finally:
        for line in written.getvalue().splitlines():
            print(line.removeprefix(f"{key}="))
