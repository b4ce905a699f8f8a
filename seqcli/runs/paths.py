"""The files of a run folder: their names, the marker, copies of checkpoints, and ensembles.

The run folder of an ensemble names its members in ``ensemble.json``, which is written before the
first member is trained. Each member has an ordinary run folder: ``members/1``, ``members/2`` and so
on.
"""

from __future__ import annotations

import filecmp
import json
import os
import shlex
import shutil
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

from seqcli.errors import CheckpointError
from seqcli.files.atomic import temporary_name, write_atomically, writing
from seqcli.files.regular import read_json
from seqcli.files.system import open_descriptor
from seqcli.schema import SchemaError

ROOT = Path("runs")
MARKER = ".seqcli-run"
MEMBERS = "members"  # the folder in the run folder of an ensemble that has one folder per member
EVENTS = "events.out.tfevents.*"
_MARKER_BYTES = 4096  # a longer file is not a marker
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
        """The newest checkpoint, from which a run resumes."""
        return self.folder / "last.pt"

    @property
    def previous(self) -> Path:
        """The checkpoint before ``last``."""
        return self.folder / "last.prev.pt"

    @property
    def damaged(self) -> Path:
        """A ``last`` that could not be read."""
        return self.folder / "last.damaged.pt"

    @property
    def metrics(self) -> Path:
        """The metrics of each epoch, one JSON object per line."""
        return self.folder / "metrics.jsonl"

    @property
    def damaged_metrics(self) -> Path:
        """A ``metrics`` with lines that could not be read."""
        return self.folder / "metrics.damaged.jsonl"

    @property
    def named_rows(self) -> Path:
        """The flagged rows of the user's files: left out, or kept with a warning."""
        return self.folder / "named_rows.tsv"

    @property
    def curves(self) -> Path:
        """The plot of training and validation loss and accuracy."""
        return self.folder / "curves.png"

    @property
    def result(self) -> Path:
        """The scores of the run in a comparison."""
        return self.folder / "result.json"

    @property
    def environment(self) -> Path:
        """The command, versions and machine of each process that trained the run."""
        return self.folder / "environment.json"

    @property
    def report(self) -> Path:
        """The page about the run; a comparison has a file of that name, so it marks no run."""
        return self.folder / "report.html"

    @property
    def ensemble(self) -> Path:
        """The names of the members of an ensemble, whose run folders are in ``members``."""
        return self.folder / "ensemble.json"

    @property
    def members(self) -> tuple[RunPaths, ...]:
        """The run folders of the members of an ensemble, in order; none for a single model."""
        folders = (self.folder / MEMBERS).glob("[0-9]*")
        numbered = [one for one in folders if one.name.isdecimal() and one.is_dir()]
        return tuple(RunPaths(one) for one in sorted(numbered, key=lambda one: int(one.name)))

    @property
    def distilled(self) -> Path:
        """The training rows that a teacher predicted."""
        return self.folder / "distilled.json"

    @property
    def tensorboard(self) -> Path:
        """The folder of TensorBoard's event files."""
        return self.folder / "tb"

    @property
    def lock(self) -> Path:
        """Locked while a process writes to the folder; contains its process id."""
        return self.folder / ".lock"

    @property
    def marker(self) -> Path:
        """Marks the folder as a run folder, and names the file its best checkpoint is copied to."""
        return self.folder / MARKER

    def files(self) -> tuple[Path, ...]:
        """Return the files that a run may write to its folder, except marker and lock."""
        checkpoints = (self.best, self.best_previous, self.last, self.previous, self.damaged)
        logs = (self.metrics, self.damaged_metrics, self.curves, self.named_rows, self.result)
        others = (self.environment, self.ensemble, self.distilled)
        return (self.config, *others, *checkpoints, *logs)

    def holds_run(self) -> bool:
        """Return whether the folder contains any file of a run."""
        return any(path.exists() for path in self.files())

    def has_checkpoint(self) -> bool:
        """Return whether there is a checkpoint, intact or damaged, of the run or of a member."""
        own = (self.best, self.last, self.previous, self.damaged)
        return any(path.exists() for path in own) or any(
            member.has_checkpoint() for member in self.members
        )

    def clear(self) -> None:
        """Remove the files of the run, and no other files in the folder.

        Raises:
            SeqcliError: the disk is broken.
            UsageError: the folder cannot be written.
        """
        with writing(self.folder):
            for path in (*self.files(), *self.tensorboard.glob(EVENTS)):
                path.unlink(missing_ok=True)
        for member in self.members:
            member.clear()


