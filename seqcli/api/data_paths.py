"""Where the files of a run's data were, and where they are now.

A checkpoint stores each path as it was typed, as an absolute path, and relative to the run folder.
So a command finds the data from any working directory, and after run and data moved together. What
is found is checked by digest before it is used (`seqcli.api.evaluation_data`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcli.config import DataConfig

PATH_KEYS = {
    "path": "--data",
    "train_file": "--train",
    "val_file": "--val",
    "test_file": "--test",
}
"""The keys of the section ``data`` that name files, and the options that set them."""
_BETWEEN = ","  # two files whose lines belong together


def locations(data: DataConfig, folder: Path) -> dict[str, dict[str, str]]:
    """Return where the files of a configuration are, for a checkpoint to store.

    Args:
        data: of the run; its files exist.
        folder: the run folder.

    Returns:
        key -> ``absolute`` path, and path ``relative`` to the run folder.
    """
    found = {}
    for key, text in named(data):
        paths = [os.path.abspath(path) for path in _files(text)]  # noqa: PTH100 - keep links
        found[key] = {
            "absolute": _BETWEEN.join(paths),
            "relative": _BETWEEN.join(_relative(path, folder) for path in paths),
        }
    return found


def located(data: DataConfig, about: Mapping[str, Any], checkpoint: Path) -> DataConfig:
    """Return the configuration with each path that leads to the file now.

    The stored absolute path comes first, then the path relative to the run folder, then the path
    that was typed. A path that leads to no regular file or folder is never taken.

    Args:
        data: of a checkpoint.
        about: its section ``about``, with the `locations` of the files.
        checkpoint: its file.
    """
    stored = about.get("locations")
    found: dict[str, Any] = {}
    for key, text in named(data):
        known = stored.get(key) if isinstance(stored, Mapping) else None
        there = [one for one in _candidates(text, known, checkpoint) if is_readable(one)]
        if there and not _same(text, there[0]):
            found[key] = there[0]
    return replace(data, **found)


def is_readable(text: str) -> bool:
    """Return whether a path leads to a regular file, to a pair of them, or to a folder."""
    try:
        files = _files(text)
        return all(map(Path.is_file, files)) or (len(files) == 1 and files[0].is_dir())
    except (OSError, ValueError):  # no possible path
        return False


def named(data: DataConfig) -> Iterator[tuple[str, str]]:
    """Yield the keys that name files, with their values."""
    for key in PATH_KEYS:
        text = getattr(data, key)
        if text:
            yield key, text


def _files(text: str) -> tuple[Path, ...]:
    """Return the file or folder that a path means, or the two files of ``a.src,b.tgt``."""
    parts = text.split(_BETWEEN)
    if len(parts) != 2 or Path(text).exists():
        return (Path(text),)
    return tuple(Path(part.strip()) for part in parts)


def _relative(path: str, folder: Path) -> str:
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # on another drive of Windows
        return path


def _candidates(text: str, known: object, checkpoint: Path) -> Iterator[str]:
    if isinstance(known, Mapping):
        absolute, relative = known.get("absolute"), known.get("relative")
        if isinstance(absolute, str) and absolute:
            yield absolute
        if isinstance(relative, str) and relative:
            # the file of --out FILE.pt lies next to the folder FILE of its run
            for folder in (checkpoint.parent, checkpoint.with_suffix("")):
                parts = (os.path.normpath(folder / part) for part in relative.split(_BETWEEN))
                yield _BETWEEN.join(parts)
    yield text


def _same(one: str, other: str) -> bool:
    """Return whether two readable paths, or pairs of paths, lead to the same files."""
    try:
        return is_readable(one) and all(
            left.samefile(right) for left, right in zip(_files(one), _files(other), strict=True)
        )
    except (OSError, ValueError):
        return False
