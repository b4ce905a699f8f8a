"""The interface of every model; see `seqcli.models.base`.

Shapes use one alphabet: B batch, S source length, T target length, V vocabulary, E embedding,
H hidden, N heads, K beam. R = B * K is the number of hypotheses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.state import DecoderState
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
