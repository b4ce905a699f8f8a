"""Open checkpoints without PyTorch: verify them, and return their configuration and data paths.

A checkpoint stores each data path as it was typed, as an absolute path, and relative to the run
folder. A command can then find the data from any working directory, and after the run and its data
were moved together. The data is checked by digest before it is used (`seqcli.api.evaluation_data`).
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint, FileLocation, RunRecord
from seqcli.config import Config, DataConfig, TrainConfig
from seqcli.data.corpus import Codec, MaxLengths, Provenance
from seqcli.errors import CheckpointError, UsageError
from seqcli.runs import RunPaths, existing, find_checkpoint
from seqcli.runs.metrics_log import read_metrics
from seqcli.schema import SchemaError, quoted
from seqcli.training import progress
from seqcli.training.progress import EpochRecord, Progress

_PATHS = ("path", "train_file", "val_file", "test_file")
_LONGEST_NAME = 520  # two names of 255 bytes and a separator


@dataclass(frozen=True)
class OpenedCheckpoint:
    """A checkpoint that was read and verified.

    Args:
        path: the file.
        checkpoint: its content, with NumPy arrays.
        config: the run's configuration.
        limits: the maximum lengths.
    """

    path: Path
    checkpoint: Checkpoint
    config: Config
    limits: MaxLengths


def open_checkpoint(ckpt: str | Path) -> OpenedCheckpoint:
    """Read and verify the checkpoint of a run folder (its best one), or a checkpoint file.

    Raises:
        CheckpointError: the file is missing, damaged or not a seqcli checkpoint.
    """
    path = find_checkpoint(Path(ckpt))
    checkpoint = numpy_file.load(path)
    config = config_of(checkpoint, path)
    limits = limits_of(checkpoint.record, checkpoint.codec, path)
    return OpenedCheckpoint(path, checkpoint, config, limits)


def config_of(checkpoint: Checkpoint, path: Path) -> Config:
    """Return the configuration in a checkpoint, checked as strictly as a user's.

    Data paths are updated if the data was moved together with the run.

    Raises:
        CheckpointError: the configuration is invalid in this version.
    """
    _check_paths(checkpoint.config, path)
    origins = checkpoint.record.origins or {}
    try:
        config = replace(configuration.from_plain(checkpoint.config), origins=origins)
    except UsageError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error
    return replace(config, data=current_paths(config.data, checkpoint.record, path))


def _check_paths(config: Mapping[str, Any], path: Path) -> None:
    """Refuse impossible file names early; the operating system would report them much later."""
    data = config.get("data")
    if not isinstance(data, Mapping):
        return
    for key in _PATHS:
        text = str(data.get(key, ""))
        if "\0" in text or max(map(len, text.split("/"))) > _LONGEST_NAME:
            message = f"{path}: data.{key} is not a file name: {quoted(text)}"
            raise CheckpointError(message, "name the rows with --data, or train again")


def limits_of(provenance: Provenance, codec: Codec, path: Path) -> MaxLengths:
    """Return the maximum lengths of the training rows of a checkpoint or corpus.

    Raises:
        CheckpointError: the maximum lengths are not stored.
    """
    source, target = provenance.max_source, provenance.max_target
    if source is None or target is None:
        raise CheckpointError(
            f"{path}: does not contain the maximum lengths of its training rows", "train again"
        )
    return MaxLengths(source, target, labels=codec.target_tokenizer.style == "whole")


def steps_done(paths: RunPaths) -> int | None:
    """Return the number of optimizer steps of a run; None if neither checkpoint nor log has it."""
    try:
        return progress_of(numpy_file.load(paths.last), paths.last).step
    except CheckpointError:
        rows = read_metrics(paths.metrics)
        return int(rows[-1]["step"]) if rows else None


def progress_of(checkpoint: Checkpoint, path: Path) -> Progress:
    """Return the training progress stored in a checkpoint.

    Raises:
        CheckpointError: the checkpoint has no valid progress.
    """
    try:
        return progress.progress_of(checkpoint.training or {})
    except SchemaError as error:
        raise CheckpointError(f"{path}: {error}", "start a new run") from error


def finish_reason(folder: Path, settings: TrainConfig | None = None) -> str:
    """Return why the training of a run ended; "" if it has not ended or not started.

    A run whose last commit was not completed has not ended: resuming it completes the commit.

    Args:
        folder: the run folder.
        settings: the limits of training; by default those of the run.

    Raises:
        CheckpointError: the last checkpoint is damaged.
    """
    paths = existing(folder)
    if not (paths.last.exists() and paths.best.exists()):
        return ""
    last = numpy_file.load(paths.last)
    if last.training is None:
        return ""
    done = progress_of(last, paths.last)
    settings = settings or config_of(last, paths.last).train
    reason = progress.stop_reason(done, settings)
    return reason if reason and _is_complete(paths, done) else ""


def _is_complete(paths: RunPaths, done: Progress) -> bool:
    """Return whether all files of a run are those of its last commit."""
    rows = read_metrics(paths.metrics)
    if not rows or rows[-1]["epoch"] != done.epochs_done:
        return False
    if done.best is None or not has_scores_of(paths.best, done.best):
        return False
    copy = paths.extra_best
    return copy is None or (copy.is_file() and filecmp.cmp(paths.best, copy, shallow=False))


def scores_of(record: EpochRecord | None) -> dict[str, float]:
    """Return the metrics that a checkpoint stores for an epoch."""
    return {"epoch": record.epoch, **record.metrics} if record else {}


def has_scores_of(path: Path, record: EpochRecord) -> bool:
    """Return whether a checkpoint has exactly the metrics of an epoch, including its times."""
    try:
        return repr(numpy_file.load(path).metrics) == repr(scores_of(record))
    except CheckpointError:
        return False


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
