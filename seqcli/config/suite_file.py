"""Suites: files that name several comparisons, and the published numbers each stands beside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from seqcli import registry
from seqcli.errors import UsageError

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


def _suite(path: Path) -> Suite:
    found = _read(path)
    _known(found, ("suite", "about", "all", "comparisons"), str(path))
    shared = _section(found.get("all", {}), f"{path}: all")
    entries = _section(found.get("comparisons", {}), f"{path}: comparisons")
    return Suite(
        str(found.get("suite", path.stem)),
        str(found.get("about", "")),
        tuple(_entry(name, one, shared, f"{path}: {name}") for name, one in entries.items()),
    )


def _read(path: Path) -> dict[str, Any]:
    """Return the file as mappings, lists and text; numbers stay as they are written."""
    import yaml

    try:
        found = yaml.BaseLoader(path.read_text("utf-8")).get_single_data()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path}: the suite cannot be read: {reason}", "check the path and its permissions"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: this is no suite: {' '.join(str(error).split())}") from None
    return _section(found, str(path))


def _section(found: object, where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UsageError(f"{where}: a mapping must stand here", "see examples/suite_smoke.yaml")
    return found


def _known(found: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in found:
        if name not in names:
            raise UsageError(f"{where}: no key is called {name!r}", registry.suggest(name, names))


def _entry(name: str, found: object, shared: Mapping[str, Any], where: str) -> Entry:
    """Return one comparison; what it says itself goes before what all share."""
    own = _section(found, where)
    both = {**shared, **own}
    _known(both, OPTIONS, where)
    sets = {**_section(shared.get("set", {}), where), **_section(own.get("set", {}), where)}
    published = [_published(one, where) for one in both.pop("published", [])]
    settings = [f"{key}={_text(value)}" for key, value in sets.items()]
    options: dict[str, Any] = {**both, "set": settings}
    if "seeds" in both:
        options["seeds"] = _whole(both["seeds"], where)
    if "grid" in both:
        axes = _section(both["grid"], where).items()
        options["grid"] = [f"{key}={','.join(values)}" for key, values in axes]
    return Entry(name, options, tuple(published))


def _published(found: object, where: str) -> Published:
    one = _section(found, where)
    names = tuple(field.name for field in fields(Published))
    _known(one, names, where)
    missing = [name for name in names if name not in one]
    if missing:
        raise UsageError(f"{where}: a published number lacks {', '.join(missing)}")
    return Published(**one)


def _whole(text: str, where: str) -> int:
    if not text.isdecimal():
        raise UsageError(f"{where}: seeds must be a whole number, not {text!r}")
    return int(text)


def _text(value: object) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value)
