"""A cell rolled out over whole names, forward and backward through time."""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.cells import Cell
from seqcli.numpy_backend.packing import Packed
from seqcli.numpy_backend.parameters import Floats, Parameters
from seqcli.numpy_backend.rnn import Cache


def rnn_forward(
    zx: Floats, batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, list[Cache]]:
    """Roll the cell out from a zero state.

    Args:
        zx: (P, gH) the inputs' share of every position.
        batch: says which rows of ``zx`` belong to which position.
        parameters: the weights.
        cell: what to roll out.

    Returns:
        a (P, H) after every symbol, and one cache per position.
    """
    state, outputs, caches = cell.zeros(len(batch.order), parameters), [], []
    for rows in batch.slices:
        running = tuple(part[: rows.stop - rows.start] for part in state)  # the others have ended
        state, cache = cell.forward(zx[rows], running, parameters)
        outputs.append(state[0])
        caches.append(cache)
    return np.concatenate(outputs), caches  # (P, H)


def rnn_backward(
    da: Floats, caches: list[Cache], batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, Floats]:
    """Go back through time, over the whole length of every name (full BPTT).

    Args:
        da: (P, H) the gradient that reaches a from the output layer. It is added to in place:
            what a later position hands back joins it.
        caches: from ``rnn_forward``.
        batch: the batch of the forward pass.
        parameters: the weights.
        cell: what was rolled out.

    Returns:
        dzx and dzh, (P, gH) each: the gradients at Wax x + ba and at Waa a + bh.
    """
    dstates = (da, *(np.zeros_like(da) for _ in range(cell.parts - 1)))
    dzx, dzh, slices = [], [], batch.slices
    for t in reversed(range(len(slices))):
        dstate = tuple(part[slices[t]] for part in dstates)
        dzx_t, dzh_t, earlier = cell.backward(dstate, caches[t], parameters)
        dzx.append(dzx_t)
        dzh.append(dzh_t)
        if t:
            first = slices[t - 1].start
            for part, share in zip(dstates, earlier, strict=True):
                part[first : first + len(share)] += share
    return np.concatenate(dzx[::-1]), np.concatenate(dzh[::-1])  # (P, gH) each
