"""The Transformer (Vaswani et al. 2017, arXiv:1706.03762).

Encoder, decoder and language model use the same layer, `TransformerLayer`. An encoder layer has
self-attention and a feed-forward network. A decoder layer attends to the source as well, and its
self-attention is causal. A language model is a decoder without a source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.models.attention import token_mask
from seqcli.models.base import Model, copy_to
from seqcli.models.copying import CopyHead
from seqcli.models.embedding import Dropout, TokenEmbedding, output_layer
from seqcli.models.positions import Positions


class KeysValues(NamedTuple):
    """Keys and values, each (B, N, S, d); d = H / N."""

    keys: Tensor
    values: Tensor

    def extended(self, keys: Tensor, values: Tensor) -> KeysValues:
        """Return these followed by those of new positions."""
        return KeysValues(
            torch.cat([self.keys, keys], dim=2), torch.cat([self.values, values], dim=2)
        )  # (B, N, S, d) each


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in N heads.

    There is no dropout on the attention weights: PyTorch's fused CPU kernel does not support it.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def queries(self, states: Tensor) -> Tensor:
        """Project states (B, T, H) to queries (B, N, T, d)."""
        return self._heads(self.query(states))

    def keys_values(self, states: Tensor) -> KeysValues:
        """Project states (B, S, H) to keys and values (B, N, S, d)."""
        keys, values = self.key_value(states).chunk(2, dim=2)  # (B, S, H) each
        return KeysValues(self._heads(keys), self._heads(values))

    def projections(self, states: Tensor) -> tuple[Tensor, KeysValues]:
        """Project states (B, T, H) to queries, keys and values of self-attention, in one product.

        One large product has less overhead than several small ones, forward and backward.
        """
        weight = torch.cat([self.query.weight, self.key_value.weight])  # (3 H, H)
        bias = torch.cat([self.query.bias, self.key_value.bias])  # (3 H,)
        query, keys, values = F.linear(states, weight, bias).chunk(3, dim=2)  # (B, T, H) each
        return self._heads(query), KeysValues(self._heads(keys), self._heads(values))

    def forward(
        self, query: Tensor, memory: KeysValues, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Compute softmax(Q Kᵀ / √d) V in each head, and combine the heads: (B, T, H).

        ``mask`` is True where attention is allowed; `weights` returns the softmax.
        """
        context = F.scaled_dot_product_attention(query, *memory, mask, is_causal=causal)
        joined: Tensor = self.output(context.transpose(1, 2).flatten(2))  # (B, T, H)
        return joined

    def weights(self, query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Return the attention weights (B, T, S), averaged over heads, for display."""
        scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[3])  # (B, N, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(3).mean(1)  # (B, T, S)

    def _heads(self, states: Tensor) -> Tensor:
        batch, size, width = states.shape
        heads = states.view(batch, size, self.heads, width // self.heads)  # (B, T, N, d)
        return heads.transpose(1, 2)  # (B, N, T, d)


class Residual(nn.Module):
    """A residual connection around a function f of the states, with layer norm and dropout.

        x = residual.outputs(x, f(residual.inputs(x)))

    is x + f(norm(x)) for "pre" (Xiong et al. 2020, arXiv:2002.04745), and norm(x + f(x)) for
    "post", as in the original paper. Dropout is applied to f's result.
    """

    def __init__(self, width: int, dropout: float, norm: str) -> None:
        super().__init__()
        self.norm, self.dropout, self.pre = nn.LayerNorm(width), Dropout(dropout), norm == "pre"

    def inputs(self, x: Tensor) -> Tensor:
        """Return the inputs of f for states (B, T, H)."""
        return self.norm(x) if self.pre else x

    def outputs(self, x: Tensor, update: Tensor) -> Tensor:
        """Add dropout(f(inputs)) to states (B, T, H)."""
        x = self.dropout.added(x, update)
        return x if self.pre else self.norm(x)


class FeedForward(nn.Sequential):
    """Two linear layers with ReLU and dropout between them."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(width, inner), nn.ReLU(), Dropout(dropout), nn.Linear(inner, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply both layers to states (B, T, H)."""
        first, _, dropout, second = self
        assert isinstance(dropout, Dropout)
        outputs: Tensor = second(dropout.relu(first(x)))  # (B, T, H)
        return outputs


class CrossMemory(NamedTuple):
    """The source of a decoder layer: its keys and values, and the mask or None."""

    source: KeysValues
    mask: Tensor | None


class LayerOutput(NamedTuple):
    """The output of a layer.

    Attributes:
        states: (R, T, H).
        cache: keys and values of all positions so far, for the self-attention of the next step.
        query: (B, N, K * T, d), the queries to the source, or None without cross-attention.
    """

    states: Tensor
    cache: KeysValues
    query: Tensor | None


class TransformerLayer(nn.Module):
    """Self-attention, attention to the source (if ``cross``), and a feed-forward network.

    Args:
        config: ``hidden`` is the width H.
        positions: shared by all layers; rotary positions rotate queries and keys.
        cross: whether the layer attends to a source.
    """

    def __init__(self, config: ModelConfig, positions: Positions, cross: bool) -> None:
        super().__init__()
        width, dropout, norm = config.hidden, config.dropout, config.norm
        self.positions = (positions,)  # a tuple, so that it is not registered as a submodule
        # each part, and the residual connection around it
        self.self_attention = MultiHeadAttention(width, config.heads)
        self.after_self = Residual(width, dropout, norm)
        if cross:
            self.cross_attention = MultiHeadAttention(width, config.heads)
            self.after_cross = Residual(width, dropout, norm)
        self.feedforward = FeedForward(width, config.feedforward, dropout)
        self.after_feedforward = Residual(width, dropout, norm)

    def forward(
        self,
        x: Tensor,
        *,
        mask: Tensor | None = None,
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
        # self-attention
        start = 0 if past is None else past.keys.shape[2]
        query, keys_values = self._self_projections(self.after_self.inputs(x), start)
        if past is not None:
            keys_values = past.extended(*keys_values)
        attended = self.self_attention(query, keys_values, mask, causal and past is None)
        x = self.after_self.outputs(x, attended)  # (R, T, H)
        # attention to the source
        source_query = None
        if memory is not None:
            inputs = self.after_cross.inputs(x)  # (R, T, H)
            source_query = self._source_queries(inputs, start, len(memory.source.keys))
            attended = self.cross_attention(source_query, *memory).view_as(x)  # (R, T, H)
            x = self.after_cross.outputs(x, attended)  # (R, T, H)
        # feed-forward network, at each position
        update = self.feedforward(self.after_feedforward.inputs(x))  # (R, T, H)
        return LayerOutput(self.after_feedforward.outputs(x, update), keys_values, source_query)

    def source_memory(self, states: Tensor) -> KeysValues:
        """Project the encoder's states (B, S, H) to keys, with their positions, and values."""
        (positions,) = self.positions
        keys, values = self.cross_attention.keys_values(states)
        return KeysValues(positions.rotated(keys), values)  # (B, N, S, d) each

    def _source_queries(self, x: Tensor, start: int, sources: int) -> Tensor:
        """Project R = B * K rows (R, T, H) to queries, with their positions; K or T is 1."""
        (positions,) = self.positions
        together = x.reshape(sources, -1, x.shape[2])  # (B, K * T, H)
        query = self.cross_attention.queries(together)  # (B, N, K * T, d)
        return positions.rotated(query, start, size=x.shape[1])

    def _self_projections(self, x: Tensor, start: int) -> tuple[Tensor, KeysValues]:
        """Project to query, keys and values, with their positions from ``start`` on."""
        (positions,) = self.positions
        query, (keys, values) = self.self_attention.projections(x)
        rotated_keys = positions.rotated(keys, start)  # (B, N, T, d)
        return positions.rotated(query, start), KeysValues(rotated_keys, values)


class Layers(nn.ModuleList):
    """A typed list of Transformer layers."""

    def __iter__(self) -> Iterator[TransformerLayer]:
        return super().__iter__()  # type: ignore[return-value]


class Transformer(Model):
    """Encoder and decoder, with keys and values cached in `step`.

    Args:
        config: ``hidden`` is the width H.
        source, target: the sizes of the vocabularies.
        max_length: maximum sequence length; the size of a table of learned positions.
        copy_ids: see `PointerGenerator`; used if ``config.copy`` is set.
    """

    def __init__(
        self,
        config: ModelConfig,
        source: int,
        target: int,
        max_length: int,
        copy_ids: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.source_embedding = TokenEmbedding(config, source, max_length)
        self.target_embedding = TokenEmbedding(config, target, max_length)
        self.encoder = make_layers(config, self.source_embedding.positions, cross=False)
        self.decoder = make_layers(config, self.target_embedding.positions, cross=True)
        self.source_norm, self.target_norm = final_norm(config), final_norm(config)
        embedding = self.target_embedding.embedding
        self.output = output_layer(embedding, config.hidden, config.tied_embeddings)
        # 1: the target's positions continue those of the source; 0: they start at 0
        self.continues = int(config.continue_positions)
        self.copy = CopyHead(config.hidden, target, copy_ids) if config.copy else None

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        mask, memories, copies = self._encode(source, source_lengths)
        first = self._first_position(source, source_lengths) if self.continues else None
        last = self.continues * source.shape[1]
        x = self.target_embedding(target_in, last, first)  # (B, T, H)
        for layer, memory in zip(self.decoder, memories, strict=True):
            x = layer(x, causal=True, memory=CrossMemory(memory, mask)).states  # (B, T, H)
        return self._logits(x, mask, copies)  # (B, T, V)

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """See `Model.start`."""
        mask, memories, copies = self._encode(source, source_lengths)
        if mask is None:
            mask = torch.ones_like(source, dtype=torch.bool)[:, None, None]  # (B, 1, 1, S)
        first = self._first_position(source, source_lengths)
        empty = memories[0].keys[:, :, :0]  # (B, N, 0, d)
        memory = (mask, first, *flat(memories), *copies)
        return DecoderState(memory, (empty, empty) * len(self.decoder))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """See `Model.step`."""
        mask, first, *rest = state.memory
        memories, copies = rest[: 2 * len(self.decoder)], rest[2 * len(self.decoder) :]
        positions = first.repeat_interleave(state.beams, dim=0) + state.position  # (R, 1)
        last = self.continues * mask.shape[3] + state.position
        x = self.target_embedding(token[:, None], last, positions)  # (R, 1, H)
        cache: list[KeysValues] = []
        rows = zip(self.decoder, paired(state.past), paired(memories), strict=True)
        for layer, past, source in rows:
            out = layer(x, causal=True, past=past, memory=CrossMemory(source, mask))
            x, kept, query = out  # (R, 1, H)
            cache.append(kept)
        # of the last layer, for display
        weights = layer.cross_attention.weights(query, source.keys, mask).flatten(0, 1)  # (R, S)
        logits = self._logits(x, mask, copies)[:, 0]  # (R, V)
        after, position = tuple(flat(cache)), state.position + 1
        return logits, replace(state, past=after, position=position, attention=weights)

    def _logits(self, x: Tensor, mask: Tensor | None, copies: Sequence[Tensor]) -> Tensor:
        """Return the logits (R, T, V) of the last layer's states (R, T, H)."""
        x = self.target_norm(x)
        logits: Tensor = self.output(x)  # (R, T, V)
        return logits if self.copy is None else self.copy.mixed(logits, x, mask, copies)

    def _encode(
        self, source: Tensor, lengths: Tensor
    ) -> tuple[Tensor | None, list[KeysValues], tuple[Tensor, ...]]:
        """Return the mask, keys and values (B, N, S, d) per decoder layer, and tensors to copy by.

        The mask is (B, 1, 1, S), or None without padding. Without positions the encoder is causal;
        otherwise it would see its source as a bag of tokens. A causal encoder needs no mask,
        because padding is at the end.
        """
        tokens = token_mask(lengths, source.shape[1], source.device)
        mask = None if tokens is None else tokens[:, None, None]  # (B, 1, 1, S)
        causal = not self.source_embedding.positions.gives_order
        x = self.source_embedding(source)  # (B, S, H)
        for layer in self.encoder:
            x = layer(x, mask=None if causal else mask, causal=causal).states  # (B, S, H)
        x = self.source_norm(x)
        copies = () if self.copy is None else self.copy.prepare(source, x)
        return mask, [layer.source_memory(x) for layer in self.decoder], copies

    def _first_position(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Return the target's first position (B, 1): 0, or the source's length."""
        return copy_to(lengths, source.device)[:, None] * self.continues  # (B, 1)


def make_layers(config: ModelConfig, positions: Positions, cross: bool) -> Layers:
    """Return the layers of an encoder, of a decoder (``cross``) or of a language model."""
    return Layers(TransformerLayer(config, positions, cross) for _ in range(config.layers))


def final_norm(config: ModelConfig) -> nn.Module:
    """Return the layer norm after the last layer: "pre" has one, "post" does not need it."""
    return (nn.LayerNorm if config.norm == "pre" else nn.Identity)(config.hidden)


def flat(pairs: Iterable[KeysValues]) -> list[Tensor]:
    """Return keys and values of all layers in one list, as a `DecoderState` stores them."""
    return [part for pair in pairs for part in pair]


def paired(parts: Iterable[Tensor]) -> list[KeysValues]:
    """Undo `flat`."""
    tensors = list(parts)
    return [KeysValues(*pair) for pair in zip(tensors[0::2], tensors[1::2], strict=True)]
