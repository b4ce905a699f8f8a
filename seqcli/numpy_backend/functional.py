"""Numerically stable activations, and the loss."""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.parameters import Floats, Ids


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    y: Floats = 0.5 * x
    np.tanh(y, out=y)
    y += 1.0
    y *= 0.5
    return y


def softmax(logits: Floats) -> Floats:
    """Return exp(logits) (..., V) divided by its sum along the last axis.

    The largest logit is subtracted first: the quotient is the same, and exp never overflows.
    """
    exponentials: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))  # (..., V)
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of `softmax`, also where the probability rounds to 0."""
    log_p: Floats = logits - logits.max(axis=-1, keepdims=True)  # (..., V)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    return log_p


def cross_entropy(logits: Floats, y: Ids) -> tuple[float, Floats]:
    """Compute the mean of -log p(y), and its gradient with respect to the logits.

    There is no padding (see `seqcli.numpy_backend.cells`), so every row counts, including
    those of ``<eos>``. From L = -(1/P) sum log softmax(logits)[y] follows
    dL/dlogits = (softmax(logits) - one_hot(y)) / P.

    Args:
        logits: (P, V).
        y: (P,) ids of the target tokens.

    Returns:
        the loss in nats per token, and the gradient (P, V).
    """
    rows = np.arange(len(y))
    log_p = log_softmax(logits)  # (P, V)
    loss = -float(log_p[rows, y].mean())
    dlogits = np.exp(log_p, out=log_p)
    dlogits[rows, y] -= 1.0
    dlogits /= len(y)
    return loss, dlogits
