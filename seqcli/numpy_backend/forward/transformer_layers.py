"""The layers of a Transformer; see `seqcli.models.transformer_layers`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.attention import scores_to_weights
from seqcli.numpy_backend.forward.layers import Identity, LayerNorm, Weights
from seqcli.numpy_backend.forward.positions import Positions
from seqcli.numpy_backend.parameters import Floats, Ids

Mask: TypeAlias = NDArray[np.bool_]
MAX_SCORES = 1 << 24  # attention scores computed at once: 64 MiB in float32


class KeysValues(NamedTuple):
    """Keys and values, each (B, N, S, d); d = H / N."""

    keys: Floats
    values: Floats

    def extended(self, keys: Floats, values: Floats) -> KeysValues:
        """Return these followed by those of new positions."""
        return KeysValues(
            np.concatenate([self.keys, keys], axis=2),
            np.concatenate([self.values, values], axis=2),
        )


class MultiHeadAttention:
    """Scaled dot-product attention in N heads: softmax(Q Kᵀ / √d) V."""

    def __init__(self, weights: Weights, width: int, heads: int) -> None:
        self.heads = heads
        self.query = weights.linear("query", width, width)
        self.key_value = weights.linear("key_value", width, 2 * width)
        self.output = weights.linear("output", width, width)

    def queries(self, states: Floats) -> Floats:
        """Project states (B, T, H) to queries (B, N, T, d)."""
        return self._heads(self.query(states))

    def keys_values(self, states: Floats) -> KeysValues:
        """Project states (B, S, H) to keys and values (B, N, S, d)."""
        width, both = states.shape[2], self.key_value(states)  # (B, S, 2 * H)
        return KeysValues(self._heads(both[..., :width]), self._heads(both[..., width:]))

    def __call__(
        self, query: Floats, memory: KeysValues, mask: Mask | None = None, causal: bool = False
    ) -> Floats:
        """Attend with queries (B, N, T, d); ``mask`` is True where attention is allowed.

        A large batch is computed in parts, so that the scores fit into memory.
        """
        batch, heads, size, width = query.shape
        rows = max(1, MAX_SCORES // max(1, heads * size * memory.keys.shape[2]))
        mixed = np.empty_like(query, shape=(batch, size, heads, width))
        for first in range(0, batch, rows):
            part = slice(first, first + rows)
            part_mask = None if mask is None else mask[part]
            weights = scores_to_weights(query[part], memory.keys[part], part_mask, causal)
            mixed[part] = (weights @ memory.values[part]).swapaxes(1, 2)  # (rows, T, N, d)
        return self.output(mixed.reshape(batch, size, heads * width))  # (B, T, H)

    def weights(self, query: Floats, keys: Floats, mask: Mask | None) -> Floats:
        """Return the attention weights (B, T, S), averaged over heads, for display."""
        averaged: Floats = scores_to_weights(query, keys, mask).mean(axis=1)  # (B, T, S)
        return averaged

    def _heads(self, states: Floats) -> Floats:
        batch, size, width = states.shape
        heads = states.reshape(batch, size, self.heads, width // self.heads)  # (B, T, N, d)
        return heads.swapaxes(1, 2)  # (B, N, T, d)


class Residual:
    """x + f(norm(x)) ("pre", Xiong et al. 2020) or norm(x + f(x)) ("post", the original)."""

    def __init__(self, weights: Weights, width: int, norm: str) -> None:
        self.norm, self.pre = weights.layer_norm("norm", width), norm == "pre"

    def __call__(self, x: Floats, inner: Callable[[Floats], Floats]) -> Floats:
        """Apply ``inner`` to states (B, T, H)."""
        if self.pre:
            return x + inner(self.norm(x))
        return self.norm(x + inner(x))


class FeedForward:
    """Two linear layers with ReLU between them."""

    def __init__(self, weights: Weights, width: int, inner: int) -> None:
        self.first = weights.linear("0", width, inner)  # 1 and 2 are ReLU and dropout
        self.second = weights.linear("3", inner, width)

    def __call__(self, x: Floats) -> Floats:
        """Apply both layers to states (B, T, H)."""
        return self.second(np.maximum(self.first(x), 0))


class Convolution:
    """A convolution over adjacent positions, with ReLU; see the PyTorch model."""

    def __init__(self, weights: Weights, width: int, size: int) -> None:
        self.size, self.linear = size, weights.linear("linear", size * width, width)

    def __call__(self, x: Floats, inside: Mask | None) -> Floats:
        """Map states (B, S, H); ``inside`` (B, S, 1) is True at tokens, or None without padding."""
        if inside is not None:
            x = x * inside
        reach = self.size // 2
        padded = np.pad(x, ((0, 0), (reach, reach), (0, 0)))  # (B, S + 2 r, H)
        shifted = [padded[:, i : i + x.shape[1]] for i in range(self.size)]  # (B, S, H) each
        return np.maximum(self.linear(np.concatenate(shifted, axis=2)), 0)  # (B, S, H)


class CrossMemory(NamedTuple):
    """The source of a decoder layer: its keys and values, and the mask or None."""

    source: KeysValues
    mask: Mask | None


class LayerOutput(NamedTuple):
    """The output of a layer.

    Attributes:
        states: (R, T, H).
        cache: keys and values of all positions so far, for the self-attention of the next step.
        query: (B, N, K * T, d), the queries to the source, or None without cross-attention.
    """

    states: Floats
    cache: KeysValues
    query: Floats | None


class TransformerLayer:
    """Self-attention, attention to the source (if ``cross``), and a feed-forward network.

    Args:
        weights: the weights of this part.
        config: ``hidden`` is the width H.
        positions: shared by all layers; rotary positions rotate queries and keys.
        cross: whether the layer attends to a source.
        convolution: the positions of a convolution before self-attention; 0 for none.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        positions: Positions,
        cross: bool,
        convolution: int = 0,
    ) -> None:
        width, norm, part = config.hidden, config.norm, weights.part
        self.positions, self.convolution = positions, None
        if convolution:
            self.convolution = Convolution(part("convolution"), width, convolution)
            self.after_convolution = Residual(part("after_convolution"), width, norm)
        self.self_attention = MultiHeadAttention(part("self_attention"), width, config.heads)
        self.after_self = Residual(part("after_self"), width, norm)
        if cross:
            self.cross_attention = MultiHeadAttention(part("cross_attention"), width, config.heads)
            self.after_cross = Residual(part("after_cross"), width, norm)
        self.feedforward = FeedForward(part("feedforward"), width, config.feedforward)
        self.after_feedforward = Residual(part("after_feedforward"), width, norm)

    def __call__(
        self,
        x: Floats,
        *,
        mask: Mask | None = None,
        causal: bool = False,
        past: KeysValues | None = None,
        memory: CrossMemory | None = None,
        inside: Mask | None = None,
    ) -> LayerOutput:
        """Compute the next layer's states.

        With a memory of B sources there are R = B * K rows, K hypotheses per source.

        Args:
            x: states (R, T, H); with ``past`` T is 1.
            mask: (R, 1, 1, T), True at tokens, for an encoder with padding.
            causal: whether position t attends to positions up to t only.
            past: keys and values of the positions before.
            memory: the source, for a layer with cross-attention.
            inside: (R, T, 1), True at tokens, for a convolution with padding.
        """
        start = 0 if past is None else past.keys.shape[2]
        cache: list[KeysValues] = []
        queries: list[Floats] = []

        def attend_to_self(x: Floats) -> Floats:
            query, new = self._self_projections(x, start)
            cache.append(new if past is None else past.extended(*new))
            return self.self_attention(query, cache[0], mask, causal and past is None)

        def attend_to_source(x: Floats) -> Floats:
            assert memory is not None
            together = x.reshape(len(memory.source.keys), -1, x.shape[2])  # (B, K * T, H)
            query = self.cross_attention.queries(together)  # (B, N, K * T, d); K or T is 1
            queries.append(self.positions.rotated(query, start, size=x.shape[1]))
            return self.cross_attention(queries[0], *memory).reshape(x.shape)

        def read_neighbors(x: Floats) -> Floats:
            assert self.convolution is not None
            return self.convolution(x, inside)

        if self.convolution is not None:
            x = self.after_convolution(x, read_neighbors)
        x = self.after_self(x, attend_to_self)
        if memory is not None:
            x = self.after_cross(x, attend_to_source)
        x = self.after_feedforward(x, self.feedforward)
        return LayerOutput(x, cache[0], queries[0] if queries else None)

    def source_memory(self, states: Floats) -> KeysValues:
        """Project the encoder's states (B, S, H) to keys, with their positions, and values."""
        keys, values = self.cross_attention.keys_values(states)
        return KeysValues(self.positions.rotated(keys), values)  # (B, N, S, d) each

    def _self_projections(self, x: Floats, start: int) -> tuple[Floats, KeysValues]:
        """Project to query, keys and values, with their positions from ``start`` on."""
        query = self.self_attention.queries(x)
        keys, values = self.self_attention.keys_values(x)
        rotated = self.positions.rotated(query, start), self.positions.rotated(keys, start)
        return rotated[0], KeysValues(rotated[1], values)


