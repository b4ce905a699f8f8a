"""Load the rows to evaluate a model on: a split of its own data, or other data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seqcli import config as configuration
from seqcli.api.checkpoint_config import PATH_KEYS, file_settings, is_readable
from seqcli.api.trained_model import TrainedModel
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import has_all_tokens, pairs_of, reencoded
from seqcli.data.corpus import Codec, Corpus, Pairs, Provenance
from seqcli.errors import DataError, SeqcliError, UsageError


def corpus_of_run(config: Config) -> Corpus:
    """Load the data of a run from its configuration.

    Raises:
        DataError: a path does not exist or is not a regular file; the message names it.
    """
    for key, text in file_settings(config.data):
        if not is_readable(text):
            problem = "is not a regular file" if Path(text).exists() else "does not exist"
            raise DataError(
                f"the configuration of the run names {text}, which {problem}",
                f"give the data with {PATH_KEYS[key]}, or restore it",
            )
    return build_corpus(config.data, config.task)


def check_same_data(corpus: Corpus, codec: Codec, trained_on: Provenance) -> Corpus:
    """Check that a corpus is the data a model was trained on, wherever its files are.

    Generated rows are the same only in the same version of their task.

    Returns:
        the corpus, encoded with the vocabularies of the model, which has more tokens than the data
        if it started from another model (``train.init_from``).

    Raises:
        DataError: the data differs.
    """
    here = corpus.provenance
    if (
        here.task is not None
        and here.task == trained_on.task
        and here.version != trained_on.version
    ):
        raise DataError(
            f"{corpus.name}: trained on version {trained_on.version} of this task; "
            f"it is {here.version} here",
            "evaluate on a file with --data, or train again",
        )
    if corpus.codec != codec and has_all_tokens(codec, corpus.codec):
        corpus = reencoded(corpus, codec)
    if corpus.codec != codec or not here.has_same_rows(trained_on):
        raise DataError(
            f"{corpus.name}: this is not the data that the model was trained on",
            "restore the original data, or give it with --data",
        )
    return corpus


@dataclass(frozen=True)
class OtherData:
    """A file or folder other than the training data, and its format.

    Args:
        path: the file, or a folder with one file per split.
        format, columns, separator: see `seqcli.config.DataConfig`; None: as in training.
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
        corpus: the training data, for baselines; None if it is no longer available.
        name: the name of the data.
        split: the split; "" for a file, which is used as a whole.
        own: whether the rows are a split of the training data.
        notes: remarks from reading the rows.
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
    """Return the data that the user chose, or None for the model's own.

    Raises:
        UsageError: a file format is set without a file.
    """
    if path is not None:
        return OtherData(path, format, columns, separator)
    if (format, columns, separator) != (None, None, None):
        options = "--format, --columns and --separator"
        raise UsageError(f"{options} describe the file of --data", "add --data FILE")
    return None


def evaluation_data(model: TrainedModel, split: str, other: OtherData | None) -> EvaluationData:
    """Load the rows to evaluate a model on.

    Args:
        model: the model to evaluate.
        split: train, val or test.
        other: data to use in place of the model's own.

    Raises:
        DataError: the data has changed since training, has no such split, or cannot be used.
    """
    return _own_rows(model, split) if other is None else _other_rows(model, split, other)


def _own_rows(model: TrainedModel, split: str) -> EvaluationData:
    corpus = corpus_of_run(model.config)
    corpus = check_same_data(corpus, model.codec, model.checkpoint.record)
    if split not in corpus.splits:
        available = " or ".join(f"--split {name}" for name in corpus.splits)
        raise DataError(f"{corpus.name}: has no {split} rows", f"choose {available}")
    name = model.checkpoint.record.name or ""
    notes = tuple(
        f"{member.path} was trained on other data, which may include these rows"
        for member in model.members[1:]
        if not corpus.provenance.has_same_rows(member.checkpoint.record)
    )
    return EvaluationData(corpus.splits[split], corpus, name, split, True, notes)


def _other_rows(model: TrainedModel, split: str, other: OtherData) -> EvaluationData:
    flags = {name: getattr(other, name) for name in ("format", "columns", "separator")}
    data = configuration.load(model.config, flags=flags).data
    pairs, notes = pairs_of(other.path, split, model.codec, data)
    split = split if other.path.is_dir() else ""
    corpus = corpus_if_available(model)
    return EvaluationData(pairs, corpus, str(other.path), split, False, notes)


def corpus_if_available(model: TrainedModel) -> Corpus | None:
    """Return the training data, for the baselines, or None if it has changed or is missing."""
    try:
        corpus = corpus_of_run(model.config)
        return check_same_data(corpus, model.codec, model.checkpoint.record)
    except SeqcliError:
        return None
