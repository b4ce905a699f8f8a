"""Attention of a recurrent decoder over the encoder's outputs, and masks.

With decoder states q_t and encoder outputs h_j, every attention computes

    e_tj = energy(q_t, h_j)                      energies (B, T, S)
    a_tj = exp(e_tj) / sum over k of exp(e_tk)   weights (B, T, S), a softmax over the source
    c_t  = sum over j of a_tj h_j                contexts (B, T, C), computed by the decoders

and only the energy differs. To define a new attention, subclass `Attention`, override the parts
that differ, and register the class in `seqcli.registry.ATTENTIONS`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from seqcli.models.base import copy_to
from seqcli.models.kernels.additive_energies import additive_energies

MASKED = -1e9  # added to the energies of padding; exp() gives 0, and no row becomes NaN


class Attention(nn.Module):
    """Compute how much each query attends to each source position.

    Attributes:
        before_step: whether the decoder attends before each step and feeds the context to the
            cell (Bahdanau et al. 2015), or after the cell (Luong et al. 2015).
        monotonic: whether each token is emitted from one position, and positions never decrease;
            see `seqcli.models.monotonic`.

    Args:
        hidden: H, the size of the decoder's hidden state.
        directions: D; the encoder's outputs are D * H wide.
    """

    before_step: ClassVar[bool] = False
    monotonic: ClassVar[bool] = False

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__()
        self.hidden, self.directions = hidden, directions

    def project_queries(self, states: Tensor) -> Tensor:
        """Project decoder states (B, T, H) to queries (B, T, A); the default is the identity."""
        return states

    def project_keys(self, memory: Tensor) -> Tensor:
        """Project the encoder's outputs (B, S, D * H) to keys (B, S, A), once per source."""
        raise TypeError(f"{type(self).__name__} has no project_keys")

    def values(self, memory: Tensor) -> Tensor:
        """Return the values (B, S, H), whose weighted sum is the context of a `LuongDecoder`.

        They are the encoder's outputs (B, S, D * H), with the two directions of a bidirectional
        encoder summed, so that the context has the size of the decoder's state.
        """
        return memory if self.directions == 1 else torch.stack(memory.chunk(2, dim=2)).sum(0)

    def energies(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the energies (B, T, S) of queries (B, T, A) with keys (B, S, A)."""
        return queries @ keys.transpose(1, 2)  # (B, T, S)

    def forward(self, queries: Tensor, keys: Tensor, attn_bias: Tensor | None) -> Tensor:
        """Return attention weights (B, T, S).

        Args:
            queries: (B, T, A), projected.
            keys: (B, S, A), projected.
            attn_bias: (B, S) added to the energies to mask padding, or None.
        """
        energies = self.energies(queries, keys)  # (B, T, S)
        if attn_bias is not None:
            energies = energies + attn_bias[:, None]  # (B, T, S)
        return torch.softmax(energies, dim=2)


class AdditiveAttention(Attention):
    """energy = v . tanh(W q + U k) (Bahdanau et al. 2015, arXiv:1409.0473)."""

    before_step = True

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__(hidden, directions)
        self.key = nn.Linear(hidden * directions, hidden, bias=False)
        self.query = nn.Linear(hidden, hidden)
        self.energy = nn.Linear(hidden, 1, bias=False)

    def project_queries(self, states: Tensor) -> Tensor:
        """See `Attention.project_queries`."""
        queries: Tensor = self.query(states)  # (B, T, A)
        return queries

    def project_keys(self, memory: Tensor) -> Tensor:
        """See `Attention.project_keys`."""
        keys: Tensor = self.key(memory)  # (B, S, A)
        return keys

    def energies(self, queries: Tensor, keys: Tensor) -> Tensor:
        """See `Attention.energies`."""
        return additive_energies(queries, keys, self.energy.weight[0])  # (B, T, S)


class DotAttention(Attention):
    """energy = q . k (Luong et al. 2015, arXiv:1508.04025).

    The keys are the values.
    """

    def project_keys(self, memory: Tensor) -> Tensor:
        """See `Attention.project_keys`."""
        return self.values(memory)  # (B, S, H)


class GeneralAttention(Attention):
    """energy = q . W h, with the encoder's outputs h (Luong et al. 2015, arXiv:1508.04025)."""

    def __init__(self, hidden: int, directions: int) -> None:
        super().__init__(hidden, directions)
        self.key = nn.Linear(hidden * directions, hidden, bias=False)

    def project_keys(self, memory: Tensor) -> Tensor:
        """See `Attention.project_keys`."""
        keys: Tensor = self.key(memory)  # (B, S, H)
        return keys


class MonotonicAttention(GeneralAttention):
    """Exact hard monotonic attention (Wu and Cotterell 2019), with energy = q . W h."""

    monotonic = True


def token_mask(lengths: Tensor, size: int, device: torch.device) -> Tensor | None:
    """Return a mask (B, size), True at tokens; None without padding (never in an export).

    Every mask of the models is True where attention is allowed.
    """
    if not torch.compiler.is_exporting() and int(lengths.min()) == size:
        return None
    mask = torch.arange(size) < lengths[:, None]  # (B, S)
    return copy_to(mask, device)


def attention_bias(mask: Tensor | None, like: Tensor) -> Tensor | None:
    """Convert a mask (B, S) to a bias for attention energies: 0 at tokens, `MASKED` elsewhere."""
    return None if mask is None else like.new_zeros(mask.shape).masked_fill(~mask, MASKED)
