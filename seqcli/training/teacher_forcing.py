"""Scheduled sampling (Bengio et al. 2015, arXiv:1506.03099): how often the decoder is fed the
truth, and a forward pass that mixes truth with the model's own symbols at every position."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from seqcli.data.vocabulary import PAD
from seqcli.models.base import Model

STEEPNESS = 10.0  # of the inverse sigmoid, over the whole run


def constant(start: float, end: float, done: float) -> float:
    """Stay at ``start``."""
    return start


def linear(start: float, end: float, done: float) -> float:
    """Go straight from ``start`` to ``end`` while ``done`` goes from 0 to 1."""
    return start + (end - start) * done


def inverse_sigmoid(start: float, end: float, done: float) -> float:
    """Stay near ``start``, fall in the middle, end near ``end``."""
    return end + (start - end) / (1 + math.exp(STEEPNESS * (done - 0.5)))


def mixed_forward(
    model: Model, source: Tensor, source_lengths: Tensor, target_in: Tensor, ratio: float
) -> Tensor:
    """Return logits (B, T, V) where each symbol fed, of each row and position, is the true one
    with chance ``ratio`` and else the likeliest of the position before."""
    state = model.start(source, source_lengths)
    coins = torch.rand(target_in.shape).to(target_in.device) < ratio  # (B, T)
    token = target_in[:, 0]
    outputs: list[Tensor] = []
    for t in range(target_in.shape[1]):
        if t > 0:
            truth = coins[:, t] | (target_in[:, t] == PAD)  # (B,)
            token = torch.where(truth, target_in[:, t], outputs[-1].detach().argmax(1))
        logits, state = model.step(token, state)  # (B, V)
        outputs.append(logits)
    return torch.stack(outputs, dim=1)  # (B, T, V)
