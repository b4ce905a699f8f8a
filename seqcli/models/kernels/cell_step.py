"""One step of a recurrent cell, with a hand-written backward pass.

Autograd records about ten nodes per GRU step; here the forward step returns a cache for the
backward step. tanh(x) is computed as 2 sigmoid(2 x) - 1, which takes half the time of
`torch.tanh` on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from seqcli.models.cells import Cell, CellState, GRUCell, LSTMCell, RNNCell
from seqcli.models.kernels import enabled

Cache: TypeAlias = tuple[Tensor, ...]  # saved by the forward pass of a step for its backward pass

# The public functions would allocate their results; these write into existing tensors.
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input


class CellStep:
    """The step of a cell, and its derivative.

    Args:
        activation: as in `Cell`.
    """

    def __init__(self, activation: str) -> None:
        self.activation = activation

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """Return the next state, as in `Cell.combine`, and the cache for `backward`."""
        raise TypeError(f"{type(self).__name__} has no forward")

    def backward(
        self, grads: CellState, cache: Cache, grad_inputs: Tensor, grad_recurrent: Tensor
    ) -> CellState:
        """Write the gradients of ``inputs`` and ``recurrent``, both (B, G), in place.

        Args:
            grads: gradients of the next state, each (B, H).
            cache: from `forward`.
            grad_inputs, grad_recurrent: written.

        Returns:
            gradients of the previous state, each (B, H), without the part of the first tensor
            that flows through ``recurrent``.
        """
        raise TypeError(f"{type(self).__name__} has no backward")


class RNNStep(CellStep):
    """The step of `RNNCell`."""

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `CellStep.forward`."""
        total = inputs + recurrent  # (B, H)
        h = torch.relu(total) if self.activation == "relu" else _tanh(total)  # (B, H)
        return (h,), (h,)

    def backward(
        self, grads: CellState, cache: Cache, grad_inputs: Tensor, grad_recurrent: Tensor
    ) -> CellState:
        """See `CellStep.backward`."""
        if self.activation == "relu":
            _relu_backward(grads[0], cache[0], 0, grad_input=grad_recurrent)
        else:
            _tanh_backward(grads[0], cache[0], grad_input=grad_recurrent)
        grad_inputs.copy_(grad_recurrent)
        return (torch.zeros_like(grads[0]),)


class GRUStep(CellStep):
    """The step of `GRUCell`."""

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `CellStep.forward`."""
        (h,) = state
        sizes = [2 * h.shape[-1], h.shape[-1]]
        rz_x, n_x = torch.split(inputs, sizes, -1)  # (B, 2H), (B, H)
        rz_h, n_h = torch.split(recurrent, sizes, -1)  # (B, 2H), (B, H)
        rz = torch.sigmoid(rz_x + rz_h)  # (B, 2H)
        r, z = rz.chunk(2, -1)  # (B, H) each
        n = _tanh(torch.addcmul(n_x, r, n_h))  # (B, H)
        return (torch.lerp(n, h, z),), (h, rz, n, n_h)

    def backward(
        self, grads: CellState, cache: Cache, grad_inputs: Tensor, grad_recurrent: Tensor
    ) -> CellState:
        """See `CellStep.backward`."""
        (grad,), (h, rz, n, n_h) = grads, cache
        size = h.shape[-1]
        r, z = rz.chunk(2, -1)  # (B, H) each
        grad_h = grad * z  # (B, H)
        grad_n = grad_inputs[..., 2 * size :]
        _tanh_backward(grad - grad_h, n, grad_input=grad_n)
        torch.mul(grad_n, r, out=grad_recurrent[..., 2 * size :])
        grad_rz = grad_recurrent[..., : 2 * size]
        _sigmoid_backward(grad_n * n_h, r, grad_input=grad_rz[..., :size])
        _sigmoid_backward(grad * (h - n), z, grad_input=grad_rz[..., size:])
        grad_inputs[..., : 2 * size] = grad_rz
        return (grad_h,)


class LSTMStep(CellStep):
    """The step of `LSTMCell`."""

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `CellStep.forward`."""
        _, c = state
        total, size = inputs + recurrent, c.shape[-1]
        i, f = torch.sigmoid(total[..., : 2 * size]).chunk(2, -1)  # (B, H) each
        g = _tanh(total[..., 2 * size : 3 * size])  # (B, H)
        o = torch.sigmoid(total[..., 3 * size :])  # (B, H)
        c_next = torch.addcmul(f * c, i, g)  # (B, H)
        tanh_c = _tanh(c_next)  # (B, H)
        return (o * tanh_c, c_next), (c, i, f, g, o, tanh_c)

    def backward(
        self, grads: CellState, cache: Cache, grad_inputs: Tensor, grad_recurrent: Tensor
    ) -> CellState:
        """See `CellStep.backward`."""
        c, i, f, g, o, tanh_c = cache
        grad_i, grad_f, grad_g, grad_o = grad_recurrent.chunk(4, -1)  # (B, H) each
        _sigmoid_backward(grads[0] * tanh_c, o, grad_input=grad_o)
        grad_c = grads[1] + torch.ops.aten.tanh_backward(grads[0] * o, tanh_c)  # (B, H)
        _sigmoid_backward(grad_c * g, i, grad_input=grad_i)
        _sigmoid_backward(grad_c * c, f, grad_input=grad_f)
        _tanh_backward(grad_c * i, g, grad_input=grad_g)
        grad_inputs.copy_(grad_recurrent)
        return torch.zeros_like(grad_c), grad_c * f


STEPS: Mapping[type[Cell], type[CellStep]] = {
    RNNCell: RNNStep,
    GRUCell: GRUStep,
    LSTMCell: LSTMStep,
}


def step_of(cell: Cell) -> CellStep | None:
    """Return the hand-written step of a cell, or None for a user-defined cell."""
    step = STEPS.get(type(cell))
    return None if step is None else step(cell.activation)


def combine(cell: Cell, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
    """Compute the next state where no gradient is needed; see `Cell.combine`."""
    step = step_of(cell) if enabled(inputs) and not torch.is_grad_enabled() else None
    if step is None:
        return combine_reference(cell, inputs, recurrent, state)
    after, _ = step.forward(inputs, recurrent, state)
    return after


def combine_reference(cell: Cell, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
    """Compute the same as `combine` by the cell's own equations."""
    return cell.combine(inputs, recurrent, state)


def _tanh(values: Tensor) -> Tensor:
    """Return tanh(x) as 2 sigmoid(2 x) - 1."""
    return torch.sigmoid(2 * values).mul(2).sub(1)
