"""The interface of every model, and the backend that decodes and scores with it.

See `seqcli.models.base` and `seqcli.decoding.inference.Backend`.

Shapes use one alphabet: B batch, S source length, T target length, V vocabulary, E embedding,
H hidden, N heads, K beam. R = B * K is the number of hypotheses.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ensemble import Ensemble
from seqcli.arrays.functions import log_softmax
from seqcli.arrays.state import DecoderState
from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD
from seqcli.numpy_backend.parameters import Floats, Ids

MASKED = -1e9  # added to the energies of padding; exp() gives 0, and no row becomes NaN


class NumpyModel:
    """A model scores a target given a source: all at once, or one token at a time."""

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """Score every next token under teacher forcing.

        Args:
            source: (B, S) token ids, padded at the end; (B, 0) for a language model.
            source_lengths: (B,).
            target_in: (B, T) token ids, BOS first.

        Returns:
            logits (B, T, V).
        """
        raise TypeError(f"{type(self).__name__} has no forward")

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """Encode the source (B, S); return the state before the first target token."""
        raise TypeError(f"{type(self).__name__} has no start")

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """Read one token of each hypothesis (R,).

        Returns:
            logits (R, V) for the next token, and the new state.
        """
        raise TypeError(f"{type(self).__name__} has no step")


def token_mask(lengths: Ids, size: int) -> NDArray[np.bool_] | None:
    """Return a mask (B, size), True at tokens; None without padding."""
    if int(lengths.min()) == size:
        return None
    mask: NDArray[np.bool_] = np.arange(size) < lengths[:, None]  # (B, S)
    return mask


def attention_bias(mask: NDArray[np.bool_] | None, like: Floats) -> Floats | None:
    """Convert a mask (B, S) to a bias for attention energies: 0 at tokens, `MASKED` elsewhere."""
    return None if mask is None else np.where(mask, 0.0, MASKED).astype(like.dtype)


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
