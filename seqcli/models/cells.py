"""Recurrent cells: compute the next hidden state.

A cell gets the two matrix products of a step, W x + b of the input and U h + c of the hidden
state, and combines them. A new cell only defines `Cell.combine`.

A cell has no weights. W, b, U and c belong to the layer that runs it (`rnn.CellRNN`,
`seq2seq.BahdanauDecoder`, or the layer of PyTorch), which computes W x + b for all positions in one
product, before the loop over them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

from seqcli import registry
from seqcli.config import ModelConfig

CellState: TypeAlias = tuple[Tensor, ...]  # each (B, H); the first one is the layer's output
LayerType: TypeAlias = Callable[..., nn.RNNBase]


class Cell:
    """A recurrent cell.

    Attributes:
        gates: number of H-wide blocks in the products; G = gates * H.
        states: number of tensors in the state.
        layer: the PyTorch layer with the same equations, or None.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    layer: ClassVar[LayerType | None] = None

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Compute the next state.

        Args:
            inputs: (B, G), W x + b.
            recurrent: (B, G), U h + c, where h is the first tensor of the state.
            state: the previous state, each (B, H).
        """
        raise TypeError(f"{type(self).__name__} has no combine")


class RNNCell(Cell):
    """The simple recurrent cell (Elman 1990)."""

    gates = 1
    layer = nn.RNN

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Compute h' = tanh(W x + U h), or with ReLU instead of tanh."""
        total = inputs + recurrent  # (B, H)
        return (torch.relu(total) if self.activation == "relu" else torch.tanh(total),)


class GRUCell(Cell):
    """The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078).

    The reset gate is applied after the matrix product, as in `torch.nn.GRU`.
    """

    gates = 3
    layer = nn.GRU

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Compute h' = (1 - z) n + z h, with gates in the order r, z, n."""
        (h,) = state
        r_x, z_x, n_x = inputs.chunk(3, -1)  # (B, H) each
        r_h, z_h, n_h = recurrent.chunk(3, -1)  # (B, H) each
        r = torch.sigmoid(r_x + r_h)  # reset gate
        z = torch.sigmoid(z_x + z_h)  # update gate
        n = torch.tanh(n_x + r * n_h)  # candidate
        return ((1 - z) * n + z * h,)


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers 2000)."""

    gates = 4
    states = 2
    layer = nn.LSTM

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Compute c' = f c + i g and h' = o tanh(c'), with gates in the order i, f, g, o."""
        _, c = state
        i, f, g, o = (inputs + recurrent).chunk(4, -1)  # (B, H) each
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


def make_cell(config: ModelConfig) -> Cell:
    """Return the cell of a recurrent model."""
    cell: Cell = registry.resolve("cell", config.cell, registry.CELLS)(config.activation)
    return cell


class NormalizedCell(nn.Module, Cell):
    """A cell with layer normalization of both products (Ba et al. 2016, arXiv:1607.06450).

    Each product of H-wide blocks is normalized as a whole. Unlike in the paper, the cell state of
    an LSTM is not normalized, so that any cell can be wrapped.

    Args:
        cell: the cell that computes the next state.
        hidden: H.
    """

    def __init__(self, cell: Cell, hidden: int) -> None:
        super().__init__()
        self.cell, self.activation = cell, cell.activation
        self.gates, self.states = cell.gates, cell.states  # type: ignore[misc]
        self.inputs = nn.LayerNorm(cell.gates * hidden)
        self.recurrent = nn.LayerNorm(cell.gates * hidden)

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """See `Cell.combine`."""
        return self.cell.combine(self.inputs(inputs), self.recurrent(recurrent), state)
