"""Build the corpus of a configuration: a task, a folder of gen-data, or a user's files."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqcli import registry
from seqcli.config.sections import Config, DataConfig
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.dataset_folder import META, read_folder
from seqcli.data.files.loading import encode_for_model, read_files
from seqcli.data.files.opening import kind_of_path
from seqcli.data.files.paths import (
    file_of_split,
    file_to_split,
    files_apart,
    files_of_folder,
    paths_of,
)
from seqcli.data.files.tokenization import AUTO
from seqcli.data.task_corpus import task_corpus
from seqcli.errors import DataError, UsageError, blamed
from seqcli.tasks.base import make


@blamed(DataError)
def corpus(data: DataConfig, task_options: Mapping[str, Any]) -> Corpus:
    """Return the corpus of a configuration.

    A task and a folder made of it with the same settings give the same corpus.

    Args:
        data: names a task, a path, or files for each split.
        task_options: options of the task.

    Raises:
        UsageError: not one of the three is given but none or more, or an unknown task or option.
        DataError: a path is missing, or what is there cannot be used.
    """
    _check_one(data)
    if data.task:
        sizes = {"train": data.train, "val": data.val, "test": data.test}
        return task_corpus(make(data.task, task_options), sizes, data.seed)
    if task_options:
        names = ", ".join(f"task.{name}" for name in task_options)
        raise UsageError(f"{names}: these belong to a task, but the data is of files")
    if data.train_file:
        return read_files(files_apart(data), data)
    return _from_path(Path(data.path), data)


def with_chosen_tokens(config: Config, corpus: Corpus) -> Config:
    """Return the configuration with the tokenization that was chosen for its files.

    A run records them, so that it is read in the same way ever after. The configuration of a task
    is returned as it is.
    """
    if corpus.reading is None:
        return config
    styles = dict(zip(("source_tokens", "target_tokens"), corpus.reading.tokens, strict=True))
    chosen = {
        name: style or "chars"
        for name, style in styles.items()
        if getattr(config.data, name) == AUTO
    }
    origins = {f"data.{name}": "chosen by the training rows" for name in chosen}
    data = dataclasses.replace(config.data, **chosen)  # type: ignore[arg-type]
    return dataclasses.replace(config, data=data, origins={**config.origins, **origins})


@blamed(DataError)
def pairs_of(
    path: Path, split: str, codec: Codec, data: DataConfig
) -> tuple[Pairs, tuple[str, ...]]:
    """Return rows encoded with the codec of a trained model, and notes on them.

    Args:
        path: a folder with a file for ``split``, or a file, of which every row is taken.
        split: train, val or test.
        codec: of the model; a token it does not know becomes UNK.
        data: how files are written.

    Raises:
        DataError: there is no such file, or it is not made of pairs (of names, where the model
            takes no sources).
    """
    is_folder = kind_of_path(path) == "folder"
    paths = (file_of_split(path, split),) if is_folder else paths_of(path)
    pairs, findings = encode_for_model(paths, data, codec)
    return pairs, tuple(map(str, findings))


def _check_one(data: DataConfig) -> None:
    given = [
        name
        for name, value in (
            ("a task", data.task),
            ("a path", data.path),
            ("a file of training rows", data.train_file),
        )
        if value
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given[:2])} are both given", "give one of them")
    if not given:
        hint = "give --task NAME or --data PATH, or --train FILE --val FILE --test FILE"
        raise UsageError("no data", hint)
    if (data.val_file or data.test_file) and not data.train_file:
        raise UsageError("a file of val or test rows goes with --train FILE", "give that too")


def _from_path(path: Path, data: DataConfig) -> Corpus:
    kind = kind_of_path(path)
    if str(path) in registry.TASKS and not kind:
        raise DataError(f"{path} does not exist", f"for the task write --task {path}")
    if kind != "folder":
        return read_files(file_to_split(data), data)
    if kind_of_path(path / META):
        return read_folder(path)
    return read_files(files_of_folder(path, data), data)
