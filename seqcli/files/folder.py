"""Folders that appear whole or not at all, whatever kills the process that writes them."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from seqcli.errors import UsageError
from seqcli.files.atomic import process_alive, writing


@contextmanager
def replacing_folder(path: Path, names: Collection[str], force: bool) -> Iterator[Path]:
    """Give an empty folder beside ``path`` to fill; rename it to ``path`` at the end.

    What writers that died left beside ``path`` is removed first.

    Args:
        path: the folder to make; its parents are made too.
        names: the files such a folder may hold: one that holds others is never replaced.
        force: replace a folder that is not empty.

    Raises:
        UsageError: ``path`` is in the way or cannot be written.
        SeqcliError: the disk is full or broken.
    """
    path = path.absolute()
    with writing(path):
        _check_free(path, names, force)
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
        partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        partial.mkdir()
        try:
            yield partial
            _swap(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _check_free(path: Path, names: Collection[str], force: bool) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file", "choose another folder")
    held = sorted(one.name for one in path.iterdir()) if path.exists() else []
    strange = [name for name in held if name not in names]
    if strange:
        message = f"{path} holds other things, such as {strange[0]}: it is not replaced"
        raise UsageError(message, "choose another folder")
    if held and not force:
        raise UsageError(f"{path} already holds a data set", "choose another, or give --force")


def _remove_stale(path: Path) -> None:
    for left in path.parent.glob(f".{glob.escape(path.name)}.partial-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdecimal() and (int(pid) == os.getpid() or not process_alive(int(pid))):
            shutil.rmtree(left)


def _swap(partial: Path, path: Path) -> None:
    """Put ``partial`` at ``path``; what was there goes once the new folder stands."""
    old = path.with_name(f".{path.name}.partial-old-{os.getpid()}")
    if path.exists():
        path.rename(old)
    partial.rename(path)
    shutil.rmtree(old, ignore_errors=True)
