"""The rows a model is evaluated on: a split of its training data, or other data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.data_paths import PATH_KEYS, is_readable, named
from seqcli.api.trained_model import TrainedModel
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import pairs_of
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.errors import DataError, SeqcliError, UsageError

NOT_COMPARED = {"path"}  # where the files are does not matter


def corpus_of_run(config: Config) -> Corpus:
    """Return the corpus of a run's configuration, whose paths the user may never have typed.

    Raises:
        DataError: a path does not exist, or is not a regular file; says whose path it is.
    """
    for key, text in named(config.data):
        if not is_readable(text):
            problem = "is not a regular file" if Path(text).exists() else "does not exist"
            raise DataError(
                f"the configuration of the run names {text}, which {problem}",
                f"give the data with {PATH_KEYS[key]}, or restore it",
            )
    return build_corpus(config.data, config.task)


def check_same_data(corpus: Corpus, codec: Codec, about: Mapping[str, Any]) -> None:
    """Check that data is what a model was trained on; where its files are does not matter.

    Rows of a task are the same rows only in the same version of the task.

    Raises:
        DataError: it is other data.
    """
    now, then = corpus.about.get("version"), about.get("version")
    if "task" in corpus.about and corpus.about["task"] == about.get("task") and now != then:
        raise DataError(
            f"{corpus.name}: trained on version {then} of this task; it is {now} here",
            "evaluate on a file with --data, or train again",
        )
    compared = corpus.about.keys() - NOT_COMPARED
    same = all(about.get(key) == corpus.about[key] for key in compared)
    if corpus.codec != codec or not same:
        raise DataError(
            f"{corpus.name}: the data is not what this model was trained on",
            "restore the original data, or give it with --data",
        )


@dataclass(frozen=True)
class OtherData:
    """A file or folder, and how it is written if that is not as in training.

    Args:
        path: the file, or the folder of which a split is taken.
        format, columns, separator: see `seqcli.config.DataConfig`; None is as in training.
    """

    path: Path
    format: str | None = None
    columns: str | None = None
    separator: str | None = None


@dataclass(frozen=True)
class EvaluationData:
    """Rows to evaluate a model on.

    Args:
        pairs: the rows, encoded for the model.
        corpus: the data of training, for baselines; None if it is no longer available.
        name: of the data.
        split: of the data; "" for a file, which is taken as a whole.
        own: whether the rows are of the data of training.
        notes: remarks on reading them.
    """

    pairs: Pairs
    corpus: Corpus | None
    name: str
    split: str
    own: bool
    notes: tuple[str, ...] = ()


def other_data(
    path: Path | None, format: str | None, columns: str | None, separator: str | None
) -> OtherData | None:
    """Return the data that the user named, None for the model's own.

    Raises:
        UsageError: the format of a file is given, but no file.
    """
    if path is not None:
        return OtherData(path, format, columns, separator)
    if (format, columns, separator) != (None, None, None):
        given = "--format, --columns and --separator"
        raise UsageError(f"{given} say how a file is written", "give --data FILE")
    return None


def evaluation_data(model: TrainedModel, split: str, other: OtherData | None) -> EvaluationData:
    """Read the rows to evaluate a model on.

    Args:
        model: what is evaluated.
        split: train, val or test.
        other: other data than that of training.

    Raises:
        DataError: the data has changed since training, has no such split, or cannot be used.
    """
    return _own_rows(model, split) if other is None else _other_rows(model, split, other)


def _own_rows(model: TrainedModel, split: str) -> EvaluationData:
    corpus = corpus_of_run(model.config)
    check_same_data(corpus, model.codec, model.about)
    if split not in corpus.splits:
        available = " or ".join(f"--split {name}" for name in corpus.splits)
        raise DataError(f"{corpus.name}: has no {split} rows", f"choose {available}")
    name = str(model.about.get("name", ""))
    return EvaluationData(corpus.splits[split], corpus, name, split, own=True)


def _other_rows(model: TrainedModel, split: str, other: OtherData) -> EvaluationData:
    how = {name: getattr(other, name) for name in ("format", "columns", "separator")}
    data = configuration.load(model.config, flags=how).data
    pairs, notes = pairs_of(other.path, split, model.codec, data)
    split = split if other.path.is_dir() else ""
    corpus = _corpus_if_available(model)
    return EvaluationData(pairs, corpus, str(other.path), split, False, notes)


def _corpus_if_available(model: TrainedModel) -> Corpus | None:
    """Return the data of training, for the baselines, or None if it has changed or is gone."""
    try:
        corpus = corpus_of_run(model.config)
    except SeqcliError:
        return None
    return corpus if corpus.codec == model.codec else None
