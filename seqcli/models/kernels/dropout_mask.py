"""Generate dropout masks from few random bits.

PyTorch's CPU generator takes 10 ns for a number of 64 bits, so that dropout takes a tenth of a
Transformer's training step. NumPy's SFC64 takes 2 ns, and each number serves 8 elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqcli.models.kernels import enabled

LEVELS = 256  # values of the 8 bits drawn for an element
LANES = 8  # elements per 64-bit draw

_relu_backward = torch.ops.aten.threshold_backward


def dropout_scales(like: Tensor, p: float) -> Tensor:
    """Return 0 with probability ``p`` and 1 / (1 - p) otherwise, in the shape of ``like``."""
    if not enabled(like) or like.dtype not in (torch.float32, torch.float64):
        return dropout_scales_reference(like, p)
    return torch.from_numpy(_draw(like, p)).view(like.shape)  # the shape of ``like``


def dropout_scales_reference(like: Tensor, p: float) -> Tensor:
    """Compute the same by PyTorch's dropout: different draws from the same distribution."""
    return F.dropout(torch.ones_like(like), p)


def _draw(like: Tensor, p: float) -> np.ndarray:
    """Draw 8 bits per element.

    8 bits represent 256 probabilities. If ``p`` is between two of them, each call draws which of
    the two it uses, so that every element is dropped with probability ``p``. The generator is
    seeded from PyTorch's, so that `torch.manual_seed` determines the masks, and no other random
    state has to be saved.
    """
    seed = int(torch.empty((), dtype=torch.int64).random_())
    generator = np.random.Generator(np.random.SFC64(seed))
    level, rest = divmod(p * LEVELS, 1)
    level += generator.random() < rest
    count = like.numel()
    draws = generator.integers(0, 1 << 64, -(-count // LANES), dtype=np.uint64)
    kept = draws.view(np.uint8)[:count] >= int(level)
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    return np.multiply(kept, dtype(1 / (1 - p)), dtype=dtype)


def dropped_relu(input: Tensor, p: float) -> Tensor:
    """Return dropout(relu(input)); the kernel overwrites its input."""
    scales = dropout_scales(input, p)
    if not enabled(input):
        return dropped_relu_reference(input, scales)
    return _DroppedReLU.apply(input, scales, 1 / (1 - p))  # type: ignore[no-any-return,no-untyped-call]


def dropped_relu_reference(input: Tensor, scales: Tensor) -> Tensor:
    """Compute the same as `dropped_relu` for the given scales."""
    return torch.relu(input) * scales


class _DroppedReLU(torch.autograd.Function):
    """Compute max(x, 0) times the scales in place; the gradient depends only on the output."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, scales: Tensor, scale: float) -> Tensor:
        """See `dropped_relu`."""
        ctx.mark_dirty(input)
        output = input.relu_().mul_(scales)
        ctx.save_for_backward(output)
        ctx.scale = scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of the input."""
        (output,) = ctx.saved_tensors
        return _relu_backward(grad, output, 0).mul_(ctx.scale), None, None
