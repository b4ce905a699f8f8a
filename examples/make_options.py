"""Write the reference of options from the program itself: ``python examples/make_options.py``.

The guide ``guides/options.md`` has text written by hand, and generated parts between the lines
``<!-- begin NAME -->`` and ``<!-- end NAME -->``, which this script replaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from seqcli import errors
from seqcli.cli import app
from seqcli.config import FLAGS, keys
from seqcli.config.examples import DATA, examples
from seqcli.config.flags import spelt
from seqcli.config.limits import OneOf
from seqcli.config.schema import Key, section_types

PAGE = Path(__file__).parent / "guides" / "options.md"
COMMANDS: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
LARGE = 10**9  # a maximum that no user needs to know
_CODE = re.compile(r"^([\d, ]+?) {2,}(.+)$", re.MULTILINE)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield _row(header)
    yield _row(["---"] * len(header))
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Return a text as the cell of a Markdown table, on one line and escaped."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("``", "`")


def commands() -> Iterator[str]:
    """Yield the table of commands."""
    rows = (
        [f"`seqcli {name}`", command.help.partition("\n")[0]] for name, command in COMMANDS.items()
    )
    yield from table(("command", "what it does"), rows)


def settings() -> Iterator[str]:
    """Yield a table of keys for each section of the configuration."""
    options = {key: spelt(flag) for flag, key in FLAGS.items()}
    for section in section_types():
        some = [key for key in keys().values() if key.name.startswith(f"{section}.")]
        rows = [
            [f"`{key.name}`", _code(options.get(key.name, "")), _default(key), meaning(key)]
            for key in some
        ]
        yield from ("", f"### {section}", "")
        yield from table(("key", "option of train", "default", "meaning"), rows)


def meaning(key: Key) -> str:
    """Return the description of a key with its values."""
    if isinstance(key.limit, OneOf):
        values = ", ".join(f"`{name}`" for name in key.limit.names)
        return f"{key.doc} Values: {values}."
    if key.limit is None:
        return key.doc
    most = key.limit.at_most
    limit = replace(key.limit, at_most=None) if most and most >= LARGE else key.limit
    return f"{key.doc} {replace(key, limit=limit).expected.capitalize()}."


def _default(key: Key) -> str:
    if isinstance(key.default, bool):
        return _code(str(key.default).lower())
    return _code(f"{key.default:g}" if isinstance(key.default, float) else str(key.default))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def other_options() -> Iterator[str]:
    """Yield a table for each command, of the options that are not keys of the configuration."""
    flags = {spelt(flag) for flag in FLAGS}
    for name, command in COMMANDS.items():
        rows = [
            [_code(_spelling(param)), Text.from_markup(param.help or "").plain]
            for param in command.params
            if name not in ("train", "compare") or not flags & set(param.opts)
        ]
        yield from ("", f"### seqcli {name}", "")
        yield from table(("option", "meaning"), rows)


def _spelling(param: Any) -> str:
    """Return the options of a parameter with its metavar, or the metavar of an argument."""
    names = [name for name in param.opts if name.startswith("-")]
    value = "" if getattr(param, "is_flag", False) else param.metavar or ""
    return f"{', '.join(names)} {value}".strip()


def presets() -> Iterator[str]:
    """Yield the table of presets and suites."""
    rows = (
        [f"[{one.name}](../{one.path.name})", one.kind, f"{one.about}."]
        for one in examples()
        if one.kind != DATA
    )
    yield from table(("name", "kind", "what it shows"), rows)


def exit_codes() -> Iterator[str]:
    """Yield the table of exit codes, which is in the docstring of `seqcli.errors`."""
    yield from table(("code", "meaning"), _CODE.findall(errors.__doc__ or ""))


PARTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "commands": commands,
    "settings": settings,
    "options": other_options,
    "presets": presets,
    "exit codes": exit_codes,
}


def page(text: str) -> str:
    """Return the page with its generated parts replaced."""
    for name, part in PARTS.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"{PAGE}: the lines {begin} and {end} are missing")
        text = "\n".join([before + begin, *part(), end]) + after
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
