"""The cells of this backend by name: adding one is two functions and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from seqcli.numpy_backend.gru import gru_cell_backward, gru_cell_forward
from seqcli.numpy_backend.lstm import lstm_cell_backward, lstm_cell_forward
from seqcli.numpy_backend.parameters import Floats, Parameters
from seqcli.numpy_backend.rnn import Cache, State, rnn_cell_backward, rnn_cell_forward


@dataclass(frozen=True)
class Cell:
    """What the rest of the backend knows of a cell.

    Args:
        gates: blocks of H rows in its weights.
        parts: arrays (n, H) in its state; the first is a, which the output layer reads.
        forward: (zx, state, parameters) -> state, cache.
        backward: (dstate, cache, parameters) -> dzx, dzh, dstate before the step.
    """

    gates: int
    parts: int
    forward: Callable[[Floats, State, Parameters], tuple[State, Cache]]
    backward: Callable[[State, Cache, Parameters], tuple[Floats, Floats, State]]

    def zeros(self, n: int, parameters: Parameters) -> State:
        """Return the state before the first symbol, for n names: every name starts afresh."""
        Waa = parameters["Waa"]
        return tuple(np.zeros((n, Waa.shape[1]), Waa.dtype) for _ in range(self.parts))


CELLS: Mapping[str, Cell] = {
    "rnn": Cell(1, 1, rnn_cell_forward, rnn_cell_backward),
    "gru": Cell(3, 1, gru_cell_forward, gru_cell_backward),
    "lstm": Cell(4, 2, lstm_cell_forward, lstm_cell_backward),
}
