"""Who may write a run folder, and how a new run takes the place of an old one.

A run that replaces another (``--force``) is prepared in a folder of its own next to the old one.
It takes the place of the old run with its first checkpoint: the two folders are exchanged in one
step. Until then the old run is whole, whatever happens to the new one. Afterwards the files of the
old run are removed, and all other files that were in its folder move back to it.

Both steps are repeated for a process that was killed: whoever locks the folder next completes them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from seqcli.errors import UsageError
from seqcli.files.atomic import remove_stale, writing
from seqcli.files.lock import hold
from seqcli.files.system import exchange, sync_folder
from seqcli.runs.paths import (
    MARKER,
    ROOT,
    RunPaths,
    digest,
    is_marked,
    write_marker,
)

_ELSEWHERE = "choose another folder, for example --out runs/NAME"
_LONGEST_NAME = 200  # bytes; file systems allow 255, the temporary name adds some


@dataclass
class RunFolder:
    """A run folder that this process has locked.

    Args:
        paths: where the run is to be found.
        staged: where a run that replaces another is prepared, until its first checkpoint.
    """

    paths: RunPaths
    staged: RunPaths | None = None

    @property
    def current(self) -> RunPaths:
        """Where the files of the run are now."""
        return self.staged or self.paths

    def take_place(self) -> None:
        """Put a staged run in the place of the old one; do nothing if it is there already.

        Raises:
            SeqcliError: the disk is full or broken.
            UsageError: the folder cannot be renamed.
        """
        if self.staged is None:
            return
        with writing(self.paths.folder):
            _exchange(self.staged.folder, self.paths.folder)
            sync_folder(self.paths.folder.parent)
            left, self.staged = self.staged.folder, None
            _retire(left, self.paths.folder)


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
    restore(run.folder)
    with writing(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run):
        _sweep(run)
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
        _sweep(run)
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
    if out.suffix == ".pt" and not out.is_dir():
        if os.path.lexists(out) and not out.is_file():
            raise UsageError(f"{out} is not a regular file", "choose another --out")
        run = RunPaths(out.with_suffix(""), out)
    else:
        run = RunPaths(out)
    _check_place(run.folder)
    return run


def _check_place(folder: Path) -> None:
    """Refuse folders that are never a run's alone."""
    with writing(folder):
        whole = folder.resolve()
    for what, place in (*_shared_places(), ("the root folder", Path(whole.anchor))):
        if place.is_relative_to(whole):
            relation = "is" if place == whole else "contains"
            raise UsageError(f"{folder} {relation} {what}: no run is written there", _ELSEWHERE)


def _shared_places() -> Iterator[tuple[str, Path]]:
    with contextlib.suppress(OSError):  # it may be gone
        yield "the working directory", Path.cwd().resolve()
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
    folder = _staging(run.folder)
    staged = RunPaths(folder, run.extra_best)
    with writing(folder):
        folder.mkdir()
        folder.chmod(stat.S_IMODE(run.folder.stat().st_mode))
    try:
        with hold(staged.lock):
            write_marker(staged, digest(run.extra_best))
            yield RunFolder(run, staged)
    finally:
        with contextlib.suppress(OSError):  # the next process sweeps it
            _retire(folder, run.folder)


def _staging(folder: Path) -> Path:
    """Return where the successor of a run is prepared: one place, so that it is found again."""
    folder = folder.resolve()
    raw = os.fsencode(folder.name)
    short = folder.name if len(raw) <= _LONGEST_NAME else sha256(raw).hexdigest()[:32]
    return folder.with_name(f".{short}.seqcli-new")


def _exchange(new: Path, old: Path) -> None:
    old = old.resolve()
    if exchange(new, old):
        return
    aside = _aside(new)  # no such call on this system: a moment without a folder, see `restore`
    old.rename(aside)
    new.rename(old)
    aside.rename(new)


def _aside(staging: Path) -> Path:
    return staging.with_name(f"{staging.name}-old")


def restore(folder: Path) -> None:
    """Put back a run whose process was killed halfway through the exchange of two folders.

    Raises:
        UsageError: the folder cannot be written.
    """
    try:
        aside = _aside(_staging(folder))
    except (OSError, ValueError, RuntimeError):  # no possible folder
        return
    if is_marked(aside) and not os.path.lexists(folder):
        with writing(folder):
            aside.rename(folder)


def _sweep(run: RunPaths) -> None:
    """Complete what a killed process began: hold the lock.

    Raises:
        UsageError: the place for the new run is taken by something that is not ours.
    """
    staging = _staging(run.folder)
    for left in (staging, _aside(staging)):
        with writing(left):
            if os.path.lexists(left):
                _retire(left, run.folder)
            if os.path.lexists(left):
                raise UsageError(f"{left} is in the way", "look what it is, and move it elsewhere")


def _retire(left: Path, home: Path) -> None:
    """Remove the files of the run in ``left``; move all else from there to ``home``.

    Only a folder that carries our marker is touched, or one with nothing but a lock in it.
    """
    if left.is_symlink() or not left.is_dir():
        return
    run = RunPaths(left)
    if is_marked(left):
        run.clear()
        remove_stale(left)
        with contextlib.suppress(OSError):  # there is none, or the user keeps something in it
            run.tensorboard.rmdir()
        for entry in sorted(left.iterdir()):
            if entry.name not in (MARKER, run.lock.name):
                _move(entry, home)
        run.marker.unlink(missing_ok=True)
    run.lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty: not ours
        left.rmdir()


def _move(entry: Path, home: Path) -> None:
    """Move a file or folder of the user's into ``home``, without replacing another."""
    target = home / entry.name
    if entry.is_dir() and not entry.is_symlink() and target.is_dir():
        for inner in sorted(entry.iterdir()):
            _move(inner, target)
        entry.rmdir()
    else:
        entry.rename(_free(target))


def _free(path: Path) -> Path:
    """Return ``path``, or the first of ``path.2``, ``path.3`` ... that is not there."""
    others = (path.with_name(f"{path.name}.{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], others) if not os.path.lexists(one))


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
