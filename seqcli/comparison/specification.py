"""Specify a comparison: its arms, its runs, and the command of each run."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli import registry
from seqcli.comparison import defaults
from seqcli.config import Config, recipe_choice
from seqcli.config.loading import dotted_values, options_of
from seqcli.config.recipes import DataFacts
from seqcli.errors import UsageError
from seqcli.files.regular import single_name

ATTENTIONS = ("on", "off", "both")
MATCHES = ("params", "none")
RECIPES = ("shared", "own")
_RUN = re.compile(r"(?P<arm>.+)-s(?P<seed>[0-9]+)")
# Keys with separate options, which --grid cannot vary.
_OWN = {"model.cell": "--cells", "model.attention": "--attention", "train.seed": "--seeds"}
_SOURCES = ("data.task", "data.path", "data.train_file", "data.val_file", "data.test_file")


@dataclass(frozen=True)
class Specification:
    """The models to compare; see the options of `seqcli.compare`."""

    cells: Sequence[str] = defaults.CELLS
    attention: str = defaults.ATTENTION
    seeds: int = defaults.SEEDS
    match: str = defaults.MATCH
    grid: Mapping[str, Sequence[str]] | None = None
    recipes: str = defaults.RECIPES
    searched: Sequence[str] = ()  # keys that `compare --search` chooses

    def __post_init__(self) -> None:
        for cell in self.cells:
            registry.check("cell", cell, registry.CELLS)
        registry.check("choice for --attention", self.attention, ATTENTIONS)
        registry.check("choice for --match", self.match, MATCHES)
        registry.check("choice for --recipes", self.recipes, RECIPES)
        if not self.cells or len(set(self.cells)) < len(self.cells):
            raise UsageError("--cells must name each model once", "for example: --cells gru,lstm")
        if not 1 <= self.seeds <= 1000:
            raise UsageError(f"--seeds cannot be {self.seeds}", "choose from 1 to 1000; 3 is usual")
        for option, keys in (("--grid", self.grid or ()), ("--search", self.searched)):
            self._check_varied(option, keys)

    def _check_varied(self, option: str, keys: Collection[str]) -> None:
        """Check that an option may vary some keys."""
        for key in keys:
            if key in _OWN:
                raise UsageError(f"{option} cannot vary {key}", f"that is for {_OWN[key]}")
            if key in _SOURCES:
                hint = "models are compared on the same data: run compare once for each"
                raise UsageError(f"{option} cannot vary {key}", hint)
        if self.match == "params" and "model.hidden" in keys:
            message = f"{option} varies model.hidden, but --match params chooses it"
            raise UsageError(message, "use --match none")


@dataclass(frozen=True)
class Arm:
    """A model to compare, for all seeds."""

    name: str
    config: Config


@dataclass(frozen=True)
class PlannedRun:
    """One run: an arm with a seed. ``replace``: whether an existing run is replaced."""

    name: str
    arm: str
    seed: int
    config: Config
    replace: bool = False


def base_config(config: Config, recipes: str = defaults.RECIPES) -> Config:
    """Add the defaults of compare to a configuration, for keys that were not set.

    Args:
        config: the user's configuration.
        recipes: shared: every model is trained by `defaults.RECIPE`; own: these settings are
            chosen for each model (see `arms`).
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
    if config.train.budget:  # a budget in time replaces that in epochs
        del own["train.epochs"]
    return _rebuilt({**own, **_set(config)}, _origins(config, own))


def arms(base: Config, specification: Specification, facts: DataFacts) -> list[Arm]:
    """Return the models to compare, in the order of their cells.

    The configurations are complete: training them chooses nothing. With ``recipes="own"``, the
    settings of `defaults.RECIPE` that are open are those of each model's recipe
    (`seqcli.config.recipes`).

    Args:
        base: the shared configuration.
        specification: how the models differ.
        facts: the facts about the training rows.

    Raises:
        UsageError: a value of ``--grid`` is invalid.
    """
    models: list[Arm] = []
    for cell, attention in _models(base, specification, facts.language):
        for points in itertools.product(*_axes(specification)):
            own = {"model.cell": cell, "model.attention": attention}
            config = _rebuilt({**_set(base), **own}, _origins(base, own))
            config = configuration.load(config, [f"{key}={value}" for key, value in points])
            if specification.recipes == "own":
                config = recipe_choice.choose(config, facts, only=defaults.RECIPE)
            config = _complete(config)
            if config.train.members > 1:
                hint = "afterwards, average its runs: seqcli eval 'FOLDER/ARM-s*'"
                raise UsageError("compare trains single models: omit train.members", hint)
            name = _arm_name(cell, attention, points)
            if any(one.name == name for one in models):
                hint = "choose values that differ in letters or digits"
                raise UsageError(f"two values of --grid make the same name, {name}", hint)
            models.append(Arm(name, config))
    return models


