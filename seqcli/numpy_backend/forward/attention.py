"""Attention of a recurrent decoder over the encoder's outputs, and the weights of a Transformer's.

See `seqcli.models.attention`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.functional import softmax
from seqcli.numpy_backend.parameters import Floats


class Attention:
    """Compute how much each query attends to each source position.

    Attributes:
        before_step: whether the decoder attends before each step and feeds the context to the
            cell (Bahdanau et al. 2015), or after the cell (Luong et al. 2015).
        monotonic: whether each token is emitted from one position, and positions never decrease;
            see `seqcli.models.monotonic`.

    Args:
        weights: the weights of this part.
        hidden: H, the size of the decoder's hidden state.
        directions: D; the encoder's outputs are D * H wide.
    """

    before_step: ClassVar[bool] = False
    monotonic: ClassVar[bool] = False

    def __init__(self, weights: Weights, hidden: int, directions: int) -> None:
        self.hidden, self.directions = hidden, directions

    def project_queries(self, states: Floats) -> Floats:
        """Project decoder states (B, T, H) to queries (B, T, A); the default is the identity."""
        return states

    def project_keys(self, memory: Floats) -> Floats:
        """Project the encoder's outputs (B, S, D * H) to keys (B, S, A), once per source."""
        raise TypeError(f"{type(self).__name__} has no project_keys")

    def values(self, memory: Floats) -> Floats:
        """Return the values (B, S, H): the encoder's outputs with their D directions summed."""
        batch, size, _ = memory.shape
        values: Floats = memory.reshape(batch, size, self.directions, self.hidden).sum(2)
        return values  # (B, S, H)

    def energies(self, queries: Floats, keys: Floats) -> Floats:
        """Return the energies (B, T, S) of queries (B, T, A) with keys (B, S, A)."""
        energies: Floats = queries @ keys.swapaxes(1, 2)  # (B, T, S)
        return energies

    def __call__(self, queries: Floats, keys: Floats, attn_bias: Floats | None) -> Floats:
        """Return attention weights (B, T, S).

        Args:
            queries: (B, T, A), projected.
            keys: (B, S, A), projected.
            attn_bias: (B, S) added to the energies to mask padding, or None.
        """
        energies = self.energies(queries, keys)  # (B, T, S)
        if attn_bias is not None:
            energies = energies + attn_bias[:, None]
        return softmax(energies)


class AdditiveAttention(Attention):
    """energy = v . tanh(W q + U k) (Bahdanau et al. 2015, arXiv:1409.0473)."""

    before_step = True

    def __init__(self, weights: Weights, hidden: int, directions: int) -> None:
        super().__init__(weights, hidden, directions)
        self.key = weights.linear("key", hidden * directions, hidden, bias=False)
        self.query = weights.linear("query", hidden, hidden)
        self.energy = weights.linear("energy", hidden, 1, bias=False)

    def project_queries(self, states: Floats) -> Floats:
        """See `Attention.project_queries`."""
        return self.query(states)  # (B, T, A)

    def project_keys(self, memory: Floats) -> Floats:
        """See `Attention.project_keys`."""
        return self.key(memory)  # (B, S, A)

    def energies(self, queries: Floats, keys: Floats) -> Floats:
        """See `Attention.energies`."""
        total = queries[:, :, None] + keys[:, None]  # (B, T, S, A)
        return self.energy(np.tanh(total, out=total))[..., 0]  # (B, T, S)


class DotAttention(Attention):
    """energy = q . k (Luong et al. 2015, arXiv:1508.04025).

    The keys are the values.
    """

    def project_keys(self, memory: Floats) -> Floats:
        """See `Attention.project_keys`."""
        return self.values(memory)  # (B, S, H)


class GeneralAttention(Attention):
    """energy = q . W h, with the encoder's outputs h (Luong et al. 2015, arXiv:1508.04025)."""

    def __init__(self, weights: Weights, hidden: int, directions: int) -> None:
        super().__init__(weights, hidden, directions)
        self.key = weights.linear("key", hidden * directions, hidden, bias=False)

    def project_keys(self, memory: Floats) -> Floats:
        """See `Attention.project_keys`."""
        return self.key(memory)  # (B, S, H)


def scores_to_weights(
    query: Floats, keys: Floats, mask: NDArray[np.bool_] | None, causal: bool = False
) -> Floats:
    """Return the attention weights (B, N, T, S) of queries (B, N, T, d) with keys (B, N, S, d)."""
    scores = query @ keys.swapaxes(2, 3)  # (B, N, T, S)
    scores /= math.sqrt(query.shape[3])
    if causal:
        size = query.shape[2]
        scores += np.triu(np.full((size, size), -np.inf, scores.dtype), 1)  # (T, T)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return softmax(scores)


class MonotonicAttention(GeneralAttention):
    """Exact hard monotonic attention (Wu and Cotterell 2019), with energy = q . W h."""

    monotonic = True
