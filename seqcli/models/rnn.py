"""Recurrent layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.models.base import copy_to
from seqcli.models.cells import Cell, CellState, NormalizedCell
from seqcli.models.embedding import Dropout, EmbeddedTokens
from seqcli.models.kernels.rnn_layer import rnn_layer, run_layer


class RNN(nn.Module):
    """L layers of one cell, in D directions.

    Called with inputs (B, T, I), lengths (B,) on the CPU or None if no row is padded, and a state
    or None for zeros. A state is a tuple of (L * D, B, H), in PyTorch's order.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """Return outputs (B, T, D * H) and the last state."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def cell_of(self, index: int) -> Cell:
        """Return the cell of one layer in one direction, numbered in PyTorch's order."""
        return self.cell

    def gated(self) -> tuple[nn.Module, ...]:
        """Return the modules whose weights (gates * H, I) have one block of rows per gate."""
        return (self,)

    def run_embedded(
        self, tokens: EmbeddedTokens, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """Run the layers over embedded tokens; see `forward`."""
        outputs, last = self(tokens.vectors(), lengths, state)
        return outputs, last


class TorchRNN(RNN):
    """`torch.nn.RNN`, `GRU` or `LSTM`."""

    def __init__(self, cell: Cell, layer: nn.RNNBase) -> None:
        super().__init__(cell)
        self.layer = layer

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `RNN`."""
        return run_layer(self.layer, inputs, lengths, state)

    def run_embedded(
        self, tokens: EmbeddedTokens, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `RNN.run_embedded`."""
        return rnn_layer(self.cell, self.layer, tokens, lengths, state)


class CellRNN(RNN):
    """Any `Cell`, one step at a time: the reference for `TorchRNN`.

    It is used for new cells and with layer norm, where each layer and direction has norms of its
    own.
    """

    def __init__(
        self,
        cell: Cell,
        size: int,
        hidden: int,
        layers: int,
        dropout: float,
        bidirectional: bool,
        layer_norm: bool = False,
    ) -> None:
        super().__init__(cell)
        self.hidden, self.layers = hidden, layers
        self.directions = 2 if bidirectional else 1
        self.dropout = Dropout(dropout)
        sizes = [size] + [hidden * self.directions] * (layers - 1)
        widths = [width for width in sizes for _ in range(self.directions)]  # in PyTorch's order
        gates = cell.gates * hidden
        self.inputs = nn.ModuleList(nn.Linear(width, gates) for width in widths)
        self.recurrent = nn.ModuleList(nn.Linear(hidden, gates) for _ in widths)
        count = len(widths) if layer_norm else 0
        self.norms = nn.ModuleList(NormalizedCell(cell, hidden) for _ in range(count))

    def cell_of(self, index: int) -> Cell:
        """See `RNN.cell_of`."""
        normalized = self.norms[index] if len(self.norms) else self.cell
        assert isinstance(normalized, Cell)
        return normalized

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `RNN`."""
        if state is None:
            zeros = inputs.new_zeros(len(self.inputs), inputs.shape[0], self.hidden)
            state = (zeros,) * self.cell.states
        inside = None if lengths is None else _inside(lengths, inputs)  # (B, T)
        outputs, last = inputs, []
        for layer in range(self.layers):
            directions = range(layer * self.directions, (layer + 1) * self.directions)
            pairs = [
                self._run_direction(index, outputs, inside, tuple(part[index] for part in state))
                for index in directions
            ]
            outputs = torch.cat([output for output, _ in pairs], dim=2)  # (B, T, D * H)
            outputs = outputs if layer == self.layers - 1 else self.dropout(outputs)
            last += [after for _, after in pairs]
        state = tuple(torch.stack(parts) for parts in zip(*last, strict=True))  # (L * D, B, H)
        return outputs, state

    def _run_direction(
        self, index: int, inputs: Tensor, inside: Tensor | None, state: CellState
    ) -> tuple[Tensor, CellState]:
        """Run one layer in one direction; where ``inside`` is False the state does not change."""
        backward = self.directions == 2 and index % 2 == 1
        products, recurrent = self.inputs[index](inputs), self.recurrent[index]  # (B, T, G)
        cell = self.cell_of(index)
        steps = range(inputs.shape[1])
        outputs = [state[0]] * len(steps)
        for t in reversed(steps) if backward else steps:
            after = cell.combine(products[:, t], recurrent(state[0]), state)
            outputs[t] = after[0]
            if inside is not None:
                token = inside[:, t, None]  # (B, 1)
                outputs[t] = after[0] * token
                pairs = zip(after, state, strict=True)
                after = tuple(torch.where(token, new, old) for new, old in pairs)
            state = after
        return torch.stack(outputs, dim=1), state  # (B, T, H)


def _inside(lengths: Tensor, inputs: Tensor) -> Tensor:
    """Return a mask (B, T) of inputs (B, T, I), True up to each row's length."""
    return copy_to(torch.arange(inputs.shape[1]) < lengths[:, None], inputs.device)


def make_rnn(
    cell: Cell,
    size: int,
    hidden: int,
    layers: int,
    dropout: float,
    bidirectional: bool,
    layer_norm: bool = False,
) -> RNN:
    """Return ``layers`` layers of a cell over inputs of width ``size``."""
    between = dropout if layers > 1 else 0.0
    if cell.layer is None or layer_norm:
        return CellRNN(cell, size, hidden, layers, between, bidirectional, layer_norm)
    extra = {"nonlinearity": cell.activation} if cell.layer is nn.RNN else {}
    layer = cell.layer(
        size,
        hidden,
        layers,
        batch_first=True,
        dropout=between,
        bidirectional=bidirectional,
        **extra,
    )
    return TorchRNN(cell, layer)


def one_hot(tokens: Tensor, vocabulary: int, like: Tensor) -> Tensor:
    """Convert token ids (B, T) to one-hot vectors (B, T, V) with the dtype of ``like``."""
    zeros = like.new_zeros(*tokens.shape, vocabulary)  # (B, T, V)
    return zeros.scatter_(2, tokens[:, :, None], 1.0)  # (B, T, V)
