"""The weights: their names, shapes and PyTorch names, and how they are initialized.

Every cell has the same six arrays; g is the number of its gates (rnn 1, gru 3, lstm 4), each of
which is a block of H rows:

====  =======  ============  ===============================================================
name  shape    in PyTorch    purpose
====  =======  ============  ===============================================================
Wax   (gH, V)  weight_ih_l0  input to state; column i is the contribution of token i
Waa   (gH, H)  weight_hh_l0  state to next state
ba    (gH,)    bias_ih_l0    bias of Wax
bh    (gH,)    bias_hh_l0    bias of Waa
Wya   (V, H)   output.weight state to logits
by    (V,)     output.bias   bias of the logits
====  =======  ============  ===============================================================

The shapes are PyTorch's, so both backends share checkpoints by renaming alone. The classical
exercise has one bias where PyTorch's ``nn.RNN`` has two that are only added. Both are kept here
because both are trained: a run resumed by the other backend continues exactly as it would have.
(With a single bias the sum would move half as far in every step.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.floating[Any]]
Ids = NDArray[np.integer[Any]]
Parameters = dict[str, Floats]
Gradients = dict[str, Floats]

TORCH_NAMES = {
    "Wax": "rnn.layer.weight_ih_l0",
    "Waa": "rnn.layer.weight_hh_l0",
    "ba": "rnn.layer.bias_ih_l0",
    "bh": "rnn.layer.bias_hh_l0",
    "Wya": "output.weight",
    "by": "output.bias",
}


def shapes(n_x: int, n_a: int, gates: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array, in the order of the table; see `initialize_parameters`."""
    rows = gates * n_a
    return {
        "Wax": (rows, n_x),
        "Waa": (rows, n_a),
        "ba": (rows,),
        "bh": (rows,),
        "Wya": (n_x, n_a),
        "by": (n_x,),
    }


def initialize_parameters(
    rng: np.random.Generator, n_x: int, n_a: int, gates: int, dtype: DTypeLike = np.float32
) -> Parameters:
    """Draw all weights from U(-1/sqrt(n_a), 1/sqrt(n_a)), as ``nn.RNN`` and its output layer do.

    Args:
        rng: the random number generator.
        n_x: V, the size of the vocabulary.
        n_a: H, the size of the state.
        gates: the number of blocks of H rows in the recurrent weights (``Cell.gates``).
        dtype: float32 to train, float64 to check gradients.
    """
    bound = n_a**-0.5
    return {
        name: rng.uniform(-bound, bound, shape).astype(dtype)
        for name, shape in shapes(n_x, n_a, gates).items()
    }


def to_torch_names(arrays: Mapping[str, Floats]) -> dict[str, Floats]:
    """Rename weights, gradients or moments to PyTorch's names; nothing is copied."""
    return {TORCH_NAMES[name]: array for name, array in arrays.items()}


def from_torch_names(arrays: Mapping[str, Floats]) -> Parameters:
    """Undo `to_torch_names`.

    Raises:
        KeyError: a name is not in the table.
    """
    names = {theirs: ours for ours, theirs in TORCH_NAMES.items()}
    return {names[name]: array for name, array in arrays.items()}
