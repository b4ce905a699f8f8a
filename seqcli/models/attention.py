"""Attention of a recurrent decoder over the encoder's outputs, masks, and copying by attention.

Every attention has the same three parts: a projection of the queries, a projection of the keys,
and the energies (scores) of each query with each key. The softmax over the source is shared. To
define a new attention, subclass `Attention`, override the parts that differ, and register the class
in `seqcli.registry.ATTENTIONS`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.models.base import copy_to
from seqcli.models.kernels import autocasts
from seqcli.models.kernels.additive_energies import additive_energies
from seqcli.models.rnn import one_hot

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


FLOOR = 1e-30  # smaller probabilities of copying count as 0; gradients, up to 1 / FLOOR, are finite


class PointerGenerator(nn.Module):
    """Mix the distribution over the vocabulary with copying from the source.

    This is the pointer-generator of See et al. (2017, arXiv:1704.04368). The next token is
    generated from the vocabulary or copied from the source, and a gate g mixes both:

        p(y) = g softmax(logits)[y] + (1 - g) (attention on the source positions whose token is y)

    A source token can be copied if the target vocabulary has a token with the same text. The target
    vocabulary stays fixed, so an unknown source token is not copied, and neither are the features
    of an inflection: what the attention assigns to them is added to the share of the vocabulary.
    Thus the mixture is always a distribution, also if nothing in the source can be copied.

    The gate reads the decoder's output only, because the context and the last token are among the
    inputs from which it was computed.

    Args:
        hidden: H, the size of the decoder's output.
        vocabulary: V of the target.
        copy_ids: for each source id the target id of the same token, `PAD` if there is none; see
            `seqcli.data.vocabulary.Vocabulary.ids_in`. It is not stored with the weights, but
            computed from the vocabularies.
    """

    copy_ids: Tensor

    def __init__(self, hidden: int, vocabulary: int, copy_ids: Sequence[int]) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.gate = nn.Linear(hidden, 1)
        self.register_buffer("copy_ids", torch.tensor(copy_ids), persistent=False)

    def pointers(self, source: Tensor) -> Tensor:
        """Return the target token of each source position (B, S) as one-hot vectors (B, S, V).

        Positions that cannot be copied point to `PAD`.
        """
        return one_hot(self.copy_ids[source], self.vocabulary, self.gate.weight)  # (B, S, V)

    def forward(self, logits: Tensor, states: Tensor, weights: Tensor, pointers: Tensor) -> Tensor:
        """Return the logarithm of the mixture, which serves as logits.

        There are R = B * K rows, K hypotheses for each of the B sources. With mixed precision the
        mixture is computed in float32.

        Args:
            logits: (R, T, V).
            states: (R, T, H), the decoder's output.
            weights: (R, T, S), attention weights.
            pointers: (B, S, V), see `pointers`.

        Returns:
            log-probabilities (R, T, V).
        """
        gate = self.gate(states).to(pointers.dtype)  # (R, T, 1)
        log_p = F.log_softmax(logits.to(pointers.dtype), dim=2)  # (R, T, V)
        sources, size, _ = pointers.shape
        with _without_autocast(pointers):
            mass = weights.to(pointers.dtype).reshape(sources, -1, size) @ pointers  # (B, K * T, V)
        mass = mass.view_as(log_p)  # (R, T, V)
        log_copied = F.logsigmoid(-gate)  # (R, T, 1)
        log_generated = torch.logaddexp(F.logsigmoid(gate), log_copied + _log(mass[..., :1]))
        copied = F.pad(mass[..., 1:], (1, 0))  # (R, T, V), with 0 for PAD
        return torch.logaddexp(log_generated + log_p, log_copied + _log(copied))  # (R, T, V)


class CopyHead(PointerGenerator):
    """The pointer-generator of a Transformer, with an attention head of its own.

    Its energies are q . W k / √H, with the decoder's output as q and the encoder's as k. The mean
    of the heads of the last decoder layer would be an alternative. But these heads look for
    different things, so their mean is never sharp, and the fused kernels of training do not return
    their weights. The keys do not depend on the target, so decoding computes them once.
    """

    def __init__(self, hidden: int, vocabulary: int, copy_ids: Sequence[int]) -> None:
        super().__init__(hidden, vocabulary, copy_ids)
        self.attention = GeneralAttention(hidden, 1)

    def prepare(self, source: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return pointers (B, S, V) and keys (B, S, H) of the encoder's outputs (B, S, H)."""
        return self.pointers(source), self.attention.project_keys(outputs)

    def mixed(
        self, logits: Tensor, states: Tensor, mask: Tensor | None, copies: Sequence[Tensor]
    ) -> Tensor:
        """Attend with the decoder's output (R, T, H), and return the mixture (R, T, V).

        Args:
            logits: (R, T, V).
            states: (R, T, H), the decoder's output.
            mask: (B, 1, 1, S), True at tokens, or None without padding.
            copies: the result of `prepare`.
        """
        pointers, keys = copies
        bias = None if mask is None else attention_bias(mask[:, 0, 0], keys)  # (B, S)
        width = states.shape[2]
        queries = (states / math.sqrt(width)).reshape(len(keys), -1, width)  # (B, K * T, H)
        weights = self.attention(queries, keys, bias).reshape(*states.shape[:2], -1)  # (R, T, S)
        mixture: Tensor = self(logits, states, weights, pointers)
        return mixture


def _log(probability: Tensor) -> Tensor:
    """Return the logarithm, or `MASKED` below `FLOOR`; the gradients are finite."""
    positive = probability > FLOOR
    return torch.where(positive, torch.where(positive, probability, 1.0).log(), MASKED)


def _without_autocast(like: Tensor) -> AbstractContextManager[object]:
    """Return a context without mixed precision, in which the product keeps its dtype."""
    return torch.autocast(like.device.type, enabled=False) if autocasts(like) else nullcontext()
