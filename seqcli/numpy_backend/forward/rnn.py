"""Recurrent cells, and recurrent layers over a sequence; see `seqcli.models.cells` and `rnn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np

from seqcli.numpy_backend.forward.layers import Embedding, Linear, Weights
from seqcli.numpy_backend.functional import sigmoid
from seqcli.numpy_backend.parameters import Floats, Ids

CellState: TypeAlias = tuple[Floats, ...]  # each (B, H); the first one is the layer's output


class Cell:
    """A recurrent cell.

    Attributes:
        gates: number of H-wide blocks in the products; G = gates * H.
        states: number of arrays in the state.
        torch_layer: whether PyTorch has a layer for the cell, whose weights are named
            differently from those of `seqcli.models.rnn.CellRNN`.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    torch_layer: ClassVar[bool] = False

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    def combine(self, inputs: Floats, recurrent: Floats, state: CellState) -> CellState:
        """Compute the next state.

        Args:
            inputs: (B, G), W x + b.
            recurrent: (B, G), U h + c, where h is the first array of the state.
            state: the previous state, each (B, H).
        """
        raise TypeError(f"{type(self).__name__} has no combine")


class RNNCell(Cell):
    """The simple recurrent cell (Elman 1990)."""

    gates = 1
    torch_layer = True

    def combine(self, inputs: Floats, recurrent: Floats, state: CellState) -> CellState:
        """Compute h' = tanh(W x + U h), or with ReLU instead of tanh."""
        total = inputs + recurrent  # (B, H)
        return (np.maximum(total, 0) if self.activation == "relu" else np.tanh(total),)


