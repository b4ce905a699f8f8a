"""Attention of a recurrent decoder over the encoder's outputs."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Scores each source position for a query.

    ``inside``: whether the context goes into the decoder's next state (and so needs a step at a
    time), or is added to its output (and so may be computed for all steps at once).
    """

    inside: ClassVar[bool]

    def keys(self, memory: Tensor) -> Tensor:
        """Project the encoder's outputs (B, S, C) once per source: (B, S, A)."""
        raise TypeError(f"{type(self).__name__} has no keys")


class AdditiveAttention(Attention):
    """score = v . tanh(W q + U k) (Bahdanau et al. 2015, arXiv:1409.0473).

    Computed as 2 v . sigmoid(2 (W q + U k)): tanh(x) is 2 sigmoid(2 x) - 1, the softmax does not
    see the constant, and PyTorch's sigmoid is three times as fast as its tanh on the CPU.
    """

    inside = True

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__()
        self.key = nn.Linear(hidden * directions, hidden, bias=False)
        self.query = nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """See `Attention.keys`."""
        projected: Tensor = self.key(memory)  # (B, S, A)
        return 2 * projected

    def weights(self, query: Tensor, keys: Tensor, hidden: Tensor | None) -> Tensor:
        """Return (B, K, S) weights for projected queries, K for each source.

        Args:
            query: (B * K, A), already through ``self.query``.
            keys: (B, S, A), as `keys` made them.
            hidden: (B, S), 0 at symbols and -inf at padding, or None.
        """
        queries = query.view(keys.shape[0], -1, 1, keys.shape[2])  # (B, K, 1, A)
        squashed = torch.add(keys[:, None], queries, alpha=2).sigmoid_()  # (B, K, S, A)
        energies = squashed @ (2 * self.energy.weight[0])  # (B, K, S)
        if hidden is not None:
            energies = energies + hidden[:, None]
        return torch.softmax(energies, dim=2)


class MultiplicativeAttention(Attention):
    """score = q . k, over all queries at once (Luong et al. 2015, arXiv:1508.04025)."""

    inside = False

    def weights(self, queries: Tensor, keys: Tensor, hidden: Tensor | None) -> Tensor:
        """Return (B, T, S) weights for queries (B, T, H), keys (B, S, H), padding (B, S)."""
        energies = queries @ keys.transpose(1, 2)  # (B, T, S)
        if hidden is not None:
            energies = energies + hidden[:, None]
        return torch.softmax(energies, dim=2)


class DotAttention(MultiplicativeAttention):
    """The key is the encoder's output itself; two directions are summed so that widths agree."""

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__()
        self.directions = directions

    def keys(self, memory: Tensor) -> Tensor:
        """See `Attention.keys`."""
        return torch.stack(memory.chunk(self.directions, dim=2)).sum(0)  # (B, S, H)


class GeneralAttention(MultiplicativeAttention):
    """The key is a learned projection of the encoder's output."""

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__()
        self.key = nn.Linear(hidden * directions, hidden, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """See `Attention.keys`."""
        projected: Tensor = self.key(memory)  # (B, S, H)
        return projected
