"""Stacks of a recurrent cell over a sequence."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.models.attending import learns_by_hand
from seqcli.models.cells import Cell, CellState
from seqcli.models.dropout import Dropout
from seqcli.models.embedding import Symbols
from seqcli.models.reading import read_symbols


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

    def read(
        self, symbols: Symbols, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """Do the same for embedded symbols."""
        outputs, after = self(symbols.vectors(), lengths, state)
        return outputs, after


class FusedStack(Stack):
    """A stack that runs on PyTorch's fused layer."""

    def __init__(self, cell: Cell, layer: nn.RNNBase) -> None:
        super().__init__(cell)
        self.layer = layer

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `Stack`."""
        return self._run(inputs, self.layer.all_weights, lengths, state)

    def read(
        self, symbols: Symbols, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `Stack.read`.

        One layer that learns may be read by hand. Else, where there are few symbols, they become
        one-hot, and the lowest layer's input weights what they make of each symbol: the same
        product, with fewer columns to go through.
        """
        places, table = symbols
        if state is None and self._quicker_by_hand(table):
            full = lengths is None or int(lengths.min()) == places.shape[1]
            given = None if full else lengths
            outputs, after = read_symbols(self.cell, symbols, given, self.layer.all_weights)
            return outputs, (after,)
        count, width = table.shape
        few = count * (places.numel() + width) < places.numel() * width
        if table.device.type != "cpu" or not few:
            return super().read(symbols, lengths, state)
        one_hot = table.new_zeros(*places.shape, count).scatter_(2, places[:, :, None], 1.0)
        weights = self.layer.all_weights
        lowest = 2 if self.layer.bidirectional else 1
        folded = [[F.linear(run[0], table), *run[1:]] for run in weights[:lowest]]  # (G, U), ...
        return self._run(one_hot, [*folded, *weights[lowest:]], lengths, state)

    def _quicker_by_hand(self, table: Tensor) -> bool:
        """Whether gradients are wanted that `models.reading` has sooner."""
        here = table.device.type == "cpu" and learns_by_hand(table)
        return here and self.cell.reads_by_hand and self.layer.num_layers == 1

    def _run(
        self,
        inputs: Tensor,
        weights: Sequence[Sequence[Tensor]],
        lengths: Tensor | None,
        state: CellState | None,
    ) -> tuple[Tensor, CellState]:
        """Run the layer's kernel with the weights of each run, as in `nn.RNNBase.all_weights`.

        On CUDA, autocast turns cuDNN's recurrent layers to float16 whatever type it was asked for,
        so they run outside of it, in the weights' own type.
        """
        if inputs.device.type == "cuda" and torch.is_autocast_enabled("cuda"):
            own = weights[0][0].dtype
            first = None if state is None else tuple(part.to(own) for part in state)
            with torch.autocast("cuda", enabled=False):
                return self._run(inputs.to(own), weights, lengths, first)
        layer = self.layer
        run = getattr(torch, layer.mode.lower())
        options = (True, layer.num_layers, layer.dropout, self.training, layer.bidirectional)
        flat = [weight for one in weights for weight in one]
        if state is None:
            zeros = inputs.new_zeros(len(weights), len(inputs), layer.hidden_size)
            state = (zeros,) * self.cell.states
        if lengths is None or int(lengths.min()) == inputs.shape[1]:
            outputs, *after = run(inputs, self._joined(state), flat, *options, True)
            return outputs, tuple(after)
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        before = self._joined(tuple(part[:, packed.sorted_indices] for part in state))
        data, *after = run(packed.data, packed.batch_sizes, before, flat, *options)
        outputs, _ = pad_packed_sequence(
            packed._replace(data=data), batch_first=True, total_length=inputs.shape[1]
        )  # (B, T, D * H)
        return outputs, tuple(part[:, packed.unsorted_indices] for part in after)

    def _joined(self, state: CellState) -> CellState | Tensor:
        """Return the state as the kernel wants it."""
        return state if self.cell.states > 1 else state[0]


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


def make_stack(
    cell: Cell, size: int, hidden: int, layers: int, dropout: float, bidirectional: bool
) -> Stack:
    """Return ``layers`` layers of a cell over inputs of width ``size``."""
    between = dropout if layers > 1 else 0.0
    if cell.fused is None:
        return LoopedStack(cell, size, hidden, layers, between, bidirectional)
    extra = {"nonlinearity": cell.activation} if cell.fused is nn.RNN else {}
    layer = cell.fused(
        size,
        hidden,
        layers,
        batch_first=True,
        dropout=between,
        bidirectional=bidirectional,
        **extra,
    )
    return FusedStack(cell, layer)
