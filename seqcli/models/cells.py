"""Recurrent cells, and stacks of them over a sequence.

A cell turns what comes in and the state before into the state after. `Cell.combine` is all a new
cell must define; the built-in ones also name PyTorch's fused layer, which computes the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.models.dropout import Dropout

CellState: TypeAlias = tuple[Tensor, ...]  # each (B, H); the first is what the layer puts out


class Cell:
    """A recurrent cell.

    ``gates``: how many H-wide blocks the products have. ``states``: tensors in the state.
    ``fused``: the PyTorch layer of the same maths, or None.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    fused: ClassVar[Callable[..., nn.RNNBase] | None] = None

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Return the next state.

        Args:
            inputs: (B, G), the input's product with its weights, bias added.
            recurrent: (B, G), the same of the state's first tensor.
            state: the state before, each (B, H).
        """
        raise TypeError(f"{type(self).__name__} has no combine")

    def stack(
        self, size: int, hidden: int, layers: int, dropout: float, bidirectional: bool
    ) -> Stack:
        """Return ``layers`` layers of this cell over inputs of width ``size``."""
        between = dropout if layers > 1 else 0.0
        if self.fused is None:
            return LoopedStack(self, size, hidden, layers, between, bidirectional)
        extra = {"nonlinearity": self.activation} if self.fused is nn.RNN else {}
        layer = self.fused(
            size,
            hidden,
            layers,
            batch_first=True,
            dropout=between,
            bidirectional=bidirectional,
            **extra,
        )
        return FusedStack(self, layer)


class RNNCell(Cell):
    """h' = tanh(W x + U h), or relu in place of tanh (Elman 1990)."""

    gates = 1
    fused = nn.RNN

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """See `Cell.combine`."""
        total = inputs + recurrent
        return (torch.relu(total) if self.activation == "relu" else torch.tanh(total),)


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014), with the reset gate after the product as in cuDNN."""

    gates = 3
    fused = nn.GRU

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """See `Cell.combine`; gates in the order reset, update, new."""
        (hidden,) = state
        sizes = [2 * hidden.shape[1], hidden.shape[1]]
        input_gates, input_new = torch.split(inputs, sizes, 1)  # (B, 2H), (B, H)
        recurrent_gates, recurrent_new = torch.split(recurrent, sizes, 1)  # (B, 2H), (B, H)
        reset, update = torch.sigmoid(input_gates + recurrent_gates).chunk(2, 1)  # (B, H) each
        new = torch.tanh(torch.addcmul(input_new, reset, recurrent_new))  # (B, H)
        return (torch.lerp(new, hidden, update),)


class LSTMCell(Cell):
    """Long short-term memory with a forget gate (Hochreiter 1997, Gers 2000)."""

    gates = 4
    states = 2
    fused = nn.LSTM

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """See `Cell.combine`; gates in the order input, forget, new, output."""
        _, cell = state
        gate_in, forget, new, out = (inputs + recurrent).chunk(4, dim=1)  # (B, H) each
        kept = torch.sigmoid(forget) * cell
        cell = torch.addcmul(kept, torch.sigmoid(gate_in), torch.tanh(new))  # (B, H)
        return torch.sigmoid(out) * torch.tanh(cell), cell


class Stack(nn.Module):
    """Layers of one cell over a sequence.

    Called with inputs (B, T, I), lengths (B,) on the CPU or None when no row is padded, and a
    state or None for zeros. A state is a tuple of (L * D, B, H), in PyTorch's order.
    """

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """Return outputs (B, T, D * H) and the last state."""
        raise TypeError(f"{type(self).__name__} has no forward")


class FusedStack(Stack):
    """A stack that runs on PyTorch's fused layer."""

    def __init__(self, cell: Cell, layer: nn.RNNBase) -> None:
        super().__init__(cell)
        self.layer = layer

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `Stack`."""
        before = None if state is None else state if self.cell.states > 1 else state[0]
        if lengths is None or int(lengths.min()) == inputs.shape[1]:
            outputs, after = self.layer(inputs, before)
        else:
            packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
            outputs, after = self.layer(packed, before)
            outputs, _ = pad_packed_sequence(
                outputs, batch_first=True, total_length=inputs.shape[1]
            )  # (B, T, D * H)
        return outputs, after if isinstance(after, tuple) else (after,)


class LoopedStack(Stack):
    """A stack for any cell, one step at a time: slower, and needs `Cell.combine` alone."""

    def __init__(
        self,
        cell: Cell,
        size: int,
        hidden: int,
        layers: int,
        dropout: float,
        bidirectional: bool,
    ) -> None:
        super().__init__(cell)
        self.hidden, self.layers = hidden, layers
        self.directions = 2 if bidirectional else 1
        self.dropout = Dropout(dropout)
        sizes = [size] + [hidden * self.directions] * (layers - 1)
        wide = cell.gates * hidden
        runs = [width for width in sizes for _ in range(self.directions)]
        self.inputs = nn.ModuleList(nn.Linear(width, wide) for width in runs)
        self.recurrent = nn.ModuleList(nn.Linear(hidden, wide) for _ in runs)

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `Stack`."""
        runs = self.layers * self.directions
        if state is None:
            zeros = inputs.new_zeros(runs, inputs.shape[0], self.hidden)
            state = (zeros,) * self.cell.states
        outputs, last = inputs, []
        for layer in range(self.layers):
            sides = [
                self._run(run, outputs, lengths, tuple(part[run] for part in state))
                for run in range(layer * self.directions, (layer + 1) * self.directions)
            ]
            outputs = torch.cat([side for side, _ in sides], dim=2)  # (B, T, D * H)
            outputs = outputs if layer == self.layers - 1 else self.dropout(outputs)
            last += [after for _, after in sides]
        return outputs, tuple(torch.stack(parts) for parts in zip(*last, strict=True))

    def _run(
        self, run: int, inputs: Tensor, lengths: Tensor | None, state: CellState
    ) -> tuple[Tensor, CellState]:
        """Run one layer in one direction; padded steps leave the state as it was."""
        backward = self.directions == 2 and run % 2 == 1
        products = self.inputs[run](inputs)  # (B, T, G)
        steps = range(inputs.shape[1])
        outputs = [state[0]] * len(steps)
        for t in reversed(steps) if backward else steps:
            after = self.cell.combine(products[:, t], self.recurrent[run](state[0]), state)
            if lengths is not None:
                inside = (t < lengths).to(inputs.device)[:, None]  # (B, 1)
                after = tuple(
                    torch.where(inside, new, old) for new, old in zip(after, state, strict=True)
                )
                outputs[t] = after[0] * inside
            else:
                outputs[t] = after[0]
            state = after
        return torch.stack(outputs, dim=1), state  # (B, T, H)
