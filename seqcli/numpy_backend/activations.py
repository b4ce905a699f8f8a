"""Squashing functions that are safe for numbers of any size."""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.parameters import Floats


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2, which cannot overflow."""
    y: Floats = 0.5 * x
    np.tanh(y, out=y)
    y += 1.0
    y *= 0.5
    return y


def softmax(logits: Floats) -> Floats:
    """Return exp(logits) (..., V) divided by its sum along the last axis.

    The largest logit is taken away first: the quotient is the same, and exp never overflows.
    """
    exponentials: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of ``softmax``, exact also where the probability rounds to 0."""
    log_p: Floats = logits - logits.max(axis=-1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=-1, keepdims=True))
    return log_p
