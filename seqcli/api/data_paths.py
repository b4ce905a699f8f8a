"""Store the paths of a run's data files, and find the files again later.

A checkpoint stores each path as it was typed, as an absolute path, and relative to the run folder.
A command can then find the data from any working directory, and after the run and its data were
moved together. The data is checked by digest before it is used (`seqcli.api.evaluation_data`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcli.checkpoints.content import FileLocation, RunRecord
from seqcli.config import DataConfig

PATH_KEYS = {
    "path": "--data",
    "train_file": "--train",
    "val_file": "--val",
    "test_file": "--test",
}
"""The keys of the section ``data`` that name files, and the options that set them."""
_BETWEEN = ","  # separates two parallel files


def locations(data: DataConfig, folder: Path) -> dict[str, FileLocation]:
    """Return the paths of the data files, in the form that checkpoints store.

    Args:
        data: the data settings of the run; the files must exist.
        folder: the run folder.

    Returns:
        key of the section ``data`` -> its paths.
    """
    stored = {}
    for key, text in file_settings(data):
        paths = [os.path.abspath(path) for path in _files(text)]  # noqa: PTH100 - keep links
        relative = [_relative(path, folder) for path in paths]
        stored[key] = FileLocation(_BETWEEN.join(paths), _BETWEEN.join(relative))
    return stored


def current_paths(data: DataConfig, record: RunRecord, checkpoint: Path) -> DataConfig:
    """Return the data settings with the current path of each file.

    The stored absolute path is tried first, then the path relative to the run folder, then the path
    that was typed. Only paths of regular files and folders are used.

    Args:
        data: the data settings in a checkpoint.
        record: the record in the checkpoint, with the `locations` of the files.
        checkpoint: the checkpoint file.
    """
    stored = record.locations or {}
    moved: dict[str, Any] = {}
    for key, text in file_settings(data):
        candidates = _candidates(text, stored.get(key, FileLocation()), checkpoint)
        readable = [path for path in candidates if is_readable(path)]
        if readable and not _same(text, readable[0]):
            moved[key] = readable[0]
    return replace(data, **moved)


def is_readable(text: str) -> bool:
    """Return whether a path names a regular file, a pair of regular files, or a folder."""
    try:
        files = _files(text)
        return all(map(Path.is_file, files)) or (len(files) == 1 and files[0].is_dir())
    except (OSError, ValueError):  # not a valid path
        return False


def file_settings(data: DataConfig) -> Iterator[tuple[str, str]]:
    """Yield the data keys that are set to file names, with their values."""
    for key in PATH_KEYS:
        text = getattr(data, key)
        if text:
            yield key, text


def _files(text: str) -> tuple[Path, ...]:
    """Return the file or folder of a path, or both files of ``a.src,b.tgt``."""
    parts = text.split(_BETWEEN)
    if len(parts) != 2 or Path(text).exists():
        return (Path(text),)
    return tuple(Path(part.strip()) for part in parts)


def _relative(path: str, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another Windows drive
        return path


def _candidates(text: str, stored: FileLocation, checkpoint: Path) -> Iterator[str]:
    if stored.absolute:
        yield stored.absolute
    if stored.relative:
        # --out FILE.pt is next to its run folder FILE
        for folder in (checkpoint.parent, checkpoint.with_suffix("")):
            parts = (os.path.normpath(folder / part) for part in stored.relative.split(_BETWEEN))
            yield _BETWEEN.join(parts)
    yield text


def _same(one: str, other: str) -> bool:
    """Return whether two paths, or pairs of paths, name the same readable files."""
    try:
        return is_readable(one) and all(
            left.samefile(right) for left, right in zip(_files(one), _files(other), strict=True)
        )
    except (OSError, ValueError):
        return False
