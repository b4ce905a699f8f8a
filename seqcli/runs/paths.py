"""The files of a run folder: names, marker, and how a checkpoint is kept and published."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

from seqcli.files.atomic import temporary_name, write_atomically, writing
from seqcli.files.system import open_descriptor

ROOT = Path("runs")
MARKER = ".seqcli-run"
EVENTS = "events.out.tfevents.*"
_MARKER_BYTES = 4096  # a longer one is not ours
_BLOCK = 1 << 20


@dataclass(frozen=True)
class RunPaths:
    """The files of one run.

    ``extra_best`` is the file next to the folder that the best checkpoint is also written to
    (``--out FILE.pt``), or None.
    """

    folder: Path
    extra_best: Path | None = None

    @property
    def config(self) -> Path:
        """The final configuration, with the origin of each value."""
        return self.folder / "config.yaml"

    @property
    def best(self) -> Path:
        """The checkpoint of the best epoch."""
        return self.folder / "best.pt"

    @property
    def best_previous(self) -> Path:
        """The checkpoint of the best epoch before ``best``."""
        return self.folder / "best.prev.pt"

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
    def damaged_metrics(self) -> Path:
        """Where a ``metrics`` with lines that cannot be read is put."""
        return self.folder / "metrics.damaged.jsonl"

    @property
    def named_rows(self) -> Path:
        """The rows of the user's files that were left out, or kept with a warning."""
        return self.folder / "named_rows.tsv"

    @property
    def curves(self) -> Path:
        """Loss and accuracy, train against validation."""
        return self.folder / "curves.png"

    @property
    def result(self) -> Path:
        """The scores of the run in a comparison."""
        return self.folder / "result.json"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.folder / "tb"

    @property
    def lock(self) -> Path:
        """Held while a process writes here; holds its process id."""
        return self.folder / ".lock"

    @property
    def marker(self) -> Path:
        """Says that the folder is a run folder, and which file it publishes its best to."""
        return self.folder / MARKER

    def files(self) -> tuple[Path, ...]:
        """Return the files that a run may leave in its folder, except marker and lock."""
        checkpoints = (self.best, self.best_previous, self.last, self.previous, self.damaged)
        logs = (self.metrics, self.damaged_metrics, self.curves, self.named_rows, self.result)
        return (self.config, *checkpoints, *logs)

    def holds_run(self) -> bool:
        """Return whether any file of a run is here."""
        return any(path.exists() for path in self.files())

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint, whole or damaged."""
        return any(path.exists() for path in (self.best, self.last, self.previous, self.damaged))

    def clear(self) -> None:
        """Remove the files of the run, and nothing else that may be in the folder.

        Raises:
            SeqcliError: the disk is broken.
            UsageError: the folder cannot be written.
        """
        with writing(self.folder):
            for path in (*self.files(), *self.tensorboard.glob(EVENTS)):
                path.unlink(missing_ok=True)


def existing(folder: Path) -> RunPaths:
    """Return the paths of a run that was begun before, ``extra_best`` included.

    The marker may come from anywhere: only the file named after the folder, next to it, is used.
    """
    named = Path(os.path.abspath(folder))  # noqa: PTH100 - a link keeps its own name
    if read_marker(folder).get("extra_best") != f"{named.name}.pt":
        return RunPaths(folder)
    plain = folder if folder.name not in ("", "..") else named
    return RunPaths(folder, plain.with_name(f"{named.name}.pt"))


def write_marker(run: RunPaths, replaces: str = "") -> None:
    """Mark a folder as a run folder.

    Args:
        run: its files; the name of ``extra_best`` is stored.
        replaces: the digest of the file that ``extra_best`` replaces, or "".

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    name = run.extra_best.name if run.extra_best else None
    text = json.dumps({"extra_best": name, "replaces": replaces}) + "\n"
    write_atomically(run.marker, lambda file: file.write(text.encode()))


def is_marked(folder: Path) -> bool:
    """Return whether a folder carries the marker of a run folder."""
    try:
        return stat.S_ISREG((folder / MARKER).lstat().st_mode)
    except OSError:
        return False


def read_marker(folder: Path) -> dict[str, Any]:
    """Return what the marker of a folder says; {} where there is none that can be read."""
    try:
        descriptor = open_descriptor(folder / MARKER, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            found = json.loads(file.read(_MARKER_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def digest(path: Path | None) -> str:
    """Return the SHA-256 of a regular file; "" where there is none."""
    try:
        descriptor = open_descriptor(path or Path(os.devnull), os.O_RDONLY)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        found = sha256()
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


def keep(path: Path, previous: Path) -> None:
    """Keep the file at ``path`` as ``previous``: call it before ``path`` is replaced.

    Both names lead to one file until then, where the disk has hard links; else it is copied.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if not path.exists():
        return
    if previous.exists() and previous.samefile(path):
        return  # a rename between two names of one file would do nothing and leave both
    temporary = temporary_name(previous)
    with writing(previous):
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(path)
            temporary.replace(previous)
        except OSError:  # a disk without hard links
            copy(path, previous)


def publish_best(run: RunPaths) -> None:
    """Write the best checkpoint to ``--out FILE.pt`` too, where that was asked for.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    if run.extra_best is None or not run.best.exists():
        return
    if not (run.extra_best.is_file() and filecmp.cmp(run.best, run.extra_best, shallow=False)):
        copy(run.best, run.extra_best)


def may_publish(run: RunPaths) -> bool:
    """Return whether the file at ``extra_best`` is missing, or is this run's to replace.

    It is the run's if it holds one of its last two best checkpoints, or what ``--force`` was
    allowed to replace when the run began.
    """
    there = digest(run.extra_best)
    ours = (digest(run.best), digest(run.best_previous), read_marker(run.folder).get("replaces"))
    return run.extra_best is None or not run.extra_best.exists() or (there != "" and there in ours)


def write_named_rows(run: RunPaths, rows: bytes | Path) -> None:
    """Write the rows that were flagged: what a file holds, or a copy of one.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if isinstance(rows, Path):
        copy(rows, run.named_rows)
    else:
        write_atomically(run.named_rows, lambda file: file.write(rows))


def copy(source: Path, target: Path) -> None:
    """Copy a file in one step.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the target cannot be written.
    """

    def fill(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    write_atomically(target, fill)
