"""Cross-entropy over the symbols of a batch, and the smoothed loss."""

from __future__ import annotations

import math

import numpy as np

from seqcli.numpy_backend.activations import log_softmax
from seqcli.numpy_backend.parameters import Floats, Ids


def cross_entropy(logits: Floats, y: Ids) -> tuple[float, Floats]:
    """Return the mean of -log p(y), and its gradient at the logits, (P, V).

    Padding is gone already (``packing``), so every row counts, the stop symbol included. From
    L = -(1/P) sum log softmax(logits)[y] follows dL/dlogits = (softmax(logits) - one_hot(y)) / P.

    Args:
        logits: (P, V).
        y: (P,) ids of the symbols that came.

    Returns:
        The loss in nats per symbol, and the gradient.
    """
    rows = np.arange(len(y))
    log_p = log_softmax(logits)  # (P, V)
    loss = -float(log_p[rows, y].mean())
    dlogits = np.exp(log_p, out=log_p)
    dlogits[rows, y] -= 1.0
    dlogits /= len(y)
    return loss, dlogits


def initial_loss(symbols: int) -> float:
    """Return log(V): the nats per symbol of a guess among V symbols, where smoothing starts."""
    return math.log(symbols)


def smooth(smoothed: float, loss: float, keep: float = 0.99) -> float:
    """Return the running mean of the loss after one more batch: old and new as ``keep`` to 1."""
    return keep * smoothed + (1.0 - keep) * loss
