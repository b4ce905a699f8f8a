"""Suites: files that name several comparisons, and the published numbers each stands beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from seqcli import registry, schema
from seqcli.errors import UsageError
from seqcli.files.regular import read_regular
from seqcli.schema import Name, SchemaError

HOMES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[2] / "examples")
PREFIX = "suite_"
OPTIONS = ("cells", "attention", "seeds", "match", "grid", "set", "published")


@dataclass(frozen=True)
class Published:
    """A number from elsewhere, as its source writes it, and which of ours it stands beside.

    ``scope`` is test, seen or unseen.
    """

    arm: str
    metric: str
    scope: str
    value: str
    source: str


@dataclass(frozen=True)
class Entry:
    """One comparison of a suite: its name, the options of `seqcli.api.plan`, what is published."""

    name: str
    options: Mapping[str, Any]
    published: tuple[Published, ...]


@dataclass(frozen=True)
class Suite:
    """Several comparisons."""

    name: str
    about: str
    entries: tuple[Entry, ...]


def suite_names() -> list[str]:
    """Return the names of the suites that come with seqcli."""
    files = (path for home in HOMES for path in home.glob(f"{PREFIX}*.yaml"))
    return sorted({path.stem.removeprefix(PREFIX) for path in files})


def load_suite(name: str) -> Suite:
    """Return the suite of that name, or in that file.

    Raises:
        UsageError: there is none, or the file is no suite; says where.
    """
    if name.endswith((".yaml", ".yml")):
        return _suite(Path(name))
    registry.check("suite", name, suite_names())
    places = (home / f"{PREFIX}{name}.yaml" for home in HOMES)
    return _suite(next(path for path in places if path.exists()))


_MOST_BYTES = 4 << 20
_Texts = dict[str, str | list[str]]


class _Options(TypedDict, total=False):
    """The options of a comparison, as they are written."""

    cells: str | list[str]
    attention: str
    seeds: str
    match: str
    grid: _Texts
    set: _Texts
    published: list[Published]


class _File(TypedDict, total=False):
    """A suite."""

    suite: Name
    about: str
    all: _Options
    comparisons: dict[Name, _Options]


def _suite(path: Path) -> Suite:
    found = _read(path)
    shared = found.get("all", _Options())
    entries = found.get("comparisons", {})
    return Suite(
        found.get("suite", path.stem),
        found.get("about", ""),
        tuple(_entry(name, one, shared, f"{path}: {name}") for name, one in entries.items()),
    )


def _read(path: Path) -> _File:
    """Return the file; numbers stay as they are written."""
    from seqcli.config import strict_yaml  # PyYAML, which help need not load

    try:
        text = read_regular(path, _MOST_BYTES).decode("utf-8")
        plain = strict_yaml.load(text, as_text=True)
        _check_names(plain, str(path))
        found: _File = schema.read(_File, plain)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path}: the suite cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: this is no suite: not UTF-8 text") from None
    except SchemaError as error:
        hint = "see examples/suite_smoke.yaml"
        raise UsageError(f"{path}: this is no suite: {error}", hint) from None
    return found


def _check_names(plain: object, where: str) -> None:
    """Refuse unknown keys with the nearest known one."""
    if not isinstance(plain, dict):
        return
    _known(plain, tuple(_File.__annotations__), where)
    comparisons = plain.get("comparisons")
    inside = comparisons if isinstance(comparisons, dict) else {}
    for name, one in {"all": plain.get("all"), **inside}.items():
        if isinstance(one, dict):
            _known(one, OPTIONS, f"{where}: {name}")


def _known(found: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in found:
        if name not in names:
            raise UsageError(
                f"{where}: no key is called {name!r:.60}", registry.suggest(name, names)
            )


def _entry(name: str, own: _Options, shared: _Options, where: str) -> Entry:
    """Return one comparison; what it says itself goes before what all share."""
    both: dict[str, Any] = {**shared, **own}
    sets = {**shared.get("set", {}), **own.get("set", {})}
    published = both.pop("published", [])
    settings = [f"{key}={_text(value)}" for key, value in sets.items()]
    options: dict[str, Any] = {**both, "set": settings}
    if isinstance(options.get("cells"), str):
        options["cells"] = options["cells"].split(",")
    if "seeds" in both:
        options["seeds"] = _whole(both["seeds"], where)
    if "grid" in both:
        axes = [(key, _values(value)) for key, value in both["grid"].items()]
        options["grid"] = [f"{key}={','.join(values)}" for key, values in axes]
    return Entry(name, options, tuple(published))


def _whole(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"{where}: seeds must be a whole number, not {text!r:.60}")
    return int(text)


def _values(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _text(value: str | list[str]) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else value
