"""The character language model: loss and gradients of a batch, and a training step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.state import DecoderState
from seqcli.numpy_backend.cells import Cell, Packed, rnn_backward, rnn_forward
from seqcli.numpy_backend.functional import cross_entropy, log_softmax
from seqcli.numpy_backend.optimizers import Optimizer, clip, clip_by_norm
from seqcli.numpy_backend.parameters import Floats, Gradients, Ids, Parameters


def input_rows(parameters: Parameters) -> Floats:
    """Return (V, gH): row i is Wax x + ba for the one-hot x of token i.

    A one-hot x selects one column of Wax, so ``input_rows(parameters)[x]`` is the product of Wax
    with a whole batch of one-hot vectors, none of which is stored.
    """
    return np.ascontiguousarray(parameters["Wax"].T) + parameters["ba"]  # (V, gH)


def output_logits(a: Floats, parameters: Parameters) -> Floats:
    """Return Wya a + by: a (n, H) -> (n, V)."""
    logits: Floats = a @ parameters["Wya"].T  # (n, V)
    logits += parameters["by"]
    return logits


def loss_and_gradients(
    batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[float, Gradients]:
    """Compute the loss of a batch in nats per token, and the gradient of every parameter.

    The package's docstring derives each line.
    """
    zx = input_rows(parameters)[batch.x]  # (P, gH)
    a, caches = rnn_forward(zx, batch, parameters, cell)  # (P, H)
    loss, dlogits = cross_entropy(output_logits(a, parameters), batch.y)  # (P, V)
    da = dlogits @ parameters["Wya"]  # (P, H)
    dzx, dzh = rnn_backward(da, caches, batch, parameters, cell)  # (P, gH) each
    return loss, {
        "Wya": dlogits.T @ a,  # (V, H)
        "by": dlogits.sum(axis=0),  # (V,)
        **input_gradients(batch, dzx, parameters),
        **state_gradients(batch, dzh, a),
    }


def input_gradients(batch: Packed, dzx: Floats, parameters: Parameters) -> Gradients:
    """Return dWax = dzx^T X and dba, where X (P, V) has the one-hot inputs as rows.

    Every row of X has exactly one 1, so dba, the sum of dzx (P, gH) over P, is dWax summed over V.
    """
    X = np.zeros((len(batch), parameters["Wax"].shape[1]), dzx.dtype)  # (P, V)
    X[np.arange(len(batch)), batch.x] = 1.0
    dWax = dzx.T @ X  # (gH, V)
    return {"Wax": dWax, "ba": dWax.sum(axis=1)}


def state_gradients(batch: Packed, dzh: Floats, a: Floats) -> Gradients:
    """Return dWaa = dzh^T a_prev and dbh; at the first position a_prev is 0 and adds nothing."""
    a_prev = a[batch.before]  # (P - B, H)
    return {"Waa": dzh[batch.counts[0] :].T @ a_prev, "bh": dzh.sum(axis=0)}


def log_probabilities(batch: Packed, parameters: Parameters, cell: Cell) -> NDArray[np.float64]:
    """Return the (B,) log-probabilities of whole names in nats, ``<eos>`` included.

    They are in the order that the names had before packing. Minus their sum, divided by P, is the
    loss in nats per token.
    """
    a, _ = rnn_forward(input_rows(parameters)[batch.x], batch, parameters, cell)  # (P, H)
    log_p = log_softmax(output_logits(a, parameters))[np.arange(len(batch)), batch.y]  # (P,)
    sums = np.bincount(batch.names(), weights=log_p, minlength=len(batch.order))
    return sums.astype(np.float64, copy=False)  # (B,)


class SteppedModel:
    """The model one token at a time, for sampling; see `seqcli.decoding.loop.StepModel`.

    Args:
        parameters: the weights, which must not change while the model is in use.
        cell: the cell of the weights.
    """

    def __init__(self, parameters: Parameters, cell: Cell) -> None:
        self.parameters, self.cell, self.inputs = parameters, cell, input_rows(parameters)

    def start(self, source: Ids, source_lengths: Ids) -> DecoderState:
        """Return a state of zeros for (n, 0) sources."""
        return DecoderState((), self.cell.zeros(len(source), self.parameters))

    def step(self, token: Ids, state: DecoderState) -> tuple[Floats, DecoderState]:
        """Read one token (n,) of each name; return logits (n, V) and the next state."""
        past, _ = self.cell.forward(self.inputs[token], state.past, self.parameters)
        logits = output_logits(past[0], self.parameters)  # (n, V)
        return logits, replace(state, past=past, position=state.position + 1)


def optimize(
    batch: Packed,
    parameters: Parameters,
    cell: Cell,
    optimizer: Optimizer,
    *,
    max_norm: float = 0.0,
    max_value: float = 0.0,
) -> tuple[float, float]:
    """Run one training step: forward, backward, clip, update. Parameters change in place.

    Args:
        batch: the names.
        parameters: the weights.
        cell: the cell of the weights.
        optimizer: updates the weights.
        max_norm: maximum joint norm of the gradients; 0 disables clipping by norm.
        max_value: maximum absolute value of a gradient's entry; 0 disables clipping by value.

    Returns:
        the loss before the step in nats per token, and the gradients' norm before clipping by
        norm.
    """
    loss, gradients = loss_and_gradients(batch, parameters, cell)
    if max_value:
        clip(gradients, max_value)
    norm = clip_by_norm(gradients, max_norm or math.inf)
    optimizer.update(parameters, gradients)
    return loss, norm
