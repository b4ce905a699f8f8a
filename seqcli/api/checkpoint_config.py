"""Open checkpoints without PyTorch: read and verify them, and return their configuration."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.data_paths import current_paths
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, TrainConfig
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
