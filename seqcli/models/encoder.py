"""The recurrent encoder, and the bridge from its last state to the decoder's first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.config import ModelConfig
from seqcli.models.cells import Cell, CellState
from seqcli.models.embedding import Embedding
from seqcli.models.rnn import make_rnn


class Encoder(nn.Module):
    """Embed the source and run a recurrent layer over it, in one direction or both.

    Padding changes nothing: each row is read to its own length, in both directions.

    Args:
        config: the sizes.
        vocabulary: V of the source.
        cell: what the layers are made of.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, cell: Cell) -> None:
        super().__init__()
        self.embedding = Embedding(
            vocabulary, config.embedding, config.dropout, config.embedding_dropout
        )
        self.rnn = make_rnn(
            cell,
            config.embedding,
            config.hidden,
            config.layers,
            config.dropout,
            config.bidirectional,
        )

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, CellState]:
        """Return the outputs (B, S, D * H) and the last states, each (L * D, B, H)."""
        return self.rnn.read(self.embedding.embed(source), lengths)


class Bridge(nn.Module):
    """Compute the decoder's first state from the encoder's last, layer by layer.

    Learned: tanh of a linear layer over both directions (Bahdanau et al. 2015). The LSTM's cell
    state has a linear layer of its own, without tanh. Not learned: the sum of the directions.
    """

    def __init__(self, config: ModelConfig, states: int) -> None:
        super().__init__()
        self.layers, self.directions = config.layers, 2 if config.bidirectional else 1
        size = config.hidden * self.directions
        count = config.layers * states if config.bridge else 0
        self.projections = nn.ModuleList(nn.Linear(size, config.hidden) for _ in range(count))

    def forward(self, state: CellState) -> CellState:
        """Turn tensors (L * D, B, H) into tensors (L, B, H)."""
        return tuple(self._bridge(i, part) for i, part in enumerate(state))

    def _bridge(self, which: int, part: Tensor) -> Tensor:
        batch, hidden = part.shape[1:]
        directions = part.view(self.layers, self.directions, batch, hidden)  # (L, D, B, H)
        if not len(self.projections):
            return directions.sum(1)  # (L, B, H)
        joined = directions.transpose(1, 2).reshape(self.layers, batch, -1)  # (L, B, D * H)
        first = which * self.layers
        projected = torch.stack(
            [self.projections[first + i](layer) for i, layer in enumerate(joined)]
        )  # (L, B, H)
        return torch.tanh(projected) if which == 0 else projected
