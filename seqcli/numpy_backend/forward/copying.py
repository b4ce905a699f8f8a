"""Copying source tokens to the target: see `seqcli.models.copying`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seqcli.numpy_backend.forward.attention import GeneralAttention
from seqcli.numpy_backend.forward.base import MASKED, attention_bias
from seqcli.numpy_backend.forward.layers import Weights
from seqcli.numpy_backend.functional import log_softmax
from seqcli.numpy_backend.parameters import Floats, Ids

FLOOR = 1e-30  # smaller probabilities of copying count as 0


class PointerGenerator:
    """Mix the distribution over the vocabulary with copying from the source (See et al. 2017).

    Args:
        weights: the weights of this part.
        hidden: H, the size of the decoder's output.
        vocabulary: V of the target.
        copy_ids: for each source id the target id of the same token, or PAD.
    """

    def __init__(
        self, weights: Weights, hidden: int, vocabulary: int, copy_ids: Sequence[int]
    ) -> None:
        self.vocabulary, self.copy_ids = vocabulary, np.array(copy_ids)
        self.gate = weights.linear("gate", hidden, 1)

    def pointers(self, source: Ids) -> Floats:
        """Return the target token of each source position (B, S) as one-hot vectors (B, S, V)."""
        targets = self.copy_ids[source]  # (B, S)
        pointers = np.zeros((*source.shape, self.vocabulary), self.gate.weight.dtype)  # (B, S, V)
        np.put_along_axis(pointers, targets[:, :, None], 1.0, axis=2)
        return pointers

    def __call__(self, logits: Floats, states: Floats, weights: Floats, pointers: Floats) -> Floats:
        """Return the logarithm of the mixture (R, T, V), which serves as logits.

        Args:
            logits: (R, T, V).
            states: (R, T, H), the decoder's output.
            weights: (R, T, S), attention weights.
            pointers: (B, S, V), see `pointers`; R = B * K.
        """
        gate = self.gate(states)  # (R, T, 1)
        sources, size, _ = pointers.shape
        mass = (weights.reshape(sources, -1, size) @ pointers).reshape(logits.shape)  # (R, T, V)
        log_copied, log_gate = _log_sigmoid(-gate), _log_sigmoid(gate)  # (R, T, 1)
        log_generated = np.logaddexp(log_gate, log_copied + _log(mass[..., :1]))  # (R, T, 1)
        mass[..., 0] = 0  # PAD: what cannot be copied
        mixed: Floats = np.logaddexp(log_generated + log_softmax(logits), log_copied + _log(mass))
        return mixed


class CopyHead(PointerGenerator):
    """The pointer-generator of a Transformer, with an attention head of its own."""

    def __init__(
        self, weights: Weights, hidden: int, vocabulary: int, copy_ids: Sequence[int]
    ) -> None:
        super().__init__(weights, hidden, vocabulary, copy_ids)
        self.attention = GeneralAttention(weights.part("attention"), hidden, 1)

    def prepare(self, source: Ids, outputs: Floats) -> tuple[Floats, Floats]:
        """Return pointers (B, S, V) and keys (B, S, H) of the encoder's outputs (B, S, H)."""
        return self.pointers(source), self.attention.project_keys(outputs)

    def mixed(
        self,
        logits: Floats,
        states: Floats,
        mask: NDArray[np.bool_] | None,
        copies: Sequence[Floats],
    ) -> Floats:
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
        return self(logits, states, weights, pointers)


def _log_sigmoid(x: Floats) -> Floats:
    log: Floats = -np.logaddexp(0, -x)
    return log


def _log(probability: Floats) -> Floats:
    """Return the logarithm, and `MASKED` below `FLOOR`."""
    log: Floats = np.log(np.maximum(probability, FLOOR))
    log[probability <= FLOOR] = MASKED
    return log
