"""plan.json: which runs a comparison is made of, and what makes it that comparison.

Two comparisons are the same if all that their runs share is the same: data, task, budget, recipe,
and which keys differ between the runs. Only then may their runs be in one folder and one table.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from seqcli import config as configuration
from seqcli.comparison.specification import PlannedRun, Wanted
from seqcli.config import Config
from seqcli.config.command_line import dotted
from seqcli.config.presets import PRESETS
from seqcli.errors import DataError, UsageError
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import single_name

FILE = "plan.json"
FORMAT = 3
LARGEST = 64 << 20  # bytes
# Where and how often, not what: these may differ between the runs of a comparison.
MACHINE = ("train.threads", "train.device", "train.samples", "train.save_every")
BUDGET = (
    "train.epochs",
    "train.iterations",
    "train.seconds",
    "train.batch_size",
    "train.patience",
    "train.target_accuracy",
)
_FILES = ("data.path", "data.train_file", "data.val_file", "data.test_file")


@dataclass(frozen=True)
class Identity:
    """What all runs of a comparison share.

    Args:
        settings: dotted key -> value, for every key that does not differ between runs.
        varied: the keys that may.
        data: a digest of what the data is, wherever its files are.
    """

    settings: Mapping[str, Any]
    varied: tuple[str, ...]
    data: str

    def difference(self, other: Identity) -> str:
        """Say what tells another comparison from this one; "" if nothing does."""
        if set(self.varied) != set(other.varied):
            ours, theirs = (" ".join(one.varied) for one in (self, other))
            return f"it varies {ours}, not {theirs}"
        for key in dict.fromkeys((*self.settings, *other.settings)):
            there, here = (one.settings.get(key, "not set") for one in (self, other))
            if there != here:
                return f"{key} is {there} there, not {here}"
        return "" if self.data == other.data else "its data is other data"


@dataclass(frozen=True)
class StoredPlan:
    """What plan.json holds.

    Args:
        name: of the comparison.
        identity: what the runs share.
        runs: by name.
        replaced: runs that are there from an earlier comparison and have to go (``--force``).
        notes: what compare chose where nothing was said.
    """

    name: str
    identity: Identity
    runs: Mapping[str, PlannedRun]
    replaced: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def identity_of(
    runs: Iterable[PlannedRun], wanted: Wanted, open_keys: Collection[str], about: object
) -> Identity:
    """Return what the runs of a plan share.

    Args:
        runs: of the plan.
        wanted: what they differ in.
        open_keys: keys that were left to defaults.
        about: where the data comes from, as a corpus tells it.
    """
    varied = {"model.cell", "model.attention", "train.seed", *(wanted.grid or {})}
    if wanted.match == "params":
        varied.add("model.hidden")
    if wanted.recipes == "own":
        varied |= {key for _, preset in PRESETS for key in preset} & set(open_keys)
    config = next(iter(runs)).config
    settings = {key: value for key, value in comparable(config).items() if key not in varied}
    return Identity(settings, tuple(sorted(varied)), _digest(about))


def comparable(config: Config) -> dict[str, Any]:
    """Return the keys that decide what is learnt, with files by name: they may have moved."""
    found = {key: value for key, value in dotted(config).items() if key not in MACHINE}
    return {**found, **{key: _base_names(found[key]) for key in _FILES}}


def differing_keys(one: Config, other: Config) -> list[str]:
    """Return the keys in which two configurations differ, but for those in `MACHINE`."""
    first, second = comparable(one), comparable(other)
    return [key for key in dict.fromkeys((*first, *second)) if first.get(key) != second.get(key)]


def differing_settings(arms: Mapping[str, Config]) -> dict[str, dict[str, Any]]:
    """Return key -> arm -> value for every key in which arms differ, but for those that name them.

    Cell and attention are in the name of an arm, the seed in that of a run.
    """
    flat = {name: comparable(config) for name, config in arms.items()}
    keys = dict.fromkeys(key for one in flat.values() for key in one)
    found = {key: {name: one.get(key) for name, one in flat.items()} for key in keys}
    named = ("model.cell", "model.attention", "train.seed")
    return {
        key: values
        for key, values in found.items()
        if key not in named
        and any(value != next(iter(values.values())) for value in values.values())
    }


def write_plan(folder: Path, plan: StoredPlan) -> None:
    """Write plan.json, whole or not at all.

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
        "notes": plan.notes,
        "replaced": plan.replaced,
        "runs": runs,
    }
    text = json.dumps(document, indent=1)
    write_atomically(folder / FILE, lambda file: file.write(text.encode()))


def read_plan(folder: Path) -> StoredPlan | None:
    """Return the plan of a folder; None where there is no plan.json.

    Raises:
        DataError: the file is damaged, of another version, or names what is no run of the folder.
    """
    path = folder / FILE
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > LARGEST:
            raise DataError(f"{path}: this is no plan of a comparison", _HINT)
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"{path}: cannot be read: {reason}", _HINT) from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: damaged: this is no JSON", _HINT) from None
    return _stored(found, str(path))


_HINT = "remove the file to report on the runs without it, or plan again with --force"


def _stored(found: Any, where: str) -> StoredPlan:
    """Return what was read, checked.

    Raises:
        DataError: it is no plan.
    """
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise DataError(f"{where}: not a plan that this version of seqcli writes", _HINT)
    try:
        runs = {name: _run(name, one, where) for name, one in _mapping(found["runs"]).items()}
        identity = Identity(
            _mapping(found["settings"]), _texts(found["varied"]), _text(found["data"])
        )
        replaced = tuple(single_name(name, where) for name in _texts(found["replaced"]))
        return StoredPlan(_text(found["name"]), identity, runs, replaced, _texts(found["notes"]))
    except (KeyError, TypeError):
        raise DataError(f"{where}: damaged: a key is missing or of another type", _HINT) from None
    except UsageError as error:
        raise DataError(error.message, error.hint) from None


def _run(name: str, found: Any, where: str) -> PlannedRun:
    one = _mapping(found)
    seed, arm = one["seed"], single_name(_text(one["arm"]), where)
    if type(seed) is not int:
        raise TypeError(seed)
    config = configuration.from_plain(one["config"], f"{where}: {single_name(name, where)}")
    return PlannedRun(name, arm, seed, config)


def _mapping(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError(found)
    return found


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(found)
    return found


def _texts(found: Any) -> tuple[str, ...]:
    if not isinstance(found, list):
        raise TypeError(found)
    return tuple(map(_text, found))


def _base_names(text: Any) -> str:
    """Return the names of a file or of two files with a comma between, without folders."""
    return ",".join(PurePath(part.strip()).name for part in str(text).split(","))


def _digest(about: object) -> str:
    """Return a digest of what is known of the data, but for where it is."""
    known = {k: v for k, v in about.items() if k != "path"} if isinstance(about, dict) else {}
    text = json.dumps(known, sort_keys=True, default=str)
    return sha256(text.encode()).hexdigest()[:16]
