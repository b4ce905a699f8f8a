"""Find, lock and replace run folders.

A run that replaces another (``--force``) is prepared in a temporary folder next to the old one
(`seqcli.files.folder`). It replaces the old run atomically, with its first checkpoint; until then
the old run stays complete. Afterwards the files of the old run are removed, and other files in its
folder move to the new one. A process that is killed in between leaves the rest to the next process
that locks the folder.
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
    MEMBERS,
    ROOT,
    RunPaths,
    digest,
    existing,
    is_marked,
    write_marker,
)

_LISTED = 5  # maximum number of runs that a hint lists
_ELSEWHERE = "choose another folder, for example --out runs/NAME"


@dataclass
class RunFolder:
    """A run folder that this process has locked.

    Args:
        paths: the final location of the run.
        staging: the temporary folder of a run that replaces another.
    """

    paths: RunPaths
    staging: StagedFolder | None = None

    @property
    def is_staged(self) -> bool:
        """Whether the run has not yet replaced the old one."""
        return self.staging is not None and not self.staging.committed

    @property
    def current(self) -> RunPaths:
        """The current location of the run's files."""
        if self.staging is None or self.staging.committed:
            return self.paths
        return RunPaths(self.staging.path, self.paths.extra_best)

    def replace_old_run(self) -> None:
        """Replace the old run with the staged one; do nothing if it has already been replaced.

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

    Without ``out`` the folder is ``root/name``, then ``name-2``, ``name-3``, ... If ``out`` is a
    folder, it is that folder. If ``out`` ends in ``.pt``, it is the folder of that name without
    the suffix, and ``extra_best`` is the file.

    Args:
        name: the name of the run.
        out: the folder or file passed by the user.
        root: the parent folder of runs without ``out``.
        force: replace the run in ``out``, which is kept until the new one has a checkpoint.

    Raises:
        UsageError: ``out`` contains a run (without ``force``) or other files that a run would
            overwrite, or cannot be written.
    """
    run = RunPaths(_numbered(root, _file_name(name))) if out is None else requested(out)
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
    """Lock the folder of an existing run.

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
    """Lock the run folder for one process, and remove temporary files of killed processes.

    Raises:
        UsageError: another process holds the lock; the message names its id.
    """
    with hold(run.lock):
        remove_stale(run.folder)
        yield


def requested(out: Path) -> RunPaths:
    """Return the paths for ``--out``, and restore the run there if a killed process replaced it.

    Raises:
        UsageError: a run cannot be written there.
    """
    if str(out) == "-":
        raise UsageError("--out -: a run cannot be written to stdout", _ELSEWHERE)
    with writing(out):
        if out.suffix != ".pt" or out.is_dir():
            run = RunPaths(out)
        else:
            check_output(out, overwrite=True)
            run = RunPaths(out.with_suffix(""), out)
        _check_location(run.folder)
    restore_run(run.folder)
    return run


def _check_location(folder: Path) -> None:
    """Refuse shared folders such as the working directory and the home folder."""
    whole = resolved_folder(folder)
    for what, place in (*_shared_places(), ("the root folder", Path(whole.anchor))):
        if place.is_relative_to(whole):
            relation = "is" if place == whole else "contains"
            raise UsageError(
                f"{folder} {relation} {what}, which cannot be a run folder", _ELSEWHERE
            )


def _shared_places() -> Iterator[tuple[str, Path]]:
    with contextlib.suppress(OSError, RuntimeError):  # there may be no home folder
        yield "your home folder", Path.home().resolve()


def _check_free(run: RunPaths, force: bool) -> None:
    """Refuse to overwrite a run without ``force``, or other files in any case."""
    taken = [path for path in run.files() if os.path.lexists(path)]
    if taken and not is_marked(run.folder):
        message = f"{run.folder} contains {taken[0].name} but is not a run folder of seqcli"
        raise UsageError(message, _ELSEWHERE)
    extra = run.extra_best
    places = ((run.folder, run.has_checkpoint()), (extra, extra is not None and extra.exists()))
    for path, used in places:
        if used and not force:
            hint = "resume it with --resume, choose another --out, or overwrite it with --force"
            raise UsageError(f"{path} already contains a run", hint)


@contextlib.contextmanager
def _staged(run: RunPaths) -> Iterator[RunFolder]:
    """Prepare the new run in a temporary folder next to the old one."""
    if run.folder.is_mount():
        message = f"{run.folder} is a mount point, so the run in it cannot be replaced"
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
    if file.parts[0] == MEMBERS and len(file.parts) > 2 and file.parts[1].isdecimal():
        return _is_ours(PurePath(*file.parts[2:]))
    if file.parent == PurePath(run.tensorboard.name):
        return file.match(EVENTS)
    return str(file) in (MARKER, run.lock.name, *(str(path) for path in run.files()))


def restore_run(folder: Path) -> None:
    """Restore a run folder that a killed process was replacing; see `recover`."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # not a valid folder
        if not os.path.lexists(folder):
            recover(folder.resolve(), _is_ours)


