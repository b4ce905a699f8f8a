"""Copying source tokens to the target: the pointer-generator (See et al. 2017, arXiv:1704.04368).

The next token is generated from the vocabulary or copied from the source, and a gate g mixes both:

    p(y) = g softmax(logits)[y] + (1 - g) (attention on the source positions whose token is y)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.models.attention import MASKED, GeneralAttention, attention_bias
from seqcli.models.kernels import autocasts
from seqcli.models.rnn import one_hot

FLOOR = 1e-30  # smaller probabilities of copying count as 0; gradients, up to 1 / FLOOR, are finite


class PointerGenerator(nn.Module):
    """Mix the distribution over the vocabulary with copying from the source.

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