def existing(folder: Path) -> RunPaths:
    """Return the paths of an existing run, including ``extra_best``.

    The marker is not trusted: only a file next to the folder, with its name, is used.
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
    """Return whether a folder has the marker of a run folder."""
    try:
        return stat.S_ISREG((folder / MARKER).lstat().st_mode)
    except OSError:
        return False


def read_marker(folder: Path) -> dict[str, Any]:
    """Return the content of a folder's marker; {} if it is missing or unreadable."""
    try:
        descriptor = open_descriptor(folder / MARKER, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            content = json.loads(file.read(_MARKER_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def digest(path: Path | None) -> str:
    """Return the SHA-256 of a regular file; "" if there is none."""
    try:
        descriptor = open_descriptor(path or Path(os.devnull), os.O_RDONLY)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        checksum = sha256()
        while block := file.read(_BLOCK):
            checksum.update(block)
    return checksum.hexdigest()


def keep(path: Path, previous: Path) -> None:
    """Keep the file at ``path`` as ``previous``; call this before ``path`` is replaced.

    Uses a hard link where the file system has them, else a copy.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if not path.exists():
        return
    if previous.exists() and previous.samefile(path):
        return  # renaming a file to another link of it does nothing
    temporary = temporary_name(previous)
    with writing(previous):
        temporary.unlink(missing_ok=True)
        try:
            temporary.hardlink_to(path)
            temporary.replace(previous)
        except OSError:  # a disk without hard links
            copy(path, previous)


def publish_best(run: RunPaths) -> None:
    """Copy the best checkpoint to ``--out FILE.pt``, if specified.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written.
    """
    if run.extra_best is None or not run.best.exists():
        return
    if not (run.extra_best.is_file() and filecmp.cmp(run.best, run.extra_best, shallow=False)):
        copy(run.best, run.extra_best)


def may_publish(run: RunPaths) -> bool:
    """Return whether the run may write ``extra_best``.

    It may if the file is missing, is one of the run's last two best checkpoints, or is the file
    that ``--force`` allowed to replace when the run started.
    """
    current = digest(run.extra_best)
    replaceable = (
        digest(run.best),
        digest(run.best_previous),
        read_marker(run.folder).get("replaces"),
    )
    return (
        run.extra_best is None
        or not run.extra_best.exists()
        or (current != "" and current in replaceable)
    )


def write_named_rows(run: RunPaths, rows: bytes | Path) -> None:
    """Write the flagged rows, from the content of a file or by copying a file.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    if isinstance(rows, Path):
        copy(rows, run.named_rows)
    else:
        write_atomically(run.named_rows, lambda file: file.write(rows))


def copy(source: Path, target: Path) -> None:
    """Copy a file atomically.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the target cannot be written.
    """

    def fill(file: BinaryIO) -> None:
        with source.open("rb") as original:
            shutil.copyfileobj(original, file)

    write_atomically(target, fill)


_MAX_BYTES = 1 << 16  # a longer file was not written by seqcli


class EnsembleFile(TypedDict):
    """The content of ``ensemble.json``."""

    members: list[str]


def member_paths(run: RunPaths, name: str) -> RunPaths:
    """Return the paths of the member called ``name``."""
    return RunPaths(run.folder / MEMBERS / name)


def write_members(run: RunPaths, names: tuple[str, ...]) -> None:
    """Write the names of the members.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    text = json.dumps({"members": list(names)}) + "\n"
    write_atomically(run.ensemble, lambda file: file.write(text.encode()))


def read_members(run: RunPaths) -> tuple[RunPaths, ...]:
    """Return the run folders of the members of an ensemble.

    Raises:
        CheckpointError: the file of their names is damaged.
    """
    try:
        names = read_json(run.ensemble, EnsembleFile, _MAX_BYTES)["members"]
    except (OSError, SchemaError):
        names = []
    if not names or not all(name.isascii() and name.isdecimal() for name in names):
        hint = f"name the members: {shlex.quote(f'{run.folder}/{MEMBERS}/*')}"
        raise CheckpointError(f"{run.ensemble}: does not name the members of an ensemble", hint)
    return tuple(member_paths(run, name) for name in names)
