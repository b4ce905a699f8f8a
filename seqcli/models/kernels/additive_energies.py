"""The energies of additive attention, for decoding without gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from seqcli.models.kernels import enabled


def additive_energies(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Return v . tanh(q + k) for every query and key.

    Args:
        queries: (B, T, A), projected.
        keys: (B, S, A), projected.
        energy: (A,), the vector v.

    Returns:
        energies (B, T, S).
    """
    if torch.is_grad_enabled() or not enabled(keys):
        return additive_energies_reference(queries, keys, energy)
    # tanh(x) = 2 sigmoid(2 x) - 1: PyTorch's sigmoid is three times as fast as its tanh on the CPU
    total = (queries[:, :, None] + keys[:, None]).mul_(2).sigmoid_()  # (B, T, S, A)
    return (total @ (2 * energy)).sub_(energy.sum())  # (B, T, S)


def additive_energies_reference(queries: Tensor, keys: Tensor, energy: Tensor) -> Tensor:
    """Compute the same as `additive_energies`, written as in the formula."""
    return torch.tanh(queries[:, :, None] + keys[:, None]) @ energy  # (B, T, S, A) -> (B, T, S)