class TokenEmbedding:
    """Token embeddings with positions.

    Args:
        weights: the weights of this part.
        config: ``hidden`` is the width H, ``positions`` the kind.
        vocabulary: V.
        max_length: maximum sequence length; the size of a table of learned positions.
        kind: the kind of positions.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        vocabulary: int,
        max_length: int,
        kind: type[Positions],
    ) -> None:
        width = config.hidden
        self.embedding = weights.embedding("embedding", vocabulary, width)
        self.positions = kind(weights.part("positions"), width, width // config.heads, max_length)
        self.scale = math.sqrt(width)

    def __call__(self, tokens: Ids, start: int | Ids = 0) -> Floats:
        """Embed token ids (B, T), the first at position ``start``: (B, T, H)."""
        return self.positions.added(self.embedding(tokens) * self.scale, start)


def make_layers(
    weights: Weights, config: ModelConfig, positions: Positions, cross: bool, convolution: int = 0
) -> list[TransformerLayer]:
    """Return the layers of an encoder, of a decoder (``cross``) or of a language model."""
    parts = (weights.part(str(layer)) for layer in range(config.layers))
    return [TransformerLayer(part, config, positions, cross, convolution) for part in parts]


def final_norm(weights: Weights, name: str, config: ModelConfig) -> LayerNorm | Identity:
    """Return the layer norm after the last layer: "pre" has one, "post" does not need it."""
    return weights.layer_norm(name, config.hidden) if config.norm == "pre" else Identity()


def flat(pairs: Iterable[KeysValues]) -> list[Floats]:
    """Return keys and values of all layers in one list, as a `DecoderState` stores them."""
    return [part for pair in pairs for part in pair]


def paired(parts: Iterable[Floats]) -> list[KeysValues]:
    """Undo `flat`."""
    arrays = list(parts)
    return [KeysValues(*pair) for pair in zip(arrays[0::2], arrays[1::2], strict=True)]
