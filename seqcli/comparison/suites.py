"""Suites: files that list several comparisons, with published results for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import registry
from seqcli.comparison.summary import ArmSummary, Comparison, Spread, rows_in, spread_of
from seqcli.config import yaml_file
from seqcli.config.examples import suite_path
from seqcli.errors import UsageError
from seqcli.files.regular import single_name
from seqcli.metrics.metric import find

OPTIONS = ("cells", "attention", "seeds", "match", "recipes", "grid", "set", "published")
_EXAMPLE = "for an example: seqcli examples smoke"


@dataclass(frozen=True)
class Published:
    """A published result, as its source writes it, and the result it is compared with.

    ``scope`` is test, in_distribution or out_of_distribution.
    """

    arm: str
    metric: str
    scope: str
    value: str
    source: str


@dataclass(frozen=True)
class Entry:
    """A comparison of a suite: name, options of `seqcli.api.plan`, and published results."""

    name: str
    options: Mapping[str, Any]
    published: tuple[Published, ...]


@dataclass(frozen=True)
class Suite:
    """Several comparisons."""

    name: str
    about: str
    entries: tuple[Entry, ...]


def load_suite(name: str) -> Suite:
    """Load a suite by name or from a file.

    Raises:
        UsageError: the suite does not exist, or the file is invalid; names the location.
    """
    return _suite(suite_path(name))


def _suite(path: Path) -> Suite:
    document = _section(yaml_file.read_nested(path), str(path))
    _check_keys(document, ("suite", "about", "all", "comparisons"), str(path))
    shared = _section(document.get("all", {}), f"{path}: all")
    entries = _section(document.get("comparisons"), f"{path}: comparisons")
    if not entries:
        raise UsageError(f"{path}: comparisons must not be empty", _EXAMPLE)
    names = {name: single_name(name, f"{path}: comparisons") for name in entries}
    return Suite(
        single_name(_text(document.get("suite", path.stem), f"{path}: suite"), f"{path}: suite"),
        _text(document.get("about", ""), f"{path}: about"),
        tuple(_entry(name, entries[name], shared, f"{path}: {name}") for name in names),
    )


def _section(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: a mapping is expected here, not {_kind(value)}", _EXAMPLE)
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: one value is expected here, not {_kind(value)}", _EXAMPLE)
    return str(value)


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        hint = "write it as [a, b]"
        raise UsageError(f"{where}: a list is expected here, not {_kind(value)}", hint)
    return value


def _texts(value: object, where: str) -> list[str]:
    return [_text(one, where) for one in _list(value, where)]


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return kinds.get(type(value), "one value")


def _check_keys(section: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    for name in section:
        if name not in names:
            raise UsageError(f"{where}: no key is called {name!r}", registry.suggest(name, names))


def _entry(name: str, value: object, shared: Mapping[str, Any], where: str) -> Entry:
    """Return one comparison; its own settings override the shared ones."""
    own = _section(value, where)
    both = {**shared, **own}
    _check_keys(both, OPTIONS, where)
    settings = {**_settings(shared, where), **_settings(own, where)}
    options: dict[str, Any] = {"set": [f"{key}={value}" for key, value in settings.items()]}
    for option in ("attention", "match", "recipes"):
        if option in both:
            options[option] = _text(both[option], f"{where}: {option}")
    if "cells" in both:
        options["cells"] = _texts(both["cells"], f"{where}: cells")
    if "seeds" in both:
        options["seeds"] = _whole(_text(both["seeds"], f"{where}: seeds"), where)
    if "grid" in both:
        axes = _section(both["grid"], f"{where}: grid").items()
        options["grid"] = [
            f"{key}={','.join(_texts(values, f'{where}: grid: {key}'))}" for key, values in axes
        ]
    published = [
        _published(one, where) for one in _list(both.get("published", []), f"{where}: published")
    ]
    return Entry(name, options, tuple(published))


def _settings(section: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return the settings of a comparison, each value as text for ``--set key=``."""
    where = f"{where}: set"
    settings: dict[str, str] = {}
    for key, value in _section(section.get("set", {}), where).items():
        if isinstance(value, list):
            settings[key] = f"[{', '.join(_texts(value, f'{where}: {key}'))}]"
        else:
            settings[key] = _text(value, f"{where}: {key}")
    return settings


def _published(value: object, where: str) -> Published:
    where = f"{where}: published"
    result = _section(value, where)
    names = tuple(field.name for field in fields(Published))
    _check_keys(result, names, where)
    missing = [name for name in names if name not in result]
    if missing:
        raise UsageError(f"{where}: a published result must also have {', '.join(missing)}")
    return Published(**{key: _text(item, f"{where}: {key}") for key, item in result.items()})


def _whole(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(f"{where}: seeds: a whole number is expected, not {text[:60]!r}")
    return int(text)


@dataclass(frozen=True)
class PublishedResult:
    """A published result and ours; ``ours`` is None without a matching arm or rows."""

    comparison: str
    published: Published
    ours: Spread | None


@dataclass(frozen=True)
class SuiteResult:
    """The comparisons of a suite, and their results next to published ones."""

    name: str
    about: str
    folder: str
    comparisons: tuple[Comparison, ...]
    rows: tuple[PublishedResult, ...]


def with_published(entry: Entry, comparison: Comparison) -> list[PublishedResult]:
    """Pair each published result of a comparison with ours."""
    arms = {one.arm: one for one in comparison.arms}
    return [
        PublishedResult(entry.name, one, _ours(arms[one.arm], one) if one.arm in arms else None)
        for one in entry.published
    ]


def _ours(arm: ArmSummary, published: Published) -> Spread | None:
    """Return our value of the same metric; scopes have only sequence accuracy."""
    if published.scope == "test":
        return arm.scores.get(published.metric) if arm.first.split == "test" else None
    values = []
    for result in arm.results:
        rows, inside = rows_in(result, published.scope)
        if not inside.any() or published.metric != "sequence_accuracy":
            return None
        values.append(float(np.asarray(rows.score)[inside].mean()))
    return spread_of(values, find(published.metric))
