"""Recurrent decoders: without attention, with attention on the output, and inside the cell."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.models.attending import attend, learns_by_hand
from seqcli.models.attention import AdditiveAttention, MultiplicativeAttention
from seqcli.models.cells import Cell, CellState
from seqcli.models.dropout import Dropout
from seqcli.models.embedding import Embedding, Symbols
from seqcli.models.stacks import make_stack

Memory: TypeAlias = tuple[Tensor, ...]  # what `prepare` makes of the encoder's outputs


class PlainDecoder(nn.Module):
    """Knows the source only by its first state (Sutskever et al. 2014, arXiv:1409.3215)."""

    def __init__(
        self, vocabulary: int, embedding: int, hidden: int, cell: Cell, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, embedding, dropout)
        self.dropout = Dropout(dropout)
        self.stack = make_stack(cell, embedding, hidden, layers, dropout, bidirectional=False)
        self.output = nn.Linear(hidden, vocabulary)

    def prepare(self, memory: Tensor, hidden: Tensor | None) -> Memory:
        """Return what the steps need of the encoder's outputs (B, S, C): here nothing."""
        return ()

    def forward(
        self, tokens: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, CellState, Tensor | None]:
        """Read target symbols (R, T) from a state of parts (L, R, H).

        There are R = B * K rows, K for each of the memory's B sources (K is 1 but in a beam).

        Returns:
            logits (R, T, V), the state after, and attention weights (R, T, S) or None.
        """
        symbols = self.embedding.symbols(tokens)
        outputs, state = self.stack.read(symbols, None, state)  # (R, T, H)
        return self.output(self.dropout(outputs)), state, None


class LuongDecoder(PlainDecoder):
    """Adds to each output what it attends to; all steps at once (Luong et al. 2015)."""

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        hidden: int,
        cell: Cell,
        layers: int,
        dropout: float,
        attention: MultiplicativeAttention,
    ) -> None:
        super().__init__(vocabulary, embedding, hidden, cell, layers, dropout)
        self.attention = attention
        self.combine = nn.Linear(2 * hidden, hidden)

    def prepare(self, memory: Tensor, hidden: Tensor | None) -> Memory:
        """Return the keys (B, S, H), which are also the values, and the padding (B, S)."""
        keys = self.attention.keys(memory)
        return (keys,) if hidden is None else (keys, hidden)

    def forward(
        self, tokens: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, CellState, Tensor | None]:
        """See `PlainDecoder.forward`."""
        keys, hidden = memory if len(memory) == 2 else (memory[0], None)
        symbols = self.embedding.symbols(tokens)
        outputs, state = self.stack.read(symbols, None, state)  # (R, T, H)
        queries = outputs.reshape(keys.shape[0], -1, keys.shape[2])  # (B, K * T, H)
        weights = self.attention.weights(queries, keys, hidden)  # (B, K * T, S)
        contexts = (weights @ keys).view_as(outputs)  # (R, T, H)
        attentional = torch.tanh(self.combine(torch.cat([outputs, contexts], 2)))  # (R, T, H)
        return self.output(self.dropout(attentional)), state, weights.view(*tokens.shape, -1)


