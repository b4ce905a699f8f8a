"""Run folders: where they are made, what is in them, who may write there, how they are found."""

from __future__ import annotations

import contextlib
import difflib
import itertools
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from seqcli.errors import CheckpointError, UsageError, blamed
from seqcli.files.atomic import remove_stale, temporary_name, write_atomically, writing
from seqcli.files.lock import hold

ROOT = Path("runs")
_OUT = ".out"  # names the file beside the folder that the best checkpoint is also written to
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class RunPaths:
    """The files of one run.

    ``extra_best`` is the file beside the folder that the best checkpoint is also written to
    (``--out FILE.pt``), or None.
    """

    folder: Path
    extra_best: Path | None = None

    @property
    def config(self) -> Path:
        """The final configuration, with where each value came from."""
        return self.folder / "config.yaml"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / "best.pt"

    @property
    def last(self) -> Path:
        """The newest checkpoint, with all that resuming needs."""
        return self.folder / "last.pt"

    @property
    def previous(self) -> Path:
        """The checkpoint before ``last``."""
        return self.folder / "last.prev.pt"

    @property
    def damaged(self) -> Path:
        """Where a ``last`` that cannot be read is put."""
        return self.folder / "last.damaged.pt"

    @property
    def metrics(self) -> Path:
        """One JSON document a line: the scores of each epoch."""
        return self.folder / "metrics.jsonl"

    @property
    def named_rows(self) -> Path:
        """The rows of the user's files that were left out, or kept with a warning."""
        return self.folder / "named_rows.tsv"

    @property
    def curves(self) -> Path:
        """Loss and accuracy, train against validation."""
        return self.folder / "curves.png"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.folder / "tb"

    @property
    def lock(self) -> Path:
        """Held while a process writes here; holds its process id."""
        return self.folder / ".lock"

    def holds_run(self) -> bool:
        """Whether a run was begun here."""
        return any(path.exists() for path in self._files())

    def clear(self) -> None:
        """Remove the files of the run, and nothing else that may be in the folder."""
        with writing(self.folder):
            for path in (
                *self._files(),
                self.damaged,
                *self.tensorboard.glob("events.out.tfevents.*"),
            ):
                path.unlink(missing_ok=True)

    def _files(self) -> tuple[Path, ...]:
        kept = (self.config, self.best, self.last, self.previous, self.metrics, self.curves)
        return (*kept, self.named_rows, self.folder / _OUT)


def new_folder(
    name: str, out: Path | None = None, root: Path = ROOT, force: bool = False
) -> RunPaths:
    """Make the folder of a new run.

    Without ``out`` it is ``root/name``, then ``name-2``, ``name-3`` ... With ``out`` a folder, it
    is that one. With ``out`` a name that ends in ``.pt``, it is the folder of that name without
    the ending, and ``extra_best`` is the file.

    Raises:
        UsageError: ``out`` already holds a run (and not ``force``), or cannot be made.
    """
    if out is None:
        return RunPaths(_numbered(root, _file_name(name)))
    if out.suffix == ".pt" and not out.is_dir():
        return _begin(RunPaths(out.with_suffix(""), out), force)
    return _begin(RunPaths(out), force)


def existing(folder: Path) -> RunPaths:
    """Return the paths of a run that was begun before, ``extra_best`` included."""
    try:
        name = Path((folder / _OUT).read_text("utf-8").strip()).name
    except (OSError, UnicodeDecodeError):
        return RunPaths(folder)
    return RunPaths(folder, folder.parent / name if name.endswith(".pt") else None)


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
        return loaded, f"{error.message}; going on from {run.previous}"


def keep_previous(run: RunPaths) -> None:
    """Keep ``last.pt`` as ``last.prev.pt``: call it before ``last.pt`` is replaced.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if not run.last.exists():
        return
    if run.previous.exists() and run.previous.samefile(run.last):
        return  # a rename between two names of one file would do nothing and leave both
    temporary = temporary_name(run.previous)
    with writing(run.previous):
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(run.last)
            temporary.replace(run.previous)
        except OSError:  # a disk without hard links
            _copy(run.last, run.previous)


def publish_best(run: RunPaths) -> None:
    """Write the best checkpoint to ``--out FILE.pt`` too, where that was asked for.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    if run.extra_best is not None and run.best.exists():
        _copy(run.best, run.extra_best)


def write_named_rows(run: RunPaths, rows: bytes | Path) -> None:
    """Write the rows that were named: what a file holds, or a copy of one.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if isinstance(rows, Path):
        _copy(rows, run.named_rows)
    else:
        write_atomically(run.named_rows, lambda file: file.write(rows))


@contextlib.contextmanager
def locked(run: RunPaths) -> Iterator[None]:
    """Let one process at a time write to the run's folder, and clear up after those that died.

    Raises:
        UsageError: another process is at it; the message names its id.
    """
    with hold(run.lock):
        remove_stale(run.folder)
        yield


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


def _begin(run: RunPaths, force: bool) -> RunPaths:
    for path, taken in ((run.folder, run.holds_run()), (run.extra_best, _exists(run.extra_best))):
        if taken and not force:
            hint = "resume it with --resume, or choose another --out; --force overwrites"
            raise UsageError(f"{path} already holds a run", hint)
    with writing(run.folder):
        run.folder.mkdir(parents=True, exist_ok=True)
    with locked(run):
        run.clear()
        if run.extra_best is not None:
            name = run.extra_best.name.encode()
            write_atomically(run.folder / _OUT, lambda file: file.write(name))
    return run


def _exists(path: Path | None) -> bool:
    return path is not None and path.exists()


def _load_previous(run: RunPaths, load: Callable[[Path], Loaded], error: CheckpointError) -> Loaded:
    try:
        return load(run.previous)
    except CheckpointError:
        raise error from None


def _copy(source: Path, target: Path) -> None:
    def copy(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    write_atomically(target, copy)


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
