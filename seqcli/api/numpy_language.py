"""A trained language model that speaks with NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from seqcli.api.language import Trained
from seqcli.api.reading import config_of, limits_of
from seqcli.arrays.memory import keep_freed_memory
from seqcli.arrays.ragged import Ragged
from seqcli.checkpoints import numpy_file
from seqcli.config.sections import Drawing
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Pairs
from seqcli.numpy_backend.cells import CELLS, Cell
from seqcli.numpy_backend.language_model import log_probabilities
from seqcli.numpy_backend.parameters import Parameters
from seqcli.numpy_backend.sampling import probabilities, read_prefix, sample
from seqcli.numpy_backend.scope import check_model
from seqcli.numpy_backend.searching import beam_search, greedy
from seqcli.numpy_backend.trainer import SCORED_AT_ONCE, packed, stored_parameters
from seqcli.runs import find_checkpoint


@dataclass(frozen=True)
class NumpyLanguageModel:
    """See `seqcli.api.language.LanguageModel`."""

    trained: Trained
    parameters: Parameters
    cell: Cell

    def draw(
        self,
        count: int,
        prefix: Sequence[int],
        limit: int,
        how: Drawing,
        random: np.random.Generator,
    ) -> Ragged:
        """See `LanguageModel.draw`."""
        return sample(
            self.parameters, self.cell, random, count, prefix=prefix, max_length=limit, how=how
        )

    def best(self, count: int, width: int, prefix: Sequence[int], limit: int) -> Ragged:
        """See `LanguageModel.best`."""
        if width == 1:
            return Ragged.from_rows([greedy(self.parameters, self.cell, prefix, limit)])
        found = beam_search(self.parameters, self.cell, prefix, limit, width)
        return Ragged.from_rows(found[:count])

    def next(self, prefix: Sequence[int], how: Drawing) -> NDArray[np.float64]:
        """See `LanguageModel.next`."""
        _, logits = read_prefix(prefix, 1, self.parameters, self.cell)
        found: NDArray[np.float64] = probabilities(logits, how)[0]
        return found

    def log_probabilities(self, names: Ragged) -> NDArray[np.float64]:
        """See `LanguageModel.log_probabilities`."""
        found = np.zeros(len(names))
        for batch in BatchStream(Pairs(names), SCORED_AT_ONCE, shuffle=False).epoch(0):
            found[batch.rows] = log_probabilities(packed(batch), self.parameters, self.cell)
        return found


def load(ckpt: str | Path) -> NumpyLanguageModel:
    """Load a language model.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a model that this backend cannot run.
    """
    path = find_checkpoint(Path(ckpt))
    checkpoint = numpy_file.load(path)
    config, codec = config_of(checkpoint, path), checkpoint.codec
    check_model(config, codec)
    threadpool_limits(1, user_api="blas")
    keep_freed_memory()
    parameters = stored_parameters(checkpoint, config, path)
    limits = limits_of(checkpoint.about, codec, path)
    trained = Trained(path, config, codec, limits, checkpoint.about)
    return NumpyLanguageModel(trained, parameters, CELLS[config.model.cell])
