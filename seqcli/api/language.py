"""What `sample` and `eval` need of a language model, whichever backend has learnt it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.api.reading import config_of
from seqcli.arrays.ragged import Index, Ragged
from seqcli.checkpoints import numpy_file
from seqcli.config import Config
from seqcli.config.sections import Drawing
from seqcli.data.corpus import SPLITS, Codec, MaxLengths
from seqcli.data.splits import known
from seqcli.errors import UsageError
from seqcli.runs import find_checkpoint


@dataclass(frozen=True)
class Trained:
    """What a checkpoint says, apart from its weights.

    Args:
        path: the file.
        config: of the run.
        codec: ids and texts.
        limits: the longest rows of training.
        about: see `seqcli.checkpoints.content.Checkpoint`.
    """

    path: Path
    config: Config
    codec: Codec
    limits: MaxLengths
    about: Mapping[str, Any]

    def known(self, names: Ragged, split: str) -> NDArray[np.bool_]:
        """Say (N,) which names are among the rows of a split of the data it was trained on."""
        return known(names, self._fingerprints(split))

    def seen(self, names: Ragged) -> NDArray[np.bool_]:
        """Say (N,) which names are among the rows of any split."""
        found = np.zeros(len(names), np.bool_)
        for split in SPLITS:
            found |= self.known(names, split)
        return found

    def _fingerprints(self, split: str) -> Index:
        rows = self.about.get("fingerprints", {}).get(split, ())
        return np.asarray(rows, np.int64)


@dataclass(frozen=True)
class Wanted:
    """What texts are asked for: how many, with which beginning, and which will do."""

    count: int
    prefix: str = ""
    max_length: int | None = None
    unique: bool = False
    novel: bool = False
    log_probability: bool = False


class LanguageModel(Protocol):
    """A trained language model, ready to speak. Names are ids without BOS and EOS."""

    @property
    def trained(self) -> Trained:
        """What its checkpoint says."""

    def draw(
        self,
        count: int,
        prefix: Sequence[int],
        limit: int,
        how: Drawing,
        random: np.random.Generator,
    ) -> Ragged:
        """Draw names that begin with a prefix and have at most ``limit`` symbols, prefix counted.

        One that has not come to its end by then is cut.
        """

    def best(self, count: int, width: int, prefix: Sequence[int], limit: int) -> Ragged:
        """Search for the likeliest names, best first; ``width`` 1 is greedy, and gives one."""

    def next(self, prefix: Sequence[int], how: Drawing) -> NDArray[np.float64]:
        """Return the distribution (V,) of the symbol after a prefix."""

    def log_probabilities(self, names: Ragged) -> NDArray[np.float64]:
        """Return (N,) nats: the log-probability of each name, the stop symbol included."""


def open_language_model(ckpt: str | Path, backend: str | None = None) -> LanguageModel:
    """Load a language model for one of the backends, if none is named for the one that trained it.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: no such backend, or one that cannot run this model.
    """
    name = trained_by(ckpt) if backend is None else backend
    load = registry.resolve("backend", name, registry.LANGUAGE_MODELS)
    model: LanguageModel = load(ckpt)
    return model


def trained_by(ckpt: str | Path) -> str:
    """Return the backend that trained a checkpoint last: it can run what it trained.

    Raises:
        CheckpointError: the checkpoint cannot be used.
    """
    path = find_checkpoint(Path(ckpt))
    return config_of(numpy_file.load(path), path).train.backend


def takes_sources(ckpt: str | Path) -> bool:
    """Say whether a checkpoint is of a model of pairs, not of a language.

    Raises:
        CheckpointError: the checkpoint cannot be used.
    """
    return numpy_file.load(find_checkpoint(Path(ckpt))).codec.source is not None


def encoded_prefix(trained: Trained, prefix: str) -> list[int]:
    """Return the ids of a prefix.

    Raises:
        UsageError: it has symbols that the model has never seen.
    """
    codec = trained.codec
    symbols = codec.tokenize_target(prefix)
    unknown = codec.target.unknown(symbols)
    if unknown:
        listed = " ".join(map(repr, unknown))
        message = f"the prefix has what {trained.path} never saw in training: {listed}"
        raise UsageError(message, f"it knows {_listed(codec.target.tokens)}")
    return codec.target.encode(symbols)


def _listed(symbols: Sequence[str], most: int = 60) -> str:
    more = f" and {len(symbols) - most} more" if len(symbols) > most else ""
    return " ".join(repr(s) if s.isspace() else s for s in symbols[:most]) + more
