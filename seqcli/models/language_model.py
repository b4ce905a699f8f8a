"""Language models: the contract of every model, without a source.

They invent texts symbol by symbol. Their source is always (B, 0): it says how many texts there
are and nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.models.cells import Cell
from seqcli.models.contract import Model, State
from seqcli.models.dropout import Dropout
from seqcli.models.positions import Positions
from seqcli.models.short_attention import attend
from seqcli.models.stacks import make_stack
from seqcli.models.transformer import FeedForward, KeysValues, Residual


class RecurrentLanguageModel(Model):
    """A stack of cells over one-hot symbols, and a linear layer (Karpathy's char-rnn, 2015).

    There is no embedding: a one-hot symbol picks its column of the input weights, as in the
    classical exercise, so that the NumPy backend has the very same weights. Padding stands at the
    end, where a model that reads from left to right has not yet seen it: nothing is packed.

    Args:
        config: ``cell``, ``hidden``, ``layers`` and ``dropout`` are used.
        vocabulary: V, specials included.
    """

    def __init__(self, config: ModelConfig, vocabulary: int) -> None:
        super().__init__()
        cell: Cell = registry.resolve("cell", config.cell, registry.CELLS)(config.activation)
        self.sizes = (config.layers, config.hidden)
        self.stack = make_stack(
            cell, vocabulary, config.hidden, config.layers, config.dropout, bidirectional=False
        )
        self.dropout = Dropout(config.dropout)
        self.output = nn.Linear(config.hidden, vocabulary)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        outputs, _ = self.stack(self._one_hot(target_in))  # (B, T, H)
        return self.output(self.dropout(outputs))  # type: ignore[no-any-return]

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """See `Model.start`."""
        zeros = self.output.weight.new_zeros(source.shape[0], *self.sizes)  # (B, L, H)
        return State((), (zeros,) * self.stack.cell.states)

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Model.step`."""
        before = tuple(part.transpose(0, 1).contiguous() for part in state.past)  # (L, B, H)
        outputs, after = self.stack(self._one_hot(token[:, None]), None, before)  # (B, 1, H)
        past = tuple(part.transpose(0, 1) for part in after)  # (B, L, H)
        return self.output(outputs[:, 0]), replace(
            state, past=past, position=state.position + 1
        )  # (B, V)

    def _one_hot(self, tokens: Tensor) -> Tensor:
        """Turn ids (B, T) into rows of zeros with a single one, (B, T, V)."""
        weight = self.output.weight
        rows = weight.new_zeros(*tokens.shape, weight.shape[0])  # (B, T, V)
        return rows.scatter_(2, tokens[:, :, None], 1.0)


class CausalLayer(nn.Module):
    """A layer of the Transformer in which each position sees itself and those before it.

    Queries, keys and values come from one product. There is dropout on what a part adds to its
    input, and none on the attention's weights: PyTorch's quick attention on the CPU has none.
    """

    def __init__(self, config: ModelConfig, positions: Positions) -> None:
        super().__init__()
        width = config.hidden
        self.positions = (positions,)  # in a tuple: shared, and not this module's own
        self.heads = config.heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attended = nn.Linear(width, width)
        self.after_attention = Residual(width, config.dropout, config.norm)
        self.feedforward = FeedForward(width, config.feedforward, config.dropout)
        self.after_feedforward = Residual(width, config.dropout, config.norm)

    def forward(self, states: Tensor, past: KeysValues | None) -> tuple[Tensor, KeysValues]:
        """Turn states (B, T, H) into the next layer's.

        Args:
            states: (B, T, H); with a past T is 1.
            past: keys and values (B, N, P, H / N) of the positions before, if there are any.

        Returns:
            states (B, T, H), and the keys and values of all positions so far.
        """
        kept: list[Tensor] = []

        def look_back(x: Tensor) -> Tensor:
            query, keys, values = self._project(x, 0 if past is None else past[0].shape[2])
            if past is not None:
                keys = torch.cat([past[0], keys], dim=2)  # (B, N, P + 1, H / N)
                values = torch.cat([past[1], values], dim=2)  # (B, N, P + 1, H / N)
            kept.extend([keys, values])
            return self._look(query, keys, values, causal=past is None)

        states = self.after_attention(states, look_back)
        return self.after_feedforward(states, self.feedforward), (kept[0], kept[1])

    def _project(self, states: Tensor, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return query, keys, values (B, N, T, H / N), positions in them."""
        parts = self.query_key_value(states).unflatten(2, (3, self.heads, -1))  # (B, T, 3, N, H/N)
        query, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)  # (B, N, T, H / N) each
        (positions,) = self.positions
        return positions.turned(query, start), positions.turned(keys, start), values

    def _look(self, query: Tensor, keys: Tensor, values: Tensor, causal: bool) -> Tensor:
        mixed = attend(query, keys, values, causal=causal)  # (B, N, T, H / N)
        return self.attended(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class TransformerLanguageModel(Model):
    """The decoder-only Transformer (Radford et al. 2018), keys and values cached in `step`.

    Args:
        config: ``hidden`` is the width of the model.
        vocabulary: V, specials included.
        longest: positions that learned positions must have room for.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, longest: int) -> None:
        super().__init__()
        width = config.hidden
        kind = registry.resolve("kind of positions", config.positions, registry.POSITIONS)
        self.scale = math.sqrt(width)
        self.heads = (config.heads, width // config.heads)
        self.embedding = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.positions = kind(width, width // config.heads, longest)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            CausalLayer(config, self.positions) for _ in range(config.layers)
        )
        self.norm = (nn.LayerNorm if config.norm == "pre" else nn.Identity)(width)
        self.output = nn.Linear(width, vocabulary)

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """See `Model.forward`."""
        states = self._embed(target_in, 0)
        for layer in self.layers:
            states, _ = layer(states, None)  # (B, T, H)
        return self.output(self.norm(states))  # type: ignore[no-any-return]

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """See `Model.start`."""
        heads, head = self.heads
        empty = self.output.weight.new_zeros(source.shape[0], heads, 0, head)  # (B, N, 0, H / N)
        return State((), (empty, empty) * len(self.layers))

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Model.step`."""
        states = self._embed(token[:, None], state.position)  # (B, 1, H)
        past: list[Tensor] = []
        pairs = zip(state.past[0::2], state.past[1::2], strict=True)
        for layer, before in zip(self.layers, pairs, strict=True):
            states, kept = layer(states, before)  # (B, 1, H)
            past.extend(kept)
        logits = self.output(self.norm(states))[:, 0]  # (B, V)
        return logits, replace(state, past=tuple(past), position=state.position + 1)

    def _embed(self, tokens: Tensor, start: int) -> Tensor:
        embedded = self.positions.added(self.embedding(tokens) * self.scale, start)  # (B, T, H)
        return self.dropout(embedded)  # type: ignore[no-any-return]


def language_model(config: ModelConfig, vocabulary: int, longest: int) -> Model:
    """Build the language model that a configuration asks for."""
    if config.cell == "transformer":
        return TransformerLanguageModel(config, vocabulary, longest)
    return RecurrentLanguageModel(config, vocabulary)
