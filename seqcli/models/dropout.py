"""Dropout with cheap random bits, alone or together with what stands beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

LEVELS = 256  # of the 8 bits drawn for an element
LANES = 8  # of them in one 64-bit draw

_relu_backward = torch.ops.aten.threshold_backward


class Dropout(nn.Dropout):
    """`nn.Dropout` whose bits come from NumPy's SFC64, 8 an element.

    PyTorch's CPU generator takes 10 ns for a number of 64 bits and made dropout a tenth of a step
    of the Transformer; SFC64 takes 2. It is seeded by one number of PyTorch's generator each time,
    so that `torch.manual_seed` decides everything and its state is all there is to save.

    8 bits tell 256 probabilities apart. Where ``p`` lies between two of them a call draws which it
    takes, so that each element is dropped with probability ``p``.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Zero each element with probability ``p``, scale the others by 1 / (1 - p)."""
        scales = self._scales(input)
        return input if scales is None else input * scales

    def added(self, base: Tensor, input: Tensor) -> Tensor:
        """Return ``base`` plus what is left of ``input``."""
        scales = self._scales(input)
        return base + input if scales is None else torch.addcmul(base, input, scales)

    def relu(self, input: Tensor) -> Tensor:
        """Return what is left of max(input, 0); the input may be written over."""
        scales = self._scales(input)
        if scales is None:
            return torch.relu(input)
        return _DroppedReLU.apply(input, scales, 1 / (1 - self.p))  # type: ignore[no-any-return,no-untyped-call]

    def _scales(self, input: Tensor) -> Tensor | None:
        """Return 0 for elements to drop, 1 / (1 - p) for others; None where nothing is dropped."""
        if not self.training or self.p == 0:
            return None
        if input.device.type != "cpu" or input.dtype not in (torch.float32, torch.float64):
            return F.dropout(torch.ones_like(input), self.p)
        return torch.from_numpy(self._draw(input)).view(input.shape)

    def _draw(self, input: Tensor) -> np.ndarray:
        seed = int(torch.empty((), dtype=torch.int64).random_())
        generator = np.random.Generator(np.random.SFC64(seed))
        level, rest = divmod(self.p * LEVELS, 1)
        level += generator.random() < rest
        count = input.numel()
        draws = generator.integers(0, 1 << 64, -(-count // LANES), dtype=np.uint64)
        kept = draws.view(np.uint8)[:count] >= int(level)
        dtype = np.float64 if input.dtype == torch.float64 else np.float32
        return np.multiply(kept, dtype(1 / (1 - self.p)), dtype=dtype)


class _DroppedReLU(torch.autograd.Function):
    """max(x, 0) times 0 or a scale, in place; what came out tells the gradient all it needs."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, scales: Tensor, scale: float) -> Tensor:
        """See `Dropout.relu`."""
        ctx.mark_dirty(input)
        output = input.relu_().mul_(scales)
        ctx.save_for_backward(output)
        ctx.scale = scale
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of what went in."""
        (output,) = ctx.saved_tensors
        return _relu_backward(grad, output, 0).mul_(ctx.scale), None, None
