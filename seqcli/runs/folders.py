"""Who may write a run folder, and how a new run takes the place of an old one.

A run that replaces another (``--force``) is prepared in a folder of its own next to the old one
(`seqcli.files.folder`). It takes the place of the old run with its first checkpoint, in one step.
Until then the old run is whole, whatever happens to the new one. Afterwards the files of the old
run are removed, and all other files that were in its folder move to the new one. Whoever locks the
folder next completes what a killed process began.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from seqcli.errors import CheckpointError, UsageError, blamed
from seqcli.files.atomic import check_output, remove_stale, writing
from seqcli.files.folder import StagedFolder, recover, resolved_folder, staged_folder
from seqcli.files.lock import hold
from seqcli.runs.paths import (
    EVENTS,
    MARKER,
    ROOT,
    RunPaths,
    digest,
    existing,
    is_marked,
    write_marker,
)

_ELSEWHERE = "choose another folder, for example --out runs/NAME"


@dataclass
class RunFolder:
    """A run folder that this process has locked.

    Args:
        paths: where the run is to be found.
        staging: the folder in which a run that replaces another waits for its first checkpoint.
    """

    paths: RunPaths
    staging: StagedFolder | None = None

    @property
    def is_staged(self) -> bool:
        """Whether another run is still in the place of this one."""
        return self.staging is not None and not self.staging.committed

    @property
    def current(self) -> RunPaths:
        """Where the files of the run are now."""
        if self.staging is None or self.staging.committed:
            return self.paths
        return RunPaths(self.staging.path, self.paths.extra_best)

    def take_place(self) -> None:
        """Put a staged run in the place of the old one; do nothing if it is there already.

        Raises:
            SeqcliError: the disk is full or broken.
            UsageError: the folder cannot be renamed.
        """
        if self.staging is not None:
            self.staging.commit()


@contextlib.contextmanager
def begin(
    name: str, out: Path | None = None, root: Path = ROOT, force: bool = False
) -> Iterator[RunFolder]:
    """Lock the folder of a new run, and create it if it is missing.

    Without ``out`` it is ``root/name``, then ``name-2``, ``name-3`` ... With ``out`` a folder, it
    is that one. With ``out`` a name that ends in ``.pt``, it is the folder of that name without
    the ending, and ``extra_best`` is the file.

    Args:
        name: what the run is called.
        out: the folder or file that the user asked for.
        root: the folder of runs whose place nobody chose.
        force: replace the run in ``out``, which stays until the new one has a checkpoint.

    Raises:
        UsageError: ``out`` holds a run (without ``force``) or files of the user's that a run would
            overwrite, or cannot be written.
    """
    run = RunPaths(_numbered(root, _file_name(name))) if out is None else _requested(out)
    put_back(run.folder)
    with writing(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run):
        _complete(run)
        _check_free(run, force)
        if run.has_checkpoint():
            with _staged(run) as folder:
                yield folder
            return
        run.clear()
        write_marker(run, digest(run.extra_best))
        yield RunFolder(run)


@contextlib.contextmanager
def reopen(run: RunPaths) -> Iterator[RunFolder]:
    """Lock the folder of a run that was begun before.

    Raises:
        UsageError: another process writes to it, or it cannot be written.
    """
    with locked(run):
        _complete(run)
        if not is_marked(run.folder):
            write_marker(run)
        yield RunFolder(run)


@contextlib.contextmanager
def locked(run: RunPaths) -> Iterator[None]:
    """Let one process at a time write to the run's folder, and remove temporary files of dead ones.

    Raises:
        UsageError: another process holds the lock; the message names its id.
    """
    with hold(run.lock):
        remove_stale(run.folder)
        yield


def _requested(out: Path) -> RunPaths:
    """Return the paths that ``--out`` means.

    Raises:
        UsageError: it is no place for a run.
    """
    if str(out) == "-":
        raise UsageError("--out - is not a folder: a run cannot be written to stdout", _ELSEWHERE)
    with writing(out):
        if out.suffix != ".pt" or out.is_dir():
            run = RunPaths(out)
        else:
            check_output(out, overwrite=True)
            run = RunPaths(out.with_suffix(""), out)
        _check_place(run.folder)
    return run


def _check_place(folder: Path) -> None:
    """Refuse folders that are never a run's alone; the working directory is one of them."""
    whole = resolved_folder(folder)
    for what, place in (*_shared_places(), ("the root folder", Path(whole.anchor))):
        if place.is_relative_to(whole):
            relation = "is" if place == whole else "contains"
            raise UsageError(f"{folder} {relation} {what}: no run is written there", _ELSEWHERE)


def _shared_places() -> Iterator[tuple[str, Path]]:
    with contextlib.suppress(OSError, RuntimeError):  # there may be none
        yield "your home folder", Path.home().resolve()


def _check_free(run: RunPaths, force: bool) -> None:
    """Refuse to overwrite a run without ``force``, and files that no run wrote at all."""
    taken = [path for path in run.files() if os.path.lexists(path)]
    if taken and not is_marked(run.folder):
        message = f"{run.folder} holds {taken[0].name}, and is not a run folder of seqcli"
        raise UsageError(message, _ELSEWHERE)
    extra = run.extra_best
    places = ((run.folder, run.has_checkpoint()), (extra, extra is not None and extra.exists()))
    for path, used in places:
        if used and not force:
            hint = "resume it with --resume, or choose another --out; --force overwrites"
            raise UsageError(f"{path} already holds a run", hint)


@contextlib.contextmanager
def _staged(run: RunPaths) -> Iterator[RunFolder]:
    """Give a folder next to the old run to prepare the new one in."""
    if run.folder.is_mount():
        message = f"{run.folder} is a mount point: the run in it cannot be replaced"
        raise UsageError(message, _ELSEWHERE)
    with staged_folder(run.folder, _is_ours) as staging:
        with writing(run.folder):
            staging.path.chmod(run.folder.stat().st_mode & 0o777)
        folder = RunFolder(run, staging)
        with hold(folder.current.lock):
            write_marker(folder.current, digest(run.extra_best))
            yield folder


def _is_ours(file: PurePath) -> bool:
    """Return whether a file, relative to its run folder, belongs to the run."""
    run = RunPaths(Path())
    if file.parent == PurePath(run.tensorboard.name):
        return file.match(EVENTS)
    return str(file) in (MARKER, run.lock.name, *(str(path) for path in run.files()))


def put_back(folder: Path) -> None:
    """Put a run back whose process was killed while its folder had no name; see `recover`."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # no possible folder
        if not os.path.lexists(folder):
            recover(folder.resolve(), _is_ours)


def _complete(run: RunPaths) -> None:
    """Complete what a killed process began: hold the lock."""
    with writing(run.folder):
        recover(run.folder.resolve(), _is_ours)


def _file_name(name: str) -> str:
    """Return ``name`` as one safe part of a path."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip(".-")[:100] or "run"


def _numbered(root: Path, name: str) -> Path:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = root / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()  # of two processes, one succeeds
                return folder
    raise AssertionError("numbers do not end")


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
