"""The layers of a Transformer (Vaswani et al. 2017, arXiv:1706.03762).

Encoder, decoder and language model use the same layer, `TransformerLayer`. An encoder layer has
self-attention and a feed-forward network, and may begin with a convolution. A decoder layer attends
to the source as well, and its self-attention is causal. A language model is a decoder without a
source.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.config import ModelConfig
from seqcli.models.embedding import Dropout
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


class Convolution(nn.Module):
    """A convolution over k adjacent positions, with ReLU: each position reads its neighbors.

        y_t = relu(W [x_{t-r}; ...; x_t; ...; x_{t+r}] + b),    r = (k - 1) / 2

    Attention has to learn from the data which positions are near. A convolution knows it, which
    matters for few rows (compare Gulati et al. 2020, arXiv:2005.08100).

    Args:
        width: H, of the inputs and outputs.
        size: k, an odd number.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size, self.linear = size, nn.Linear(size * width, width)

    def forward(self, x: Tensor, inside: Tensor | None) -> Tensor:
        """Return states (B, S, H) of states (B, S, H).

        ``inside`` (B, S, 1) is True at tokens, or None without padding. Padding reads as zeros,
        like the positions beyond both ends.
        """
        if inside is not None:
            x = x * inside
        reach = self.size // 2
        padded = F.pad(x, (0, 0, reach, reach))  # (B, S + 2 r, H)
        shifted = [padded[:, i : i + x.shape[1]] for i in range(self.size)]  # (B, S, H) each
        return torch.relu(self.linear(torch.cat(shifted, dim=2)))  # (B, S, H)


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
        convolution: the positions k of a convolution before self-attention; 0 for none.
    """

    def __init__(
        self, config: ModelConfig, positions: Positions, cross: bool, convolution: int = 0
    ) -> None:
        super().__init__()
        width, dropout, norm = config.hidden, config.dropout, config.norm
        self.positions = (positions,)  # a tuple, so that it is not registered as a submodule
        # each part, and the residual connection around it
        self.convolution = Convolution(width, convolution) if convolution else None
        self.after_convolution = Residual(width, dropout, norm) if convolution else None
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
        inside: Tensor | None = None,
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
        # convolution
        if self.convolution is not None and self.after_convolution is not None:
            read = self.convolution(self.after_convolution.inputs(x), inside)  # (R, T, H)
            x = self.after_convolution.outputs(x, read)  # (R, T, H)
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


def make_layers(
    config: ModelConfig, positions: Positions, cross: bool, convolution: int = 0
) -> Layers:
    """Return the layers of an encoder, of a decoder (``cross``) or of a language model."""
    return Layers(
        TransformerLayer(config, positions, cross, convolution) for _ in range(config.layers)
    )


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