class GRUCell(Cell):
    """The gated recurrent unit (Cho et al. 2014, arXiv:1406.1078)."""

    gates = 3
    torch_layer = True

    def combine(self, inputs: Floats, recurrent: Floats, state: CellState) -> CellState:
        """Compute h' = (1 - z) n + z h, with gates in the order r, z, n."""
        (h,) = state
        width = h.shape[1]
        gates = sigmoid(inputs[:, : 2 * width] + recurrent[:, : 2 * width])  # (B, 2 * H)
        r, z = gates[:, :width], gates[:, width:]  # reset gate, update gate
        n = np.tanh(inputs[:, 2 * width :] + r * recurrent[:, 2 * width :])  # candidate
        return (n + z * (h - n),)


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) with a forget gate (Gers 2000)."""

    gates = 4
    states = 2
    torch_layer = True

    def combine(self, inputs: Floats, recurrent: Floats, state: CellState) -> CellState:
        """Compute c' = f c + i g and h' = o tanh(c'), with gates in the order i, f, g, o."""
        _, c = state
        width = c.shape[1]
        total = inputs + recurrent  # (B, 4 * H)
        i_f, o = sigmoid(total[:, : 2 * width]), sigmoid(total[:, 3 * width :])
        g = np.tanh(total[:, 2 * width : 3 * width])
        c = i_f[:, width:] * c + i_f[:, :width] * g
        return o * np.tanh(c), c


class NormalizedCell(Cell):
    """A cell with layer normalization of both products (Ba et al. 2016, arXiv:1607.06450).

    Args:
        weights: the weights of the norms.
        cell: the cell that computes the next state.
        hidden: H.
    """

    def __init__(self, weights: Weights, cell: Cell, hidden: int) -> None:
        super().__init__(cell.activation)
        self.cell = cell
        self.gates, self.states = cell.gates, cell.states  # type: ignore[misc]
        self.inputs = weights.layer_norm("inputs", cell.gates * hidden)
        self.recurrent = weights.layer_norm("recurrent", cell.gates * hidden)

    def combine(self, inputs: Floats, recurrent: Floats, state: CellState) -> CellState:
        """See `Cell.combine`."""
        return self.cell.combine(self.inputs(inputs), self.recurrent(recurrent), state)


class Direction(NamedTuple):
    """One layer in one direction: its cell, and its products with input and hidden state."""

    cell: Cell
    inputs: Linear
    recurrent: Linear


class RNN:
    """L layers of one cell, in D directions.

    A state is a tuple of (L * D, B, H), in PyTorch's order.

    Args:
        weights: the weights of this part.
        cell: the recurrent cell of the layers.
        size: the width of the inputs.
        hidden: H.
        layers: L.
        bidirectional: whether D is 2.
        layer_norm: whether the cells are normalized.
    """

    def __init__(
        self,
        weights: Weights,
        cell: Cell,
        size: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        layer_norm: bool = False,
    ) -> None:
        self.cell, self.hidden, self.layers, self.layer_norm = cell, hidden, layers, layer_norm
        self.directions = 2 if bidirectional else 1
        sizes = [size] + [hidden * self.directions] * (layers - 1)
        runs = [width for width in sizes for _ in range(self.directions)]  # one per direction
        self.runs = [self._direction(weights, run, width) for run, width in enumerate(runs)]

    def __call__(
        self, inputs: Floats, lengths: Ids | None = None, state: CellState | None = None
    ) -> tuple[Floats, CellState]:
        """Read vectors (B, T, I); see `read`."""
        return self._read(lambda layer: layer(inputs), len(inputs), lengths, state)

    def read(
        self,
        tokens: Ids,
        embedding: Embedding | None,
        lengths: Ids | None = None,
        state: CellState | None = None,
    ) -> tuple[Floats, CellState]:
        """Read tokens.

        Args:
            tokens: (B, T) ids.
            embedding: the embedding of the tokens; None for one-hot vectors.
            lengths: (B,), or None if no row is padded.
            state: the first state, or None for zeros.

        Returns:
            outputs (B, T, D * H), zeros at padding, and the last state.
        """

        def products(layer: Linear) -> Floats:
            if embedding is None:
                return layer.one_hot(tokens)
            return embedding.projected(tokens, layer)

        return self._read(products, len(tokens), lengths, state)

    def _read(
        self,
        products: Callable[[Linear], Floats],
        batch: int,
        lengths: Ids | None,
        state: CellState | None,
    ) -> tuple[Floats, CellState]:
        """Run all layers; ``products`` applies the first layer's input weights to the inputs."""
        if state is None:
            dtype = self.runs[0].recurrent.weight.dtype
            zeros = np.zeros((len(self.runs), batch, self.hidden), dtype)
            state = (zeros,) * self.cell.states
        last: list[CellState] = []
        for layer in range(self.layers):
            runs = range(layer * self.directions, (layer + 1) * self.directions)
            pairs = [
                self._run(
                    run, products(self.runs[run].inputs), lengths, tuple(p[run] for p in state)
                )
                for run in runs
            ]
            outputs = np.concatenate([output for output, _ in pairs], axis=2)  # (B, T, D * H)
            products = _applied_to(outputs)
            last += [after for _, after in pairs]
        return outputs, tuple(np.stack(parts) for parts in zip(*last, strict=True))

    def _run(
        self, run: int, products: Floats, lengths: Ids | None, state: CellState
    ) -> tuple[Floats, CellState]:
        """Run one layer in one direction over products (B, T, G); padding keeps the state."""
        backward = self.directions == 2 and run % 2 == 1
        direction, (batch, size, _) = self.runs[run], products.shape
        shortest = size if lengths is None else int(lengths.min())
        outputs = np.zeros_like(products, shape=(batch, size, self.hidden))
        for t in reversed(range(size)) if backward else range(size):
            recurrent = direction.recurrent(state[0])  # (B, G)
            after = direction.cell.combine(products[:, t], recurrent, state)
            if lengths is not None and t >= shortest:
                inside = np.less(t, lengths)[:, None]  # (B, 1)
                outputs[:, t] = after[0] * inside
                pairs = zip(after, state, strict=True)
                after = tuple(np.where(inside, new, old) for new, old in pairs)
            else:
                outputs[:, t] = after[0]
            state = after
        return outputs, state

    def _direction(self, weights: Weights, run: int, size: int) -> Direction:
        """Read the weights of one layer in one direction, by their PyTorch names."""
        gates = self.cell.gates * self.hidden
        cell = self.cell
        if self.layer_norm:
            cell = NormalizedCell(weights.part(f"norms.{run}"), cell, self.hidden)
        if self.layer_norm or not cell.torch_layer:
            return Direction(
                cell,
                weights.linear(f"inputs.{run}", size, gates),
                weights.linear(f"recurrent.{run}", self.hidden, gates),
            )
        end = f"_l{run // self.directions}" + "_reverse" * (run % self.directions)
        part = weights.part("layer")
        return Direction(
            cell,
            Linear(part.array(f"weight_ih{end}", gates, size), part.array(f"bias_ih{end}", gates)),
            Linear(
                part.array(f"weight_hh{end}", gates, self.hidden),
                part.array(f"bias_hh{end}", gates),
            ),
        )


def _applied_to(inputs: Floats) -> Callable[[Linear], Floats]:
    return lambda layer: layer(inputs)
