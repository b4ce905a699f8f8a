"""Load what a run resumes from: its configuration, its data and its last checkpoint.

``--resume auto`` makes a command idempotent: it starts its run, continues it, or leaves it as it is
if it is finished. A scheduler may therefore run the command again whenever its process died.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import config as configuration
from seqcli import runs
from seqcli.api.checkpoint_config import PATH_KEYS, config_of
from seqcli.api.evaluation_data import check_same_data, corpus_of_run
from seqcli.api.initializing import with_initial_vocabulary
from seqcli.checkpoints import numpy_file
from seqcli.config import Config
from seqcli.config.loading import dotted_values, written
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import with_chosen_tokens
from seqcli.data.corpus import Corpus
from seqcli.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from seqcli.checkpoints.content import Checkpoint

AUTO = "auto"  # the value of --resume that starts, continues or keeps the run in --out
# Settings that --resume may change: how long to train and on which hardware.
CHANGEABLE = (
    "train.backend",
    "train.budget",
    "train.epochs",
    "train.steps",
    "train.samples",
    "train.lr",
    "train.patience",
    "train.target_accuracy",
    "train.threads",
    "train.device",
    "train.kernels",
    "train.save_every",
    "decode.beam",
    "decode.length_penalty",
)


def load_resumed(
    paths: runs.RunPaths, sets: Sequence[str], flags: Mapping[str, Any]
) -> tuple[Config, Corpus, Checkpoint | None]:
    """Load a run that resumes; its folder is locked.

    Args:
        paths: the files of the run.
        sets, flags: settings to change; see `seqcli.api.train`.

    Returns:
        the configuration, the data with notes, and the checkpoint: None if there is none yet, and
        for an ensemble.

    Raises:
        CheckpointError: no checkpoint can be read.
        DataError: the data has changed.
        UsageError: a setting may not be changed.
    """
    checkpoint, notes = _last_checkpoint(paths)
    before = _config_before(paths, checkpoint)
    settings = configuration.load(before, sets, flags)
    _check_changes(before, settings, paths)
    moved = settings.data != before.data
    corpus = build_corpus(settings.data, settings.task) if moved else corpus_of_run(settings)
    settings = with_chosen_tokens(settings, corpus)
    if checkpoint is not None:
        corpus = check_same_data(corpus, checkpoint.codec, checkpoint.record)
    else:
        corpus = with_initial_vocabulary(corpus, settings)
    notes = (*notes, *_backend_notes(before, settings))
    return settings, replace(corpus, notes=(*corpus.notes, *notes)), checkpoint


def run_to_resume(out: Path | None, force: bool) -> runs.RunPaths | None:
    """Return the run that ``--resume auto`` resumes; None if there is no checkpoint in ``out``.

    Raises:
        UsageError: ``out`` is missing, or ``force`` is given.
    """
    if out is None:
        hint = f"name it: --resume {AUTO} --out {runs.ROOT / 'NAME'}"
        raise UsageError(f"--resume {AUTO} needs the folder of the run", hint)
    if force:
        raise UsageError(f"--resume {AUTO} and --force exclude each other", "omit one of them")
    paths = runs.requested(out)
    return paths if paths.has_checkpoint() else None


def changes_of(paths: runs.RunPaths, settings: Config) -> list[str]:
    """Return the changes that a command makes to an existing run, as texts for ``--set``.

    Threads and device of the run count as unchanged if the command leaves their choice open.

    Args:
        paths: the files of the run, which has a checkpoint.
        settings: the configuration that the command asks for.

    Raises:
        CheckpointError: no checkpoint can be read.
        UsageError: the run is another one: a setting differs that may not be changed.
    """
    before = _config_before(paths, _intact_checkpoint(paths))
    old, new = dotted_values(before), dotted_values(settings)
    open_keys = {"train.threads", "train.device"} - set(settings.origins)
    keys = [key for key in dict.fromkeys((*old, *new)) if key not in open_keys]
    changed = [key for key in keys if old.get(key) != new.get(key)]
    if any(key not in new for key in changed):
        raise _refused(paths, changed)
    texts = [f"{key}={written(key, new[key])}" for key in changed]
    _check_changes(before, settings, paths, open_keys)
    return texts


def _last_checkpoint(paths: runs.RunPaths) -> tuple[Checkpoint | None, tuple[str, ...]]:
    if paths.ensemble.exists():
        return None, ()
    if not (paths.last.exists() or paths.previous.exists()):
        return None, ("stopped before its first checkpoint: starting again",)
    checkpoint, note = runs.load_last(paths, _resumable)
    return checkpoint, (note,) if note else ()


def _intact_checkpoint(paths: runs.RunPaths) -> Checkpoint | None:
    """Return the checkpoint that a run resumes from, without the lock; None for an ensemble."""
    for path in (paths.last, paths.previous):
        with contextlib.suppress(CheckpointError):
            return numpy_file.load(path)
    return None


def _resumable(path: Path) -> Checkpoint:
    """Load a checkpoint, and check that it has a training state."""
    checkpoint = numpy_file.load(path)
    if checkpoint.training is None:
        message = f"{path}: has no training state to resume from"
        raise CheckpointError(message, "give the folder of the run, or start a new run")
    return checkpoint


def _config_before(paths: runs.RunPaths, checkpoint: Checkpoint | None) -> Config:
    if checkpoint is None:
        return configuration.load(paths.config)
    return config_of(checkpoint, paths.last)


def _backend_notes(before: Config, after: Config) -> tuple[str, ...]:
    """Return a note on what changes when a run resumes with another backend."""
    if before.train.backend == after.train.backend:
        return ()
    return (
        f"previously trained with {before.train.backend}, resuming with {after.train.backend}: "
        "weights, optimizer state, schedule and row order are kept; random numbers and rounding "
        "differ",
    )


def _check_changes(
    before: Config, after: Config, paths: runs.RunPaths, ignored: Collection[str] = ()
) -> None:
    """Check that a resumed run changes only settings that it may change."""
    old, new = configuration.to_plain(before), configuration.to_plain(after)
    changed = [
        f"{section}.{key}"
        for section, values in new.items()
        for key, value in values.items()
        if old[section].get(key) != value
    ]
    allowed = (*CHANGEABLE, *ignored)
    refused = [key for key in changed if key not in allowed and not _is_moved(key, old, new)]
    if refused:
        raise _refused(paths, refused)


def _refused(paths: runs.RunPaths, keys: Sequence[str]) -> UsageError:
    return UsageError(
        f"{paths.folder} cannot be resumed with another " + ", ".join(keys),
        "--resume may change " + ", ".join(CHANGEABLE) + "; for the rest start a new run",
    )


def _is_moved(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a key is a data path that was set before; the data is checked later."""
    section, _, leaf = key.partition(".")
    is_path = section == "data" and leaf in PATH_KEYS
    return is_path and bool(old["data"][leaf]) == bool(new["data"][leaf])
