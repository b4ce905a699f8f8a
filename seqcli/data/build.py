"""Build the corpus of a configuration, and encode it with the vocabularies of another model.

The rows come from a task, a gen-data folder, or a user's files. A model that was trained before can
be given the tokens of other data: old tokens keep their ids, so that its weights still belong to
them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqcli import registry
from seqcli.arrays.ragged import Ragged
from seqcli.config import recipe_choice
from seqcli.config.recipes import DataFacts
from seqcli.config.sections import Config, DataConfig
from seqcli.data.alignment import monotonic_gain
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.dataset_folder import META, read_folder
from seqcli.data.files.loading import encode_for_model, read_files
from seqcli.data.files.opening import kind_of_path
from seqcli.data.files.paths import (
    file_of_split,
    file_to_split,
    files_of_folder,
    files_per_split,
    paths_of,
)
from seqcli.data.files.tokenization import AUTO
from seqcli.data.task_corpus import task_corpus
from seqcli.data.token_rows import Texts
from seqcli.data.vocabulary import SPECIALS, UNK, Vocabulary
from seqcli.errors import DataError, UsageError, blamed
from seqcli.tasks.base import make


@blamed(DataError)
def corpus(data: DataConfig, task_options: Mapping[str, Any]) -> Corpus:
    """Build the corpus of a configuration.

    A task and a folder generated from it with the same settings give the same corpus.

    Args:
        data: a task, a path, or one file per split.
        task_options: the options of the task.

    Raises:
        UsageError: none or several of the three are given, or a task or option is unknown.
        DataError: a path is missing or cannot be used.
    """
    _check_one(data)
    if data.task:
        sizes = {"train": data.train, "val": data.val, "test": data.test}
        return task_corpus(make(data.task, task_options), sizes, data.seed)
    if task_options:
        names = ", ".join(f"task.{name}" for name in task_options)
        raise UsageError(f"{names}: these options belong to a task, but the data comes from files")
    if data.train_file:
        return read_files(files_per_split(data), data)
    return _from_path(Path(data.path), data)


def with_chosen_tokens(config: Config, corpus: Corpus) -> Config:
    """Replace ``auto`` by the tokenization that was chosen for the files.

    A run stores the choice, so that its data is always read in the same way. The configuration of
    a task is returned unchanged.
    """
    if corpus.reading is None:
        return config
    styles = dict(zip(("source_tokens", "target_tokens"), corpus.reading.tokens, strict=True))
    chosen = {
        name: style or "chars"
        for name, style in styles.items()
        if getattr(config.data, name) == AUTO
    }
    origins = {f"data.{name}": "chosen from the training rows" for name in chosen}
    data = dataclasses.replace(config.data, **chosen)  # type: ignore[arg-type]
    return dataclasses.replace(config, data=data, origins={**config.origins, **origins})


def with_recipe(config: Config, corpus: Corpus) -> Config:
    """Fill the keys that the user left open; see `seqcli.config.recipe_choice.choose`."""
    return recipe_choice.choose(config, facts_of(corpus))


def facts_of(corpus: Corpus) -> DataFacts:
    """Return the facts about the training rows that determine a recipe."""
    codec, train = corpus.codec, corpus.splits["train"]
    facts = DataFacts(
        rows=len(train),
        length=float((train.source_lengths + train.targets.lengths).mean()),
        copyable=_copyable(codec, train),
        vocabulary=len(codec.target),
        features=codec.features,
        labels=bool((train.targets.lengths == 1).all()),
        language=codec.source is None,
        task=corpus.provenance.task or "",
    )
    if facts.task or facts.features or facts.labels or train.sources is None:
        return facts
    return replace(facts, monotonic=monotonic_gain(train.sources, train.targets))


def _copyable(codec: Codec, pairs: Pairs) -> float:
    """Return the fraction of target tokens that occur in their source, for the first rows."""
    if codec.source is None or pairs.sources is None:
        return 0.0
    target_ids, rows = np.array(codec.source.ids_in(codec.target)), range(min(len(pairs), 2000))
    found = [np.isin(pairs.targets[row], target_ids[pairs.sources[row]]) for row in rows]
    return float(np.concatenate(found).mean()) if found else 0.0


@blamed(DataError)
def pairs_of(
    path: Path, split: str, codec: Codec, data: DataConfig
) -> tuple[Pairs, tuple[str, ...]]:
    """Encode rows with the codec of a trained model; return them with notes.

    Args:
        path: a folder with a file for ``split``, or a file, which is read completely.
        split: train, val or test.
        codec: the codec of the model; unknown tokens become UNK.
        data: the format of the files.

    Raises:
        DataError: the file does not exist, or does not contain pairs (names, if the model takes
            no sources).
    """
    is_folder = kind_of_path(path) == "folder"
    paths = (file_of_split(path, split),) if is_folder else paths_of(path)
    pairs, findings = encode_for_model(paths, data, codec)
    return pairs, tuple(map(str, findings))


def _check_one(data: DataConfig) -> None:
    origins = [
        name
        for name, value in (
            ("a task", data.task),
            ("a path", data.path),
            ("a file of training rows", data.train_file),
        )
        if value
    ]
    if len(origins) > 1:
        raise UsageError(f"{' and '.join(origins[:2])} are both given", "give one of them")
    if not origins:
        hint = "give --task NAME or --data PATH, or --train FILE --val FILE --test FILE"
        raise UsageError("no data", hint)
    if (data.val_file or data.test_file) and not data.train_file:
        raise UsageError("--val and --test require --train FILE", "give --train too")


def _from_path(path: Path, data: DataConfig) -> Corpus:
    kind = kind_of_path(path)
    if str(path) in registry.TASKS and not kind:
        raise DataError(f"{path} does not exist", f"to use the task, give --task {path}")
    if kind != "folder":
        return read_files(file_to_split(data), data)
    if kind_of_path(path / META):
        return read_folder(path)
    return read_files(files_of_folder(path, data), data)


def extended(old: Vocabulary, new: Vocabulary) -> Vocabulary:
    """Return the old vocabulary followed by the new tokens that it does not have."""
    return Vocabulary((*old.tokens, *(token for token in new.tokens if token not in old.ids)))


def extended_codec(old: Codec, new: Codec) -> Codec:
    """Return the new codec with the vocabularies of the old one, extended."""
    source = new.source
    if old.source is not None and new.source is not None:
        source = extended(old.source, new.source)
    return replace(new, source=source, target=extended(old.target, new.target))


def has_all_tokens(codec: Codec, other: Codec) -> bool:
    """Return whether a codec has every token of another one, and encodes the same sides."""
    targets = set(other.target.tokens) <= codec.target.ids.keys()
    if codec.source is None or other.source is None:
        return targets and codec.source is other.source
    return targets and set(other.source.tokens) <= codec.source.ids.keys()


def reencoded(corpus: Corpus, codec: Codec) -> Corpus:
    """Return a corpus encoded with the vocabularies of a codec that has all of its tokens.

    Tokens of validation and test rows that training rows lack are no longer unknown if the codec
    has them.
    """
    old = corpus.codec
    new = replace(old, source=codec.source, target=codec.target)
    splits = {split: _pairs(pairs, old, new) for split, pairs in corpus.splits.items()}
    return replace(corpus, codec=new, splits=splits)


def _pairs(pairs: Pairs, old: Codec, new: Codec) -> Pairs:
    targets, unknown_targets = _rows(pairs.targets, pairs.unknown_targets, old.target, new.target)
    pairs = replace(pairs, targets=targets, unknown_targets=unknown_targets)
    if pairs.sources is None or old.source is None or new.source is None:
        return pairs
    sources, unknown = _rows(pairs.sources, pairs.unknown_sources, old.source, new.source)
    return replace(pairs, sources=sources, unknown_sources=unknown)


def _rows(rows: Ragged, unknown: Texts, old: Vocabulary, new: Vocabulary) -> tuple[Ragged, Texts]:
    """Replace ids; ``unknown`` has the texts of the UNKs."""
    table = [*range(len(SPECIALS)), *(new.ids[token] for token in old.tokens)]
    tokens = np.array(table, np.int32)[rows.tokens]
    if unknown:
        ids = [new.ids.get(text, UNK) for text in unknown]
        tokens[tokens == UNK] = ids
        unknown = tuple(text for text, id_ in zip(unknown, ids, strict=True) if id_ == UNK)
    return Ragged(tokens, rows.offsets), unknown