class BahdanauDecoder(nn.Module):
    """Attends with its state before each step, and lets the context into the step.

    Only what depends on the state before is computed inside the loop over positions. The
    embedded symbols' part of the gates, the keys, and the memory's part of the gates are one
    product each before it: a weighted sum of projected positions is the projection of their
    weighted sum. Output layer and upper layers run over all positions after it.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        hidden: int,
        cell: Cell,
        layers: int,
        dropout: float,
        attention: AdditiveAttention,
        directions: int,
    ) -> None:
        super().__init__()
        context, gates = hidden * directions, hidden * cell.gates
        self.cell = cell
        self.embedding = Embedding(vocabulary, embedding, dropout)
        self.dropout = Dropout(dropout)
        self.attention = attention
        self.from_input = nn.Linear(embedding, gates)
        self.from_context = nn.Linear(context, gates, bias=False)
        self.from_state = nn.Linear(hidden, gates)
        self.upper = (
            make_stack(cell, hidden, hidden, layers - 1, dropout, bidirectional=False)
            if layers > 1
            else None
        )
        self.output = nn.Linear(hidden + context + embedding, vocabulary)

    def prepare(self, memory: Tensor, hidden: Tensor | None) -> Memory:
        """Return the memory's values, keys (B, S, A) and gates (B, S, G), and the padding.

        The values are the memory itself (B, S, C), or where nothing is dropped what the output
        layer makes of it (B, S, V).
        """
        _, from_context, _ = self._output_parts()
        values = memory if self.training else F.linear(memory, from_context)
        parts = (values, self.attention.keys(memory), self.from_context(memory))
        return parts if hidden is None else (*parts, hidden)

    def forward(
        self, tokens: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, CellState, Tensor | None]:
        """See `PlainDecoder.forward`."""
        symbols = self.embedding.symbols(tokens)
        bottom = tuple(part[0] for part in state)  # (R, H) each
        inputs = symbols.projected(self.from_input.weight, self.from_input.bias)  # (R, T, G)
        outputs, weights, bottom = self._attend(inputs, memory, bottom)
        after = tuple(part[None] for part in bottom)  # (1, R, H) each
        if self.upper is not None:
            above = tuple(part[1:].contiguous() for part in state)  # (L - 1, R, H) each
            outputs, above = self.upper(self.dropout(outputs), None, above)  # (R, T, H)
            after = tuple(torch.cat(parts) for parts in zip(after, above, strict=True))
        sources, size, width = memory[0].shape
        looked = weights.view(sources, -1, size)  # (B, K * T, S)
        values = (looked @ memory[0]).view(*tokens.shape, width)  # (R, T, C) or (R, T, V)
        return self._logits(symbols, outputs, values), after, weights

    def _logits(self, symbols: Symbols, outputs: Tensor, values: Tensor) -> Tensor:
        """Return the output layer's product with state, context and symbol (R, T, V)."""
        from_state, from_context, from_input = self._output_parts()
        if self.training:
            values = F.linear(self.dropout(values), from_context)  # (R, T, V)
        said = symbols.projected(from_input, self.output.bias)  # (R, T, V)
        return F.linear(self.dropout(outputs), from_state) + values + said

    def _output_parts(self) -> tuple[Tensor, ...]:
        """Return the output layer's weights for state (V, H), context (V, C), symbol (V, E)."""
        hidden, embedding = self.from_state.in_features, self.from_input.in_features
        sizes = [hidden, self.from_context.in_features, embedding]
        return torch.split(self.output.weight, sizes, dim=1)

    def _attend(
        self, inputs: Tensor, memory: Memory, state: CellState
    ) -> tuple[Tensor, Tensor, CellState]:
        """Run the bottom layer: inputs (R, T, G) -> outputs (R, T, H), weights (R, T, S)."""
        _, keys, gates, *rest = memory
        hidden = rest[0] if rest else None
        split = [self.from_state.out_features, self.attention.query.out_features]
        weight = torch.cat([self.from_state.weight, self.attention.query.weight])  # (G + A, H)
        bias = torch.cat([self.from_state.bias, self.attention.query.bias])  # (G + A,)
        alone = len(inputs) == len(keys)  # one answer a source
        if alone and self.cell.by_hand and learns_by_hand(inputs):
            energy = self.attention.energy.weight[0]  # (A,)
            return attend(self.cell, inputs, keys, gates, energy, weight, bias, hidden, state)
        outputs, weights = [], []
        for step in inputs.unbind(1):
            products = F.linear(state[0], weight, bias)  # (R, G + A)
            recurrent, query = torch.split(products, split, 1)  # (R, G), (R, A)
            looked = self.attention.weights(query, keys, hidden)  # (B, K, S)
            own = step.reshape(*looked.shape[:2], -1)  # (B, K, G)
            own = torch.baddbmm(own, looked, gates).flatten(0, 1)  # (R, G)
            state = self.cell.combine(own, recurrent, state)
            outputs.append(state[0])
            weights.append(looked.flatten(0, 1))  # (R, S)
        return torch.stack(outputs, dim=1), torch.stack(weights, dim=1), state
