"""Which runs a comparison is made of, and the command that makes each."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli import config as configuration
from seqcli import registry
from seqcli.comparison import defaults
from seqcli.config import Config
from seqcli.config.command_line import dotted, options_of
from seqcli.errors import UsageError
from seqcli.files.regular import single_name

ATTENTIONS = ("on", "off", "both")
MATCHES = ("params", "none")
RECIPES = ("shared", "own")
_PRESET = "default with"  # how the origin of a preset begins
_RUN = re.compile(r"(?P<arm>.+)-s(?P<seed>[0-9]+)")
# What the comparison itself decides: no axis for --grid.
_OWN = {"model.cell": "--cells", "model.attention": "--attention", "train.seed": "--seeds"}
_SOURCES = ("data.task", "data.path", "data.train_file", "data.val_file", "data.test_file")


@dataclass(frozen=True)
class Wanted:
    """What is compared: see the options of `seqcli.compare`."""

    cells: Sequence[str] = defaults.CELLS
    attention: str = defaults.ATTENTION
    seeds: int = defaults.SEEDS
    match: str = defaults.MATCH
    grid: Mapping[str, Sequence[str]] | None = None
    recipes: str = defaults.RECIPES

    def __post_init__(self) -> None:
        for cell in self.cells:
            registry.check("cell", cell, registry.CELLS)
        registry.check("choice for --attention", self.attention, ATTENTIONS)
        registry.check("choice for --match", self.match, MATCHES)
        registry.check("choice for --recipes", self.recipes, RECIPES)
        if not self.cells or len(set(self.cells)) < len(self.cells):
            raise UsageError("--cells must name each model once", "for example --cells gru,lstm")
        if not 1 <= self.seeds <= 1000:
            raise UsageError(f"--seeds cannot be {self.seeds}", "choose from 1 to 1000; 3 is usual")
        for key in self.grid or {}:
            if key in _OWN:
                raise UsageError(f"--grid cannot vary {key}", f"that is for {_OWN[key]}")
            if key in _SOURCES:
                hint = "models are compared on the same data: run compare once for each"
                raise UsageError(f"--grid cannot vary {key}", hint)
        if self.match == "params" and "model.hidden" in (self.grid or {}):
            message = "--grid varies model.hidden, which --match params is there to choose"
            raise UsageError(message, "say --match none")


@dataclass(frozen=True)
class Arm:
    """One of the models that are compared, whatever the seed."""

    name: str
    config: Config


@dataclass(frozen=True)
class PlannedRun:
    """One run: an arm with a seed. With ``replace`` it takes the place of the run that is there."""

    name: str
    arm: str
    seed: int
    config: Config
    replace: bool = False


def base_config(config: Config, recipes: str = defaults.RECIPES) -> Config:
    """Put the defaults of compare in the place of the general ones, where nothing was set.

    Args:
        config: what was set.
        recipes: shared: every model is trained by `defaults.RECIPE`; own: what the recipe leaves
            open depends on the cell and the task (`seqcli.config.presets`).
    """
    files = config.data.path or config.data.train_file
    task = "" if files else config.data.task or defaults.TASK
    own = {**defaults.SETTINGS, **(defaults.RECIPE if recipes == "shared" else {})}
    if task and config.data.task == "":
        own["data.task"] = task
    options = defaults.TASK_OPTIONS.get(task, {})
    if not any(key.startswith("task.") for key in _set(config)):
        own.update({f"task.{name}": value for name, value in options.items()})
    if task == "":
        own = {key: value for key, value in own.items() if not key.startswith("data.")}
    return _rebuilt({**own, **_set(config)}, _origins(config, own))


def arms(base: Config, wanted: Wanted, language: bool) -> list[Arm]:
    """Return the models to compare, in the order of their cells.

    Args:
        base: all that they share.
        wanted: what they differ in.
        language: whether they are language models, which have no attention.

    Raises:
        UsageError: the values of ``--grid`` do not fit.
    """
    found: list[Arm] = []
    for cell, attention in _models(base, wanted, language):
        for points in itertools.product(*_axes(wanted)):
            own = {"model.cell": cell, "model.attention": attention}
            config = _rebuilt({**_set(base), **own}, _origins(base, own))
            config = configuration.load(config, [f"{key}={value}" for key, value in points])
            name = _arm_name(cell, attention, points)
            if any(one.name == name for one in found):
                hint = "choose values that differ in letters and digits"
                raise UsageError(f"two values of --grid make the same name, {name}", hint)
            found.append(Arm(name, config))
    return found


def runs(found: Iterable[Arm], seeds: int) -> list[PlannedRun]:
    """Return the runs of some arms: first one seed of each, then the next seed."""
    chosen = list(found)
    return [
        PlannedRun(
            f"{arm.name}-s{arm.config.train.seed + n}",
            arm.name,
            arm.config.train.seed + n,
            configuration.load(arm.config, [f"train.seed={arm.config.train.seed + n}"]),
        )
        for n in range(seeds)
        for arm in chosen
    ]


def arm_and_seed(run: str) -> tuple[str, int] | None:
    """Return the arm and the seed that the name of a run tells; None for other names."""
    match = _RUN.fullmatch(run)
    return (match["arm"], int(match["seed"])) if match else None


def command(run: PlannedRun, folder: Path) -> str:
    """Return the `seqcli train` command that makes this run, complete in itself."""
    out = str(folder / run.name)
    place = [f"--out={out}"] if out.startswith("-") else ["--out", out]
    return shlex.join(["seqcli", "train", *options_of(run.config), *place, "--quiet"])


def parse_grid(texts: Iterable[str]) -> dict[str, list[str]]:
    """Read ``key=a,b,c`` texts.

    Raises:
        UsageError: a text is not of that form, or a key comes twice.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        key, sign, values = (part.strip() for part in text.partition("="))
        points = [value.strip() for value in values.split(",") if value.strip()]
        if not (sign and key and points) or len(set(points)) < len(points):
            hint = "for example --grid train.lr=1e-3,3e-3"
            raise UsageError(f"--grid must be key=a,b,c, not {text!r}", hint)
        if key in found:
            raise UsageError(f"--grid {key} is given twice", "give all its values at once")
        found[key] = points
    return found


