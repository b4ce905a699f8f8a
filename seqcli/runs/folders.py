"""Who may write a run folder, and how a new run takes the place of an old one.

A run that replaces another (``--force``) is prepared in a folder of its own next to the old one
(`seqcli.files.folder`). It takes the place of the old run with its first checkpoint, in one step.
Until then the old run is whole, whatever happens to the new one. Afterwards the files of the old
run are removed, and all other files that were in its folder move to the new one. Whoever locks the
folder next completes what a killed process began.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from seqcli.errors import UsageError
from seqcli.files.atomic import check_output, remove_stale, writing
from seqcli.files.folder import StagedFolder, recover, resolved_folder, staged_folder
from seqcli.files.lock import hold
from seqcli.runs.paths import (
    EVENTS,
    MARKER,
    ROOT,
    RunPaths,
    digest,
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
