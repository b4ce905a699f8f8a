"""From a configuration to a corpus: a task on the fly, a folder by gen-data, or a user's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from seqcli import registry
from seqcli.config.sections import DataConfig
from seqcli.data.corpus import SPLITS, Codec, Corpus, Pairs, Tokens
from seqcli.data.dataset_folder import read_folder
from seqcli.data.language_corpus import language_corpus
from seqcli.data.names_file import is_names, parse_names
from seqcli.data.pairs_file import parse_pairs, read_bytes
from seqcli.data.split import split_rows
from seqcli.data.task_corpus import task_corpus
from seqcli.data.text_corpus import encode, encode_pairs, text_corpus
from seqcli.errors import DataError, UsageError
from seqcli.tasks.base import make


def corpus(data: DataConfig, task_options: Mapping[str, Any]) -> Corpus:
    """Return the corpus that a configuration asks for.

    A task and a folder made of it with the same settings give the same corpus.

    Args:
        data: names a task or a path.
        task_options: options of the task.

    Raises:
        UsageError: both a task and a path or neither, or an unknown task or option.
        DataError: the path is missing, or what is there cannot be used.
    """
    if bool(data.task) == bool(data.path):
        problem = "a task and a path are both given" if data.task else "there is no data"
        raise UsageError(problem, "give either --task NAME or --data PATH")
    if data.task:
        sizes = {"train": data.train, "val": data.val, "test": data.test}
        return task_corpus(make(data.task, task_options), sizes, data.seed)
    if task_options:
        names = ", ".join(f"task.{name}" for name in task_options)
        raise UsageError(f"{names}: these belong to a task, but data.path is given")
    return _from_path(Path(data.path), data)


def pairs_of(path: Path, split: str, codec: Codec) -> tuple[Pairs, tuple[str, ...]]:
    """Return rows encoded with the codec of a model that is trained already, and notes on them.

    Args:
        path: a folder with ``split``.tsv, or a file, of which every row is taken.
        split: train, val or test.
        codec: of the model; a symbol it does not know becomes UNK.

    Raises:
        DataError: there is no such file, or it is not made of pairs (of names, where the model
            takes no sources).
    """
    file = path / f"{split}.tsv" if path.is_dir() else path
    if codec.source is not None:
        return encode_pairs(parse_pairs(read_bytes(file), file), codec), ()
    names = parse_names(read_bytes(file), file)
    return Pairs(encode(names.lines, codec.target_tokens, codec.target)), names.notes


def _from_path(path: Path, data: DataConfig) -> Corpus:
    if not path.exists():
        hint = f"for the task write --task {path}" if str(path) in registry.TASKS else ""
        raise DataError(f"{path} does not exist", hint or "check the path")
    styles = Tokens(data.source_tokens), Tokens(data.target_tokens)
    return read_folder(path, styles) if path.is_dir() else _from_file(path, styles, data.seed)


def _from_file(path: Path, styles: tuple[Tokens, Tokens], seed: int) -> Corpus:
    """Return the corpus of one file: of pairs, split by source, or without any tab of names."""
    raw = read_bytes(path)
    if is_names(raw):
        return _from_names(raw, path, styles[1], seed)
    texts = parse_pairs(raw, path)
    rows = split_rows(texts.sources, seed)
    splits = {split: texts.take(part.tolist()) for split, part in rows.items()}
    about = {"path": str(path), "sha256": sha256(raw).hexdigest(), "seed": seed}
    missing = _missing(splits, len(set(texts.sources)), "sources")
    return text_corpus(path.stem, splits, styles, about, missing)


def _from_names(raw: bytes, path: Path, tokens: Tokens, seed: int) -> Corpus:
    """Return the corpus of a file of names; all lines of one name go to one split."""
    names = parse_names(raw, path)
    splits = {
        split: [names.lines[i] for i in rows.tolist()]
        for split, rows in split_rows(names.lines, seed).items()
    }
    distinct = len(set(names.lines))
    notes = [*names.notes, *_repeats(names.lines, distinct), *_missing(splits, distinct, "names")]
    about = {"path": str(path), "sha256": sha256(raw).hexdigest(), "seed": seed}
    return language_corpus(path.stem, splits, tokens, about, notes)


def _repeats(lines: Sequence[str], distinct: int) -> list[str]:
    again = len(lines) - distinct
    if not again:
        return []
    return [f"{again:,} of the {len(lines):,} names repeat another; all of a name are in one split"]


def _missing(splits: Mapping[str, object], distinct: int, rows: str) -> list[str]:
    missing = " and no ".join(split for split in SPLITS if split not in splits)
    return [f"no {missing} split: there are only {distinct} distinct {rows}"] if missing else []
