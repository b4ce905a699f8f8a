"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762); see `seqcli.models.transformer`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.numpy_backend.forward.attention import scores_to_weights
from seqcli.numpy_backend.forward.base import NumpyModel, token_mask
from seqcli.numpy_backend.forward.copying import CopyHead
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
    """

    def __init__(
        self, weights: Weights, config: ModelConfig, positions: Positions, cross: bool
    ) -> None:
        width, norm, part = config.hidden, config.norm, weights.part
        self.positions = positions
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
    ) -> LayerOutput:
        """Compute the next layer's states.

        With a memory of B sources there are R = B * K rows, K hypotheses per source.

        Args:
            x: states (R, T, H); with ``past`` T is 1.
            mask: (R, 1, 1, T), True at tokens, for an encoder with padding.
            causal: whether position t attends to positions up to t only.
            past: keys and values of the positions before.
            memory: the source, for a layer with cross-attention.
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


class Transformer(NumpyModel):
    """Encoder and decoder, with keys and values cached in `step`.

    Args:
        weights: the weights of the model.
        config: ``hidden`` is the width H.
        sizes: the sizes of the source and target vocabularies.
        max_length: maximum sequence length; the size of a table of learned positions.
        positions: the kind of positions.
        copy_ids: see `CopyHead`; used if ``config.copy`` is set.
    """

    def __init__(
        self,
        weights: Weights,
        config: ModelConfig,
        sizes: tuple[int, int],
        max_length: int,
        positions: type[Positions],
        copy_ids: Sequence[int] = (),
    ) -> None:
        source, target = (
            TokenEmbedding(weights.part(f"{side}_embedding"), config, size, max_length, positions)
            for side, size in zip(("source", "target"), sizes, strict=True)
        )
        self.source_embedding, self.target_embedding = source, target
        self.encoder = make_layers(weights.part("encoder"), config, source.positions, cross=False)
        self.decoder = make_layers(weights.part("decoder"), config, target.positions, cross=True)
        self.source_norm = final_norm(weights, "source_norm", config)
        self.target_norm = final_norm(weights, "target_norm", config)
        self.output = weights.output_layer(target.embedding, config.hidden, config.tied_embeddings)
        self.continues = int(config.continue_positions)
        part = weights.part("copy")
        self.copy = CopyHead(part, config.hidden, sizes[1], copy_ids) if config.copy else None

    def forward(self, source: Ids, source_lengths: Ids, target_in: Ids) -> Floats:
        """See `NumpyModel.forward`."""
        mask, memories, copies = self._encode(source, source_lengths)
        x = self.target_embedding(target_in, self._first_position(source_lengths))  # (B, T, H)
        for layer, memory in zip(self.decoder, memories, strict=True):
            x = layer(x, causal=True, memory=CrossMemory(memory, mask)).states  # (B, T, H)
        return self._logits(x, mask, copies)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """See `NumpyModel.start`."""
        mask, memories, copies = self._encode(source, source_lengths)
        if mask is None:
            mask = np.ones_like(source, dtype=np.bool_)[:, None, None]  # (B, 1, 1, S)
        first = self._first_position(source_lengths)
        empty = memories[0].keys[:, :, :0]  # (B, N, 0, d)
        memory = (mask, first, *flat(memories), *copies)
        return DecoderState(memory, (empty, empty) * len(self.decoder))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """See `NumpyModel.step`."""
        mask, first, *rest = state.memory
        memories, copies = rest[: 2 * len(self.decoder)], rest[2 * len(self.decoder) :]
        positions = np.repeat(first, state.beams, axis=0) + state.position  # (R, 1)
        x = self.target_embedding(token[:, None], positions)  # (R, 1, H)
        cache: list[KeysValues] = []
        rows = zip(self.decoder, paired(state.past), paired(memories), strict=True)
        for layer, past, source in rows:
            x, kept, query = layer(x, past=past, memory=CrossMemory(source, mask))  # (R, 1, H)
            cache.append(kept)
        assert query is not None
        weights = layer.cross_attention.weights(query, source.keys, mask)  # (B, K, S)
        logits = self._logits(x, mask, copies)[:, 0]  # (R, V)
        attention = weights.reshape(len(token), -1)  # (R, S)
        after, position = tuple(flat(cache)), state.position + 1
        return logits, replace(state, past=after, position=position, attention=attention)

    def _logits(self, x: Floats, mask: Mask | None, copies: Sequence[Floats]) -> Floats:
        """Return the logits (R, T, V) of the last layer's states (R, T, H)."""
        x = self.target_norm(x)
        logits = self.output(x)  # (R, T, V)
        return logits if self.copy is None else self.copy.mixed(logits, x, mask, copies)

    def _encode(
        self, source: Ids, lengths: Ids
    ) -> tuple[Mask | None, list[KeysValues], tuple[Floats, ...]]:
        """Return the mask, keys and values (B, N, S, d) per decoder layer, and tensors to copy by.

        The mask is (B, 1, 1, S), or None without padding. Without positions the encoder is causal;
        otherwise it would see its source as a bag of tokens. A causal encoder needs no mask,
        because padding is at the end.
        """
        tokens = token_mask(lengths, source.shape[1])
        mask = None if tokens is None else tokens[:, None, None]  # (B, 1, 1, S)
        causal = not self.source_embedding.positions.gives_order
        x = self.source_embedding(source)  # (B, S, H)
        for layer in self.encoder:
            x = layer(x, mask=None if causal else mask, causal=causal).states  # (B, S, H)
        x = self.source_norm(x)
        copies = () if self.copy is None else self.copy.prepare(source, x)
        return mask, [layer.source_memory(x) for layer in self.decoder], copies

    def _first_position(self, lengths: Ids) -> Ids:
        """Return the target's first position (B, 1): 0, or the source's length."""
        first: Ids = lengths[:, None] * self.continues
        return first


def make_layers(
    weights: Weights, config: ModelConfig, positions: Positions, cross: bool
) -> list[TransformerLayer]:
    """Return the layers of an encoder, of a decoder (``cross``) or of a language model."""
    parts = (weights.part(str(layer)) for layer in range(config.layers))
    return [TransformerLayer(part, config, positions, cross) for part in parts]


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
