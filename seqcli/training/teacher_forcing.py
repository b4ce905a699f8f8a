"""Scheduled sampling (Bengio et al. 2015, arXiv:1506.03099).

Schedules of the teacher-forcing ratio, and a forward pass that feeds either the true token or the
model's prediction at each position.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqcli.data.vocabulary import PAD
from seqcli.models.base import Model

STEEPNESS = 10.0  # slope of the inverse sigmoid over the whole run


def constant(start: float, end: float, done: float) -> float:
    """Return ``start``."""
    return start


def linear(start: float, end: float, done: float) -> float:
    """Interpolate linearly from ``start`` to ``end`` as ``done`` goes from 0 to 1."""
    return start + (end - start) * done


def inverse_sigmoid(start: float, end: float, done: float) -> float:
    """Interpolate from about ``start`` to about ``end`` along an inverse sigmoid."""
    return end + (start - end) / (1 + math.exp(STEEPNESS * (done - 0.5)))


def mixed_forward(
    model: Model, source: Tensor, source_lengths: Tensor, target_in: Tensor, fed: Tensor
) -> Tensor:
    """Return logits (B, T, V), feeding true tokens where ``fed`` (B, T) is True.

    Elsewhere the model's most likely token at the previous position is fed.
    """
    state = model.start(source, source_lengths)
    token = target_in[:, 0]
    outputs: list[Tensor] = []
    for t in range(target_in.shape[1]):
        if t > 0:
            truth = fed[:, t] | (target_in[:, t] == PAD)  # (B,)
            token = torch.where(truth, target_in[:, t], outputs[-1].detach().argmax(1))
        logits, state = model.step(token, state)  # (B, V)
        outputs.append(logits)
    return torch.stack(outputs, dim=1)  # (B, T, V)
