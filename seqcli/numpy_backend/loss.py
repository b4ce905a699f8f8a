"""Cross-entropy over the symbols of a batch."""

from __future__ import annotations

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