def _complete(run: RunPaths) -> None:
    """Complete the replacement that a killed process left unfinished; requires the lock."""
    with writing(run.folder):
        recover(run.folder.resolve(), _is_ours)


def _file_name(name: str) -> str:
    """Return ``name`` as one safe path component."""
    return re.sub(r"[^\w.+=-]+", "-", name).strip(".-")[:100] or "run"


def _numbered(root: Path, name: str) -> Path:
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = root / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()  # only one of two processes succeeds
                return folder
    raise AssertionError("unreachable")


Loaded = TypeVar("Loaded")


@blamed(CheckpointError)
def find_run(path: Path, root: Path = ROOT) -> RunPaths:
    """Return the run at ``path``: its folder, a file in it, or its ``--out FILE.pt``.

    Raises:
        CheckpointError: there is no run; the hint suggests the closest one.
    """
    places = [path]
    if path.suffix == ".pt":
        places.append(path.with_suffix(""))
    if path.is_file():
        places.append(path.parent)
    for folder in places:
        restore_run(folder)
        if folder.is_dir() and RunPaths(folder).holds_run():
            return existing(folder)
    raise _no_checkpoint(path, root)


@blamed(CheckpointError)
def find_checkpoint(path: Path, prefer: str = "best", root: Path = ROOT) -> Path:
    """Return the checkpoint file for ``path``, a run folder or a file.

    ``prefer`` is ``"best"`` (or the last, if no epoch has ended yet) or ``"last"`` (or the one
    before it).

    Raises:
        CheckpointError: there is none; the hint suggests the closest run.
    """
    if not path.is_dir():
        if os.path.lexists(path):
            return path  # its reader checks the kind of file
        raise _no_checkpoint(path, root)
    run = RunPaths(path)
    choices = (run.last, run.previous) if prefer == "last" else (run.best, run.last, run.previous)
    for choice in choices:
        if choice.exists():
            return choice
    raise _no_checkpoint(path, root)


def load_last(run: RunPaths, load: Callable[[Path], Loaded]) -> tuple[Loaded, str]:
    """Load the newest intact checkpoint; return it, and a note if it is not the last.

    A damaged ``last.pt`` is moved to ``last.damaged.pt``, so that the next save does not replace
    the intact one with it. Requires the lock.

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
        hint = "it stopped before its first checkpoint: train again"
        return CheckpointError(f"{path}: this run has no checkpoint", hint)
    problem = "contains no checkpoint" if path.is_dir() else "no such run or file"
    return CheckpointError(f"{path}: {problem}", _nearest(path, root))


def _nearest(path: Path, root: Path) -> str:
    """Return a hint with runs, near ``path`` and under ``root``, whose name is similar."""
    runs = {run.name: run for run in runs_near(path.parent, root)}
    near = difflib.get_close_matches(path.name.removesuffix(".pt"), runs, n=1, cutoff=0.5)
    return f"did you mean {runs[near[0]]}?" if near else existing_runs_hint(path.parent, root)


def existing_runs_hint(folder: Path = Path(), root: Path = ROOT) -> str:
    """Return a hint that lists the newest runs in a folder and under ``root``."""
    runs = runs_near(folder, root)
    more = f" and {len(runs) - _LISTED} more (seqcli runs)" if len(runs) > _LISTED else ""
    some = ", ".join(map(str, runs[:_LISTED])) + more
    return f"existing runs: {some}" if runs else "train first: seqcli train --task reverse"


def runs_near(folder: Path = Path(), root: Path = ROOT) -> list[Path]:
    """Return the runs in two folders and one level below them, newest first."""
    runs = {run for one in (folder, root) for run in find_runs(one, depth=2)}
    return sorted(runs, key=lambda run: (-_modified(run), run))


def find_runs(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the run folders in a folder; those of an ensemble's members are not listed.

    Args:
        folder: the folder to search, which may be missing.
        depth: 1 for the folders in it, 2 also for those in these, ...
    """
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if not path.is_dir() or path.name.startswith("."):
                continue
            if RunPaths(path).holds_run():
                yield path
            elif depth > 1:
                yield from find_runs(path, depth - 1)


def _modified(folder: Path) -> float:
    with contextlib.suppress(OSError):
        return folder.stat().st_mtime
    return 0.0
