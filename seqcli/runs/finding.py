"""How a run and its checkpoints are found, and what is said where they are missing."""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from seqcli.errors import CheckpointError, blamed
from seqcli.files.atomic import writing
from seqcli.runs.folders import put_back
from seqcli.runs.paths import ROOT, RunPaths, existing

Loaded = TypeVar("Loaded")


@blamed(CheckpointError)
def find_run(path: Path, root: Path = ROOT) -> RunPaths:
    """Return the run that ``path`` means: its folder, a file in it, or its ``--out FILE.pt``.

    Raises:
        CheckpointError: there is no run; the hint names the nearest.
    """
    places = [path]
    if path.suffix == ".pt":
        places.append(path.with_suffix(""))
    if path.is_file():
        places.append(path.parent)
    for folder in places:
        put_back(folder)
        if folder.is_dir() and RunPaths(folder).holds_run():
            return existing(folder)
    raise _no_checkpoint(path, root)


@blamed(CheckpointError)
def find_checkpoint(path: Path, prefer: str = "best", root: Path = ROOT) -> Path:
    """Return the checkpoint file that ``path`` (a run folder or a file) means.

    ``prefer`` is ``"best"`` (then the last, if no epoch has ended yet) or ``"last"`` (then the one
    before it).

    Raises:
        CheckpointError: there is none; the hint names the nearest run.
    """
    if not path.is_dir():
        if os.path.lexists(path):
            return path  # what kind of file it is, its reader will tell
        raise _no_checkpoint(path, root)
    run = RunPaths(path)
    choices = (run.last, run.previous) if prefer == "last" else (run.best, run.last, run.previous)
    for choice in choices:
        if choice.exists():
            return choice
    raise _no_checkpoint(path, root)


def load_last(run: RunPaths, load: Callable[[Path], Loaded]) -> tuple[Loaded, str]:
    """Load the newest checkpoint that is whole; return it, and a note if it is not the last.

    A damaged ``last.pt`` is moved to ``last.damaged.pt``, so that the next save does not put it in
    the place of the good one: hold the lock.

    Raises:
        CheckpointError: neither the last nor the one before it can be read.
    """
    try:
        return load(find_checkpoint(run.folder, "last")), ""
    except CheckpointError as error:
        if not (run.last.exists() and run.previous.exists()):
            raise
        loaded = _load_previous(run, load, error)
        with writing(run.last):
            run.last.replace(run.damaged)
        return loaded, f"{error.message}; resuming from {run.previous}"


def _load_previous(run: RunPaths, load: Callable[[Path], Loaded], error: CheckpointError) -> Loaded:
    try:
        return load(run.previous)
    except CheckpointError:
        raise error from None


def _no_checkpoint(path: Path, root: Path) -> CheckpointError:
    if RunPaths(path).holds_run():
        hint = "it was stopped before its first checkpoint: train again"
        return CheckpointError(f"{path}: this run has no checkpoint to use", hint)
    what = "holds no checkpoint" if path.is_dir() else "no such run or file"
    return CheckpointError(f"{path}: {what}", _nearest(path, root))


def _nearest(path: Path, root: Path) -> str:
    """Name the runs, here and under ``root``, that are called something like ``path``."""
    runs = {run.name: run for folder in (path.parent, root) for run in _runs_in(folder)}
    near = difflib.get_close_matches(path.name.removesuffix(".pt"), runs, n=1, cutoff=0.5)
    if near:
        return f"did you mean {runs[near[0]]}?"
    some = ", ".join(str(run) for run in list(runs.values())[:5])
    return f"there is {some}" if some else "train first: seqcli train --task reverse"


def _runs_in(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return sorted(path for path in folder.iterdir() if RunPaths(path).holds_run())
    return []
