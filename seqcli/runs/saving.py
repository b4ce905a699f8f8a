"""Steps of a commit that need no checkpoint reader: keep the file before, publish the best."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path
from typing import BinaryIO

from seqcli.files.atomic import temporary_name, write_atomically, writing
from seqcli.runs.paths import RunPaths, digest, read_marker


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
