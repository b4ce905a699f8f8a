"""The recurrent encoder, and the bridge from its last state to the decoder's first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.models.cells import Cell, CellState
from seqcli.models.embedding import Embedding
from seqcli.models.stacks import make_stack


class Encoder(nn.Module):
    """Embeds the source and reads it, in one direction or both.

    Padding changes nothing: each row is read to its own length, in both directions.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int,
        hidden: int,
        cell: Cell,
        layers: int,
        bidirectional: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, embedding, dropout)
        self.stack = make_stack(cell, embedding, hidden, layers, dropout, bidirectional)

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
        """Return the outputs (B, S, D * H) and the last states, each (L * D, B, H)."""
        return self.stack.read(self.embedding.symbols(source), lengths)


class Bridge(nn.Module):
    """Makes the decoder's first state of the encoder's last, layer by layer.

    Learned: tanh of a linear layer over both directions (Bahdanau et al. 2015; the LSTM's cell
    state has a layer of its own, without tanh). Not learned: the sum of the directions.
    """

    def __init__(
        self, hidden: int, layers: int, directions: int, states: int, learned: bool
    ) -> None:
        super().__init__()
        self.layers, self.directions = layers, directions
        size = hidden * directions
        count = layers * states if learned else 0
        self.projections = nn.ModuleList(nn.Linear(size, hidden) for _ in range(count))

    def forward(self, state: CellState) -> CellState:
        """Turn parts (L * D, B, H) into parts (L, B, H)."""
        return tuple(self._part(i, part) for i, part in enumerate(state))

    def _part(self, which: int, part: Tensor) -> Tensor:
        batch, hidden = part.shape[1:]
        sides = part.view(self.layers, self.directions, batch, hidden)  # (L, D, B, H)
        if not len(self.projections):
            return sides.sum(1)  # (L, B, H)
        joined = sides.transpose(1, 2).reshape(self.layers, batch, -1)  # (L, B, D * H)
        first = which * self.layers
        projected = torch.stack(
            [self.projections[first + i](layer) for i, layer in enumerate(joined)]
        )  # (L, B, H)
        return torch.tanh(projected) if which == 0 else projected
