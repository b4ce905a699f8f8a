"""The data that a run was trained on, read again and checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seqcli.api.data_paths import PATH_KEYS, is_readable, named
from seqcli.config import Config
from seqcli.data.build import corpus as build_corpus
from seqcli.data.corpus import Codec, Corpus
from seqcli.errors import DataError


def corpus_of_run(config: Config) -> Corpus:
    """Return the corpus of a run's configuration, whose paths the user may never have typed.

    Raises:
        DataError: a path leads nowhere, or to what is no regular file; says whose path it is.
    """
    for key, text in named(config.data):
        if not is_readable(text):
            problem = "is not a regular file" if Path(text).exists() else "does not exist"
            raise DataError(
                f"the configuration of the run names {text}, which {problem}",
                f"name the data with {PATH_KEYS[key]}, or restore it",
            )
    return build_corpus(config.data, config.task)


def check_same_data(corpus: Corpus, codec: Codec, about: Mapping[str, Any]) -> None:
    """Check that data is what a model was trained on; where its files are does not matter.

    Raises:
        DataError: it is other data.
    """
    same = all(about.get(key) == value for key, value in corpus.about.items() if key != "path")
    if corpus.codec != codec or not same:
        raise DataError(
            f"{corpus.name}: the data is not what this model was trained on",
            "restore the original data, or give it with --data",
        )
