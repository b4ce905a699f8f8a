"""The NumPy backend of decoding and scoring; see `seqcli.decoding.inference.Backend`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ensemble import Ensemble
from seqcli.arrays.functions import log_softmax
from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD
from seqcli.numpy_backend.forward import NumpyModel


@dataclass(frozen=True)
class NumpyBackend:
    """A model or an ensemble with a forward pass in NumPy."""

    model: NumpyModel | Ensemble

    def with_model(self, model: Ensemble) -> NumpyBackend:
        """Return the backend of an ensemble."""
        return NumpyBackend(model)

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the values unchanged."""
        return values

    def sources(self, batch: Batch) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the sources (B, S), (B, 0) for a language model, and their lengths (B,)."""
        source = batch.source
        if source is None:
            source = np.zeros((len(batch.rows), 0), np.int64)
        return source, batch.source_lengths

    def nats(self, batch: Batch) -> NDArray[np.float64]:
        """Return (B,) the negative log-likelihood of each target, EOS included."""
        logits = self.model.forward(*self.sources(batch), batch.target_in)  # (B, T, V)
        targets = batch.target_out[:, :, None]  # (B, T, 1)
        chosen = np.take_along_axis(log_softmax(logits), targets, axis=2)[:, :, 0]  # (B, T)
        sums: NDArray[np.float64] = -(chosen * (batch.target_out != PAD)).sum(1, dtype=np.float64)
        return sums

    def inference(self) -> AbstractContextManager[object]:
        """Return a context that does nothing: NumPy records nothing for gradients."""
        return nullcontext()
