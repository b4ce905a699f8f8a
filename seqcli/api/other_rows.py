"""The data a model is scored on: what it was trained on, or rows it has nothing to do with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.own_data import check_same_data, corpus_of_run
from seqcli.config import Config
from seqcli.data.build import pairs_of
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.errors import DataError


def own_corpus(config: Config, codec: Codec, about: Mapping[str, Any], split: str) -> Corpus:
    """Return the data that a model was trained on, which must have that split.

    Args:
        config, codec, about: the model's, as its checkpoint tells them.
        split: the rows that are wanted.

    Raises:
        DataError: the data has changed since, or has no such split.
    """
    corpus = corpus_of_run(config)
    check_same_data(corpus, codec, about)
    if split not in corpus.splits:
        there = " or ".join(f"--split {name}" for name in corpus.splits)
        raise DataError(f"{corpus.name}: has no {split} rows", f"choose {there}")
    return corpus


@dataclass(frozen=True)
class OtherRows:
    """A file or folder, and how it is written where that is not as in training.

    Args:
        path: the file, or the folder of which a split is taken.
        format, columns, separator: see `seqcli.config.DataConfig`; None is as in training.
    """

    path: Path
    format: str | None = None
    columns: str | None = None
    separator: str | None = None

    def rows(self, split: str, codec: Codec, config: Config) -> tuple[Pairs, tuple[str, ...]]:
        """Return the rows in the symbols of a model, and notes on them.

        Raises:
            DataError: they cannot be used.
            UsageError: there is no such format, or the columns are not understood.
        """
        asked = {name: getattr(self, name) for name in ("format", "columns", "separator")}
        data = configuration.load(config, flags=asked).data
        return pairs_of(self.path, split, codec, data)