def seen(
    sources: Sequence[int], targets: Sequence[int], trained: Mapping[str, tuple[int, int]]
) -> NDArray[np.bool_]:
    """Say (N,) which rows are of lengths that training had, on both sides."""
    inside = np.ones(len(targets), np.bool_)
    for lengths, side in ((sources, "source"), (targets, "target")):
        low, high = trained[side]
        array = np.asarray(lengths)
        inside &= (array >= low) & (array <= high)
    return inside


def open_keys(config: Config) -> set[str]:
    """Return the keys that nobody set, by hand or by compare."""
    return set(dotted(config)) - set(_set(config))


def _set(config: Config) -> dict[str, Any]:
    """Return the keys that somebody set, by hand or by compare, with their values."""
    plain = configuration.to_plain(config)
    return {
        key: _value(plain, key)
        for key, origin in config.origins.items()
        if not origin.startswith(_PRESET)
    }


def _origins(config: Config, own: Mapping[str, object]) -> dict[str, str]:
    """Return where values came from, when ``own`` are put below what was set."""
    return {**dict.fromkeys(own, defaults.ORIGIN), **{k: config.origins[k] for k in _set(config)}}


def _rebuilt(values: Mapping[str, object], origins: Mapping[str, str]) -> Config:
    """Return the configuration of some settings, and of the presets that go with them."""
    made = configuration.load(values)
    return replace(made, origins={**made.origins, **origins})


def _models(base: Config, wanted: Wanted, language: bool) -> Iterable[tuple[str, str]]:
    kind = base.model.attention if base.model.attention != "none" else "additive"
    chosen = {"on": (kind,), "off": ("none",), "both": ("none", kind)}[wanted.attention]
    for cell in wanted.cells:
        own = language or cell == "transformer"  # has no other, or is made of it
        for attention in ("none",) if own else chosen:
            yield cell, attention


def _axes(wanted: Wanted) -> list[list[tuple[str, str]]]:
    return [[(key, value) for value in values] for key, values in (wanted.grid or {}).items()]


def _arm_name(cell: str, attention: str, points: Sequence[tuple[str, str]]) -> str:
    parts = [cell]
    if attention != "none":
        parts.append("attention" if attention == "additive" else f"{attention}-attention")
    name = "-".join(parts)
    for key, value in points:
        name += f"+{key.partition('.')[2] or key}={value}"
    return single_name(re.sub(r"[^\w.+=-]", "_", name), "--grid")


def _value(plain: Mapping[str, Mapping[str, Any]], key: str) -> Any:
    section, _, leaf = key.partition(".")
    return plain[section][leaf]
