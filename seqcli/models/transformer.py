"""The encoder-decoder Transformer (Vaswani et al. 2017, arXiv:1706.03762)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.models.contract import Model, State, padding_mask
from seqcli.models.dropout import Dropout
from seqcli.models.positions import Positions
from seqcli.models.short_attention import attend

KeysValues = tuple[Tensor, Tensor]  # each (B, N, S, H / N)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention in N heads.

    The weights themselves are not dropped: that would keep PyTorch from its fused kernel.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.output = nn.Linear(width, width)

    def split(self, states: Tensor) -> Tensor:
        """Turn (B, T, H) into (B, N, T, H / N)."""
        batch, size, width = states.shape
        heads = states.view(batch, size, self.heads, width // self.heads)
        return heads.transpose(1, 2)  # (B, N, T, H / N)

    def keys_values(self, states: Tensor) -> KeysValues:
        """Project states (B, S, H) to keys and values."""
        keys, values = self.key_value(states).chunk(2, dim=2)  # (B, S, H) each
        return self.split(keys), self.split(values)

    def forward(
        self, query: Tensor, memory: KeysValues, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Attend with queries (B, N, T, H / N); ``mask`` is True where looking is allowed."""
        mixed = attend(query, *memory, mask, causal)  # (B, N, T, H / N)
        joined: Tensor = self.output(mixed.transpose(1, 2).flatten(2))  # (B, T, H)
        return joined

    def weights(self, query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Return the weights (B, T, S), the mean over heads, for showing."""
        scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[3])  # (B, N, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(3).mean(1)  # (B, T, S)


class Residual(nn.Module):
    """x + f(norm(x)) ("pre", Xiong et al. 2020) or norm(x + f(x)) ("post", as first published)."""

    def __init__(self, width: int, dropout: float, norm: str) -> None:
        super().__init__()
        self.norm, self.dropout, self.before = nn.LayerNorm(width), Dropout(dropout), norm == "pre"

    def forward(self, states: Tensor, inner: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply ``inner`` to states (B, T, H)."""
        if self.before:
            return self.dropout.added(states, inner(self.norm(states)))
        return self.norm(self.dropout.added(states, inner(states)))  # type: ignore[no-any-return]


class FeedForward(nn.Sequential):
    """Two linear layers with ReLU between."""

    def __init__(self, width: int, inner: int, dropout: float) -> None:
        super().__init__(
            nn.Linear(width, inner), nn.ReLU(), Dropout(dropout), nn.Linear(inner, width)
        )

    def forward(self, states: Tensor) -> Tensor:
        """Apply them to states (B, T, H); ReLU and dropout are one."""
        first, _, dropout, second = self
        assert isinstance(dropout, Dropout)
        return second(dropout.relu(first(states)))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Self-attention, attention to the source (decoders), and a feed-forward network."""

    def __init__(self, config: ModelConfig, positions: Positions, decodes: bool) -> None:
        super().__init__()
        width = config.hidden

        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(width, config.heads)

        def residual() -> Residual:
            return Residual(width, config.dropout, config.norm)

        self.positions = (positions,)  # in a tuple: shared, and not this module's own
        self.self_attention, self.after_self = attention(), residual()
        if decodes:
            self.cross_attention, self.after_cross = attention(), residual()
        self.feedforward = FeedForward(width, config.feedforward, config.dropout)
        self.after_feedforward = residual()

    def encode(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Turn source states (B, S, H) into the next layer's.

        Padding stands at the end, where a causal encoder does not look: it needs no mask.
        """
        causal = not self.positions[0].tells_order

        def look_around(x: Tensor) -> Tensor:
            query, keys, values = self._project(x, 0)
            seen = None if causal else mask
            return self.self_attention(query, (keys, values), seen, causal)  # type: ignore[no-any-return]

        states = self.after_self(states, look_around)
        return self.after_feedforward(states, self.feedforward)  # type: ignore[no-any-return]

    def decode(
        self, states: Tensor, past: KeysValues | None, memory: KeysValues, mask: Tensor | None
    ) -> tuple[Tensor, KeysValues, Tensor]:
        """Turn target states (R, T, H) into the next layer's.

        There are R = B * K rows, K for each of the memory's B sources (K is 1 but in a beam).

        Returns:
            states (R, T, H), the keys and values of all positions so far, and the queries that
            looked at the source (B, N, K * T, H / N).
        """
        kept: list[Tensor] = []

        def look_back(x: Tensor) -> Tensor:
            query, keys, values = self._project(x, 0 if past is None else past[0].shape[2])
            if past is not None:
                keys = torch.cat([past[0], keys], dim=2)  # (R, N, T, H / N)
                values = torch.cat([past[1], values], dim=2)  # (R, N, T, H / N)
            kept.extend([keys, values])
            causal = past is None and x.shape[1] > 1
            return self.self_attention(query, (keys, values), causal=causal)  # type: ignore[no-any-return]

        def look_across(x: Tensor) -> Tensor:
            together = x.reshape(memory[0].shape[0], -1, x.shape[2])  # (B, K * T, H)
            kept.append(self.cross_attention.split(self.cross_attention.query(together)))
            return self.cross_attention(kept[2], memory, mask).view_as(x)  # type: ignore[no-any-return]

        states = self.after_cross(self.after_self(states, look_back), look_across)
        states = self.after_feedforward(states, self.feedforward)
        return states, (kept[0], kept[1]), kept[2]

    def _project(self, states: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, keys, values (B, N, T, H / N), positions in them."""
        attention, (positions,) = self.self_attention, self.positions
        keys, values = attention.keys_values(states)
        query = attention.split(attention.query(states))  # (B, N, T, H / N)
        return positions.turned(query, start), positions.turned(keys, start), values


class Layers(nn.ModuleList):
    """A list of layers, typed as such."""

    def __iter__(self) -> Iterator[Layer]:
        return super().__iter__()  # type: ignore[return-value]


class Transformer(Model):
    """Encoder and decoder with keys and values cached in `step`.

    Args:
        config: ``hidden`` is the width of the model.
        source, target: sizes of the vocabularies.
        longest: positions that learned positions must have room for.
    """

    def __init__(self, config: ModelConfig, source: int, target: int, longest: int) -> None:
        super().__init__()
        width = config.hidden
        kind = registry.resolve("kind of positions", config.positions, registry.POSITIONS)
        self.scale, self.goes_on = math.sqrt(width), int(config.continue_positions)
        self.source_embedding = nn.Embedding(source, width)
        self.target_embedding = nn.Embedding(target, width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=width**-0.5)
        self.source_positions = kind(width, width // config.heads, longest)
        self.target_positions = kind(width, width // config.heads, longest)
        self.dropout = Dropout(config.dropout)
        self.encoder = Layers(
            Layer(config, self.source_positions, decodes=False) for _ in range(config.layers)
        )
        self.decoder = Layers(
            Layer(config, self.target_positions, decodes=True) for _ in range(config.layers)
        )
        last = nn.LayerNorm if config.norm == "pre" else nn.Identity
        self.source_norm, self.target_norm = last(width), last(width)
        self.output = nn.Linear(width, target)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        mask, pairs = self._read(source, source_lengths)
        start = self._first_place(source, source_lengths)
        states = self._embed(self.target_embedding, self.target_positions, target_in, start)
        for layer, pair in zip(self.decoder, _paired(pairs), strict=True):
            states, _, _ = layer.decode(states, None, pair, mask)  # (B, T, H)
        return self.output(self.target_norm(states))  # type: ignore[no-any-return]

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """See `Model.start`."""
        mask, pairs = self._read(source, source_lengths)
        if mask is None:
            mask = torch.ones_like(source, dtype=torch.bool)[:, None, None]  # (B, 1, 1, S)
        memory = (mask, self._first_place(source, source_lengths), *pairs)
        empty = pairs[0][:, :, :0]  # (B, N, 0, H / N)
        return State(memory, (empty, empty) * len(self.decoder))

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Model.step`."""
        mask, start, *pairs = state.memory
        places = start.repeat_interleave(state.beams, dim=0) + state.position  # (R, 1)
        states = self._embed(
            self.target_embedding, self.target_positions, token[:, None], places
        )  # (R, 1, H)
        past: list[Tensor] = []
        rows = zip(self.decoder, _paired(state.past), _paired(pairs), strict=True)
        for layer, before, pair in rows:
            states, kept, query = layer.decode(states, before, pair, mask)  # (R, 1, H)
            past.extend(kept)
        looked = layer.cross_attention.weights(query, pair[0], mask).flatten(0, 1)  # (R, S)
        logits = self.output(self.target_norm(states))[:, 0]  # (R, V)
        position = state.position + 1
        return logits, replace(state, past=tuple(past), position=position, attention=looked)

    def _read(self, source: Tensor, lengths: Tensor) -> tuple[Tensor | None, list[Tensor]]:
        """Return the mask (B, 1, 1, S), None when there is no padding, and for each decoder layer
        keys and values of the source (B, N, S, H / N)."""
        padding = padding_mask(lengths, source.shape[1], source.device)
        mask = None if padding is None else ~padding[:, None, None]  # (B, 1, 1, S)
        states = self._embed(self.source_embedding, self.source_positions, source, 0)
        for layer in self.encoder:
            states = layer.encode(states, mask)  # (B, S, H)
        states = self.source_norm(states)
        pairs = [layer.cross_attention.keys_values(states) for layer in self.decoder]
        return mask, [part for pair in pairs for part in pair]

    def _first_place(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Return the target's first position (B, 1)."""
        return lengths.to(source.device)[:, None] * self.goes_on

    def _embed(
        self, embedding: nn.Embedding, positions: Positions, tokens: Tensor, start: int | Tensor
    ) -> Tensor:
        embedded = positions.added(embedding(tokens) * self.scale, start)  # (B, T, H)
        return self.dropout(embedded)  # type: ignore[no-any-return]


def _paired(parts: list[Tensor] | tuple[Tensor, ...]) -> list[KeysValues]:
    return list(zip(parts[0::2], parts[1::2], strict=True))
