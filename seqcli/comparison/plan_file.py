"""plan.json: the runs of a comparison, and the settings that identify it.

Two comparisons are the same if their runs share the same data, task, budget and recipe, and vary
the same keys. Only then may their runs be in one folder and one table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from seqcli import config as configuration
from seqcli.comparison import defaults
from seqcli.comparison.specification import PlannedRun, Specification
from seqcli.config import Config
from seqcli.config.loading import dotted_values
from seqcli.data.corpus import Provenance
from seqcli.errors import DataError, UsageError
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import single_name
from seqcli.schema import to_plain

FILE = "plan.json"
FORMAT = 5
MAX_BYTES = 64 << 20  # bytes
# Settings that do not affect the trained weights; they may differ between runs. What a recipe chose
# is in other keys.
MACHINE = ("train.recipe", "train.threads", "train.device", "train.samples", "train.save_every")
BUDGET = (
    "train.budget",
    "train.epochs",
    "train.steps",
    "train.epoch_steps",
    "train.batch_size",
    "train.patience",
    "train.target_accuracy",
)
_FILES = ("data.path", "data.train_file", "data.val_file", "data.test_file")


@dataclass(frozen=True)
class Identity:
    """The settings and data that all runs of a comparison share.

    Args:
        settings: dotted_values key -> value, for every key that is the same in all runs.
        varied: the keys that may differ.
        data: a digest of the data, independent of its path.
        searched: the keys that a search varies between its trials, which are scored on the
            validation rows only; none in a comparison.
    """

    settings: Mapping[str, Any]
    varied: tuple[str, ...]
    data: str
    searched: tuple[str, ...] = ()

    def difference(self, other: Identity) -> str:
        """Describe the first difference from another comparison; "" if they are the same."""
        if set(self.searched) != set(other.searched):
            keys = " ".join(self.searched)
            return f"it is a search for {keys}" if keys else "it is not a search"
        if set(self.varied) != set(other.varied):
            ours, theirs = (" ".join(one.varied) for one in (self, other))
            return f"it varies {ours}, not {theirs}"
        for key in dict.fromkeys((*self.settings, *other.settings)):
            there, here = (one.settings.get(key, "not set") for one in (self, other))
            if there != here:
                return f"{key} is {there} there, not {here}"
        return "" if self.data == other.data else "its data differs"


@dataclass(frozen=True)
class StoredPlan:
    """The content of plan.json.

    Args:
        name: the name of the comparison.
        identity: the settings and data that all runs share.
        runs: the runs by name.
        replaced: runs of an earlier comparison that will be replaced (``--force``).
        notes: the defaults that compare chose.
    """

    name: str
    identity: Identity
    runs: Mapping[str, PlannedRun]
    replaced: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def identity_of(
    runs: Iterable[PlannedRun],
    specification: Specification,
    open_keys: Collection[str],
    provenance: Provenance,
) -> Identity:
    """Return the identity of a plan.

    Args:
        runs: the runs of the plan.
        specification: how the runs differ.
        open_keys: keys that have default values.
        provenance: where the rows come from.
    """
    varied = {"model.cell", "model.attention", "train.seed", *(specification.grid or {})}
    varied |= {*specification.searched}
    if specification.match == "params":
        varied.add("model.hidden")
    if specification.recipes == "own":
        varied |= set(defaults.RECIPE) & set(open_keys)
    config = next(iter(runs)).config
    settings = {key: value for key, value in comparable(config).items() if key not in varied}
    searched = tuple(sorted(specification.searched))
    return Identity(settings, tuple(sorted(varied)), _digest(provenance), searched)


def comparable(config: Config) -> dict[str, Any]:
    """Return the settings that affect the trained weights, with file names but no folders."""
    settings = {key: value for key, value in dotted_values(config).items() if key not in MACHINE}
    return {**settings, **{key: _base_names(settings[key]) for key in _FILES}}


def differing_keys(one: Config, other: Config) -> list[str]:
    """Return the keys in which two configurations differ, except those in `MACHINE`."""
    first, second = comparable(one), comparable(other)
    return [key for key in dict.fromkeys((*first, *second)) if first.get(key) != second.get(key)]


def differing_settings(arms: Mapping[str, Config]) -> dict[str, dict[str, Any]]:
    """Return key -> arm -> value for every key in which arms differ.

    Cell, attention and seed are left out: they are in the names of arms and runs.
    """
    flat = {name: comparable(config) for name, config in arms.items()}
    keys = dict.fromkeys(key for one in flat.values() for key in one)
    table = {key: {name: one.get(key) for name, one in flat.items()} for key in keys}
    named = ("model.cell", "model.attention", "train.seed")
    return {
        key: values
        for key, values in table.items()
        if key not in named
        and any(value != next(iter(values.values())) for value in values.values())
    }


def write_plan(folder: Path, plan: StoredPlan) -> None:
    """Write plan.json, atomically.

    Raises:
        SeqcliError, UsageError: the folder cannot be written.
    """
    runs = {
        run.name: {
            "arm": run.arm,
            "seed": run.seed,
            "config": configuration.to_plain(run.config),
        }
        for run in plan.runs.values()
    }
    document = {
        "format": FORMAT,
        "name": plan.name,
        "settings": plan.identity.settings,
        "varied": plan.identity.varied,
        "data": plan.identity.data,
        "searched": plan.identity.searched,
        "notes": plan.notes,
        "replaced": plan.replaced,
        "runs": runs,
    }
    text = json.dumps(document, indent=1)
    write_atomically(folder / FILE, lambda file: file.write(text.encode()))


def read_plan(folder: Path) -> StoredPlan | None:
    """Read the plan of a folder; return None if there is no plan.json.

    Raises:
        DataError: the file is damaged, has another version, or contains an invalid run name.
    """
    path = folder / FILE
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: not the plan of a comparison", _HINT)
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: cannot be read: {reason}", _HINT) from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: damaged: not JSON", _HINT) from None
    return _stored(document, str(path))


_HINT = "remove the file to report on the runs without it, or plan again with --force"


def _stored(document: Any, where: str) -> StoredPlan:
    """Convert a JSON document to a plan.

    Raises:
        DataError: the document is not a plan.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise DataError(f"{where}: not a plan that this version of seqcli writes", _HINT)
    try:
        runs = {name: _run(name, one, where) for name, one in _mapping(document["runs"]).items()}
        identity = Identity(
            _mapping(document["settings"]),
            _texts(document["varied"]),
            _text(document["data"]),
            _texts(document["searched"]),
        )
        replaced = tuple(single_name(name, where) for name in _texts(document["replaced"]))
        return StoredPlan(
            _text(document["name"]), identity, runs, replaced, _texts(document["notes"])
        )
    except (KeyError, TypeError):
        raise DataError(f"{where}: damaged: a key is missing or has another type", _HINT) from None
    except UsageError as error:
        raise DataError(error.message, error.hint) from None


def _run(name: str, document: Any, where: str) -> PlannedRun:
    one = _mapping(document)
    seed, arm = one["seed"], single_name(_text(one["arm"]), where)
    if type(seed) is not int:
        raise TypeError(seed)
    config = configuration.from_plain(one["config"], f"{where}: {single_name(name, where)}")
    return PlannedRun(name, arm, seed, config)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(map(_text, value))


def _base_names(text: Any) -> str:
    """Remove the folders from a path, or from two paths separated by a comma."""
    return ",".join(PurePath(part.strip()).name for part in str(text).split(","))


def _digest(provenance: Provenance) -> str:
    """Return a digest of the provenance of the data, without its path."""
    text = json.dumps(to_plain(replace(provenance, path=None)), sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]
