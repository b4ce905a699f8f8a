"""Manage the folder of a comparison: check it against a plan, and store the plan in it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from seqcli import config as configuration
from seqcli.api.checkpoint_config import config_of
from seqcli.checkpoints import numpy_file
from seqcli.comparison.plan_file import (
    BUDGET,
    FILE,
    Identity,
    StoredPlan,
    differing_keys,
    read_plan,
    write_plan,
)
from seqcli.comparison.run_result import FILE as RESULT
from seqcli.comparison.specification import PlannedRun, Specification, arm_and_seed
from seqcli.config import Config
from seqcli.config.schema import TASK
from seqcli.errors import DataError, SeqcliError, UsageError
from seqcli.runs import ROOT, RunPaths, locked

_HINT = "choose another --out, or replace it with --force"


def choose_folder(name: str, out: Path | None, plan: StoredPlan, force: bool) -> Path:
    """Return the folder for a plan: ``out``, or the first ``runs/name-N`` that it may use.

    Raises:
        UsageError: ``out`` holds another comparison and ``force`` is not set.
    """
    if out is not None:
        check_usable(out, plan, force)
        return out
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    folders = (ROOT / one for one in names)
    return next(one for one in folders if not _conflict(one, plan))


def check_usable(folder: Path, plan: StoredPlan, force: bool) -> None:
    """Check that a folder does not hold another comparison.

    Raises:
        UsageError: the folder does and ``force`` is not set; the message says what differs.
    """
    conflict = _conflict(folder, plan)
    if conflict and not force:
        raise UsageError(f"{folder} holds another comparison: {conflict}", _HINT)


def store(folder: Path, plan: StoredPlan, force: bool) -> StoredPlan:
    """Store a plan in a folder, and return the stored plan.

    Existing runs of the same comparison stay part of the plan. With ``force`` every existing run is
    marked to be replaced; its files are kept until the new run has a checkpoint.
    """
    known = _plan_if_readable(folder)
    if force:
        names = {*plan.runs, *(known.runs if known else ()), *(known.replaced if known else ())}
        held = sorted(name for name in names if RunPaths(folder / name).holds_run())
        plan = replace(plan, replaced=tuple(held))
    elif known is not None and not known.identity.difference(plan.identity):
        plan = replace(plan, runs={**known.runs, **plan.runs}, replaced=known.replaced)
    write_plan(folder, plan)
    return plan


def remove_replaced(folder: Path, plan: StoredPlan) -> StoredPlan:
    """Delete the replaced runs that the new plan does not have; return the updated plan."""
    for name in plan.replaced:
        run = RunPaths(folder / name)
        if name not in plan.runs and run.holds_run():
            with locked(run):
                run.clear()
            (run.folder / RESULT).unlink(missing_ok=True)
    return mark_replaced(folder, plan, plan.replaced)


def mark_replaced(folder: Path, plan: StoredPlan, names: Iterable[str]) -> StoredPlan:
    """Record in the stored plan that runs have been replaced; return the updated plan."""
    left = tuple(name for name in plan.replaced if name not in set(names))
    if left == plan.replaced:
        return plan
    plan = replace(plan, replaced=left)
    write_plan(folder, plan)
    return plan


def check_as_planned(runs: Iterable[PlannedRun], folder: Path) -> None:
    """Check that existing runs have the settings of the plan.

    Raises:
        UsageError: the settings of a run differ; the message names the run and the keys.
    """
    for run in runs:
        keys: list[str] = []
        with contextlib.suppress(SeqcliError):  # training or scoring it reports the error
            keys = [] if run.replace else _differing(run, folder)
        if keys:
            message = f"{folder / run.name} was trained with another {', '.join(keys)}"
            raise UsageError(message, _HINT)


def problem_of_run(run: PlannedRun, folder: Path) -> str:
    """Describe why an existing run cannot be used; "" if it can, or does not exist."""
    try:
        keys = _differing(run, folder)
    except SeqcliError as error:
        return error.message
    return f"was not trained as planned: {', '.join(keys)} differs" if keys else ""


def _differing(run: PlannedRun, folder: Path) -> list[str]:
    """Return the keys in which an existing run differs from the plan."""
    config = config_in(RunPaths(folder / run.name))
    return differing_keys(run.config, config) if config else []


def plan_of_runs(folder: Path) -> StoredPlan:
    """Build a plan from the runs of a folder without plan.json.

    Raises:
        DataError: two runs differ in data or budget; the message names them.
    """
    runs = []
    for path in sorted(folder.glob("*")):
        named = arm_and_seed(path.name)
        if named and RunPaths(path).holds_run():
            with contextlib.suppress(SeqcliError):  # unreadable runs are skipped
                runs.append(PlannedRun(path.name, *named, config_in(RunPaths(path)) or Config()))
    _check_comparable(folder, runs)
    cells = {cell: number for number, cell in enumerate(Specification.cells)}
    runs.sort(key=lambda run: (cells.get(run.config.model.cell, len(cells)), run.arm, run.seed))
    name = folder.resolve().name.removeprefix("compare-")
    return StoredPlan(name, Identity({}, (), ""), {run.name: run for run in runs})


def _check_comparable(folder: Path, runs: Sequence[PlannedRun]) -> None:
    """Check that runs share data and budget, and that runs of an arm differ only in the seed."""
    first_of: dict[str, PlannedRun] = {}
    for run in runs:
        for other in (runs[0], first_of.setdefault(run.arm, run)):
            keys = differing_keys(other.config, run.config)
            keys = [key for key in keys if key != "train.seed"]
            if other.arm != run.arm:
                keys = [key for key in keys if key in BUDGET or key.startswith(("data.", TASK))]
            if keys:
                raise DataError(
                    f"{folder}: {other.name} and {run.name} are not comparable: they differ in "
                    + ", ".join(keys),
                    "collect each comparison from a separate folder with its plan.json",
                )


def config_in(paths: RunPaths) -> Config | None:
    """Return the configuration of a run; None if the run does not exist.

    Raises:
        SeqcliError: the configuration cannot be read.
    """
    for path in (paths.best, paths.last):
        if path.exists():
            return config_of(numpy_file.load(path), path)
    return configuration.load(paths.config) if paths.config.exists() else None


def _conflict(folder: Path, plan: StoredPlan) -> str:
    """Describe why a plan cannot use a folder; "" if it can."""
    try:
        known = read_plan(folder)
    except DataError:
        return f"its {FILE} cannot be read"
    if known is None:
        return _first_problem(folder, plan.runs.values())
    if not any(RunPaths(folder / name).holds_run() for name in (*known.runs, *known.replaced)):
        return ""  # planned only
    difference = known.identity.difference(plan.identity)
    if difference:
        return difference
    for name in [name for name in plan.runs if name in known.runs]:
        keys = differing_keys(known.runs[name].config, plan.runs[name].config)
        if keys:
            return f"{keys[0]} of {name} differs"
    return ""


def _first_problem(folder: Path, runs: Iterable[PlannedRun]) -> str:
    """Describe the first run in a folder without a plan that is not as planned."""
    problems = ((run.name, problem_of_run(run, folder)) for run in runs)
    return next((f"{name} {problem}" for name, problem in problems if problem), "")


def _plan_if_readable(folder: Path) -> StoredPlan | None:
    """Return the plan of a folder; None if it has none or it is damaged."""
    try:
        return read_plan(folder)
    except DataError:
        return None
