"""A trained language model that speaks with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from seqcli.api.language import Trained
from seqcli.api.loading import Loaded, load_model
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import SamplingConfig
from seqcli.data.corpus import Pairs
from seqcli.engine.beam_search import beam_search
from seqcli.engine.decoding import greedy
from seqcli.engine.sampling import (
    Continued,
    draw,
    log_probabilities,
    next_probabilities,
    no_sources,
)
from seqcli.errors import UsageError

SCORED = 512  # rows scored at once


@dataclass(frozen=True)
class TorchLanguageModel:
    """See `seqcli.api.language.LanguageModel`."""

    loaded: Loaded

    @property
    def trained(self) -> Trained:
        """What its checkpoint says."""
        one = self.loaded
        return Trained(one.path, one.config, one.codec, one.limits, one.checkpoint.about)

    def draw(
        self,
        count: int,
        prefix: Sequence[int],
        limit: int,
        how: SamplingConfig,
        random: np.random.Generator,
    ) -> Ragged:
        """See `LanguageModel.draw`."""
        model = Continued(self.loaded.model, prefix)
        generator = torch.Generator(model.device)
        generator.manual_seed(int(random.integers(1 << 62)))
        source, lengths = no_sources(count, model.device)
        rows = draw(model, source, lengths, limit - len(prefix), how, generator)
        return Ragged.from_rows([[*prefix, *row] for row in rows])

    def best(self, count: int, width: int, prefix: Sequence[int], limit: int) -> Ragged:
        """See `LanguageModel.best`."""
        model = Continued(self.loaded.model, prefix)
        source, lengths = no_sources(1, model.device)
        room = limit - len(prefix)
        if width == 1:
            found = greedy(model, source, lengths, room)
        else:
            (found,) = beam_search(model, source, lengths, room, width, 0.0, count)
        return Ragged.from_rows([[*prefix, *best.ids] for best in found])

    def next(self, prefix: Sequence[int], how: SamplingConfig) -> NDArray[np.float64]:
        """See `LanguageModel.next`."""
        return next_probabilities(self.loaded.model, prefix, how)

    def log_probabilities(self, names: Ragged) -> NDArray[np.float64]:
        """See `LanguageModel.log_probabilities`."""
        return log_probabilities(self.loaded.model, Pairs(names), SCORED)


def load(ckpt: str | Path) -> TorchLanguageModel:
    """Load a language model.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: it is a model of pairs.
    """
    loaded = load_model(ckpt)
    if loaded.codec.source is not None:
        hint = "it answers sources: seqcli predict"
        raise UsageError(f"{loaded.path} is a model of pairs, not of a language", hint)
    return TorchLanguageModel(loaded)
