"""Files of names: one text per line, for language models."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seqcli.errors import DataError

LONGEST = 1000  # characters of a line: one of 100,000 would cost more than all others together
_LISTED = 10  # line numbers that a note names
_TAB, _LINE_END = b"\t\n"


@dataclass(frozen=True)
class Names:
    """The lines of a file that are names, and one note for each reason why others are not."""

    lines: list[str]
    notes: tuple[str, ...] = ()


def is_names(raw: bytes) -> bool:
    """Say whether a file holds names (no tab in it) rather than tab-separated pairs."""
    return _TAB not in raw


def parse_names(raw: bytes, path: Path) -> Names:
    """Read one name per line, UTF-8 with or without a byte-order mark, LF or CRLF.

    Lines end at LF only. White space around a name is left off. Blank lines, and lines that cannot
    be names, are left out and named in the notes: each line is kept or counted there.

    Raises:
        DataError: the file has tabs (it is not one column), or most of it is not text.
    """
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not is_names(raw):
        number = raw.count(b"\n", 0, raw.index(b"\t")) + 1
        message = f"{path}, line {number}: has a tab, but names are one column"
        raise DataError(message, "give one name per line and no tabs")
    rows = raw.split(b"\n")
    rows = rows if rows[-1] else rows[:-1]  # what comes after the last LF
    names, problems = [], [_problem(row) for row in rows]
    for row, problem in zip(rows, problems, strict=True):
        if not problem:
            names.append(row.decode("utf-8").strip())
    _check(problems, len(names), path)
    return Names(names, _notes(problems, path))


def _problem(row: bytes) -> str:
    """Return why a line is no name, or nothing."""
    if b"\0" in row:
        return "a NUL character"
    try:
        text = row.decode("utf-8").strip()
    except UnicodeDecodeError:
        return "not valid UTF-8"
    if not text:
        return "blank"
    return f"longer than {LONGEST:,} characters" if len(text) > LONGEST else ""


def _check(problems: Sequence[str], kept: int, path: Path) -> None:
    """Raise DataError if there is no name, or fewer than lines that are not even text."""
    bad = [i for i, problem in enumerate(problems) if problem and problem != "blank"]
    if bad and len(bad) > kept:
        more = f" (and {len(bad) - 1:,} more such lines)" if len(bad) > 1 else ""
        message = f"{path}, line {bad[0] + 1}: {problems[bad[0]]}{more}"
        raise DataError(message, "is this a text file of names? save it as UTF-8, one per line")
    if not kept:
        raise DataError(f"{path} is empty", "give one name per line")


def _notes(problems: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return one note a kind of problem: how many lines have it, and which."""
    found: dict[str, list[int]] = {}
    for number, problem in enumerate(problems, 1):
        if problem:
            found.setdefault(problem, []).append(number)
    return tuple(_note(problem, numbers, path) for problem, numbers in found.items())


def _note(problem: str, numbers: Sequence[int], path: Path) -> str:
    listed = ", ".join(map(str, numbers[:_LISTED]))
    listed += f" and {len(numbers) - _LISTED:,} more" if len(numbers) > _LISTED else ""
    lines = f"line {listed} is" if len(numbers) == 1 else f"lines {listed} are"
    return f"{path}: {lines} left out ({len(numbers):,} in all): {problem}"