def runs(models: Iterable[Arm], seeds: int) -> list[PlannedRun]:
    """Return the runs of some arms: the first seed of each arm, then the next seed."""
    models = list(models)
    return [
        PlannedRun(
            f"{arm.name}-s{arm.config.train.seed + n}",
            arm.name,
            arm.config.train.seed + n,
            configuration.load(arm.config, [f"train.seed={arm.config.train.seed + n}"]),
        )
        for n in range(seeds)
        for arm in models
    ]


def arm_and_seed(run: str) -> tuple[str, int] | None:
    """Split the name of a run into arm and seed; return None if it is not a run name."""
    match = _RUN.fullmatch(run)
    return (match["arm"], int(match["seed"])) if match else None


def command(run: PlannedRun, folder: Path) -> str:
    """Return the complete `seqcli train` command of a run, which may be run again at any time."""
    out = str(folder / run.name)
    place = [f"--out={out}"] if out.startswith("-") else ["--out", out]
    return shlex.join(
        ["seqcli", "train", *options_of(run.config), "--resume", "auto", *place, "--quiet"]
    )


def parse_grid(texts: Iterable[str]) -> dict[str, list[str]]:
    """Parse ``key=a,b,c`` texts.

    Raises:
        UsageError: a text has another form, or a key occurs twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        key, sign, values = (part.strip() for part in text.partition("="))
        points = [value.strip() for value in values.split(",") if value.strip()]
        if not (sign and key and points) or len(set(points)) < len(points):
            hint = "for example: --grid train.lr=1e-3,3e-3"
            raise UsageError(f"--grid must be key=a,b,c, not {text!r}", hint)
        if key in grid:
            raise UsageError(f"--grid {key} is given twice", "give all its values at once")
        grid[key] = points
    return grid


def open_keys(config: Config) -> set[str]:
    """Return the keys that neither the user nor compare set."""
    return set(dotted_values(config)) - set(_set(config))


def _set(config: Config) -> dict[str, Any]:
    """Return the keys that the user or compare set, with their values."""
    plain = configuration.to_plain(config)
    return {key: _value(plain, key) for key in config.origins}


def _origins(config: Config, own: Mapping[str, object]) -> dict[str, str]:
    """Return the origin of each setting; those in ``own`` are defaults of compare."""
    return {**dict.fromkeys(own, defaults.ORIGIN), **{k: config.origins[k] for k in _set(config)}}


def _rebuilt(values: Mapping[str, object], origins: Mapping[str, str]) -> Config:
    """Load settings, and restore their origins."""
    made = configuration.load(values)
    return replace(made, origins={**made.origins, **origins})


def _complete(config: Config) -> Config:
    """Turn off the recipe of `seqcli train`."""
    return replace(config, train=replace(config.train, recipe="none"))


def _models(
    base: Config, specification: Specification, language: bool
) -> Iterable[tuple[str, str]]:
    kind = base.model.attention if base.model.attention != "none" else "additive"
    chosen = {"on": (kind,), "off": ("none",), "both": ("none", kind)}[specification.attention]
    for cell in specification.cells:
        own = language or cell == "transformer"  # attention cannot be chosen
        for attention in ("none",) if own else chosen:
            yield cell, attention


def _axes(specification: Specification) -> list[list[tuple[str, str]]]:
    return [
        [(key, value) for value in values] for key, values in (specification.grid or {}).items()
    ]


def _arm_name(cell: str, attention: str, points: Sequence[tuple[str, str]]) -> str:
    parts = [cell]
    if attention != "none":
        parts.append("attention" if attention == "additive" else f"{attention}-attention")
    return name_with("-".join(parts), points)


def name_with(name: str, points: Sequence[tuple[str, str]]) -> str:
    """Return the name of an arm with the values that distinguish it: ``gru+lr=0.001``."""
    for key, value in points:
        name += f"+{key.partition('.')[2] or key}={value}"
    return single_name(re.sub(r"[^\w.+=-]", "_", name), "--grid")


def _value(plain: Mapping[str, Mapping[str, Any]], key: str) -> Any:
    section, _, leaf = key.partition(".")
    return plain[section][leaf]
