"""Recurrent cells: what comes in and the state before make the state after.

`Cell.combine` is all a new cell must define: autograd differentiates it. The built-in ones are
also differentiated by hand (`Cell.forward`, `Cell.backward`), which `models.attending` uses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import torch
from torch import Tensor, nn

CellState: TypeAlias = tuple[Tensor, ...]  # each (B, H); the first is what the layer puts out
Cache: TypeAlias = tuple[Tensor, ...]  # what a step backward needs of the step forward
Layer: TypeAlias = Callable[..., nn.RNNBase]

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_relu_backward = torch.ops.aten.threshold_backward.grad_input


def _tanh(values: Tensor) -> Tensor:
    """Return 2 sigmoid(2 x) - 1, which takes half the time of PyTorch's tanh on the CPU."""
    return torch.sigmoid(2 * values).mul(2).sub(1)


class Cell:
    """A recurrent cell.

    ``gates``: how many H-wide blocks the products have. ``states``: tensors in the state.
    ``fused``: the PyTorch layer of the same maths, or None. ``by_hand``: whether there are
    `forward` and `backward`; ``reads_by_hand``: whether they are quicker than the fused layer.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    fused: ClassVar[Layer | None] = None
    by_hand: ClassVar[bool] = False
    reads_by_hand: ClassVar[bool] = False

    def __init__(self, activation: str = "tanh") -> None:
        self.activation = activation

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        """Return the next state.

        Args:
            inputs: (B, G), the input's product with its weights, bias added.
            recurrent: (B, G), the same of the state's first tensor.
            state: the state before, each (B, H).
        """
        after, _ = self.forward(inputs, recurrent, state)
        return after

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """Return the next state, see `combine`, and what `backward` needs."""
        raise TypeError(f"{type(self).__name__} has neither combine nor forward")

    def backward(
        self, grads: CellState, cache: Cache, to_inputs: Tensor, to_recurrent: Tensor
    ) -> CellState:
        """Write the gradients of ``inputs`` and ``recurrent``, both (B, G), where they belong.

        Args:
            grads: gradients of the state after, each (B, H).
            cache: from `forward`.

        Returns:
            gradients of the state before, each (B, H); for its first tensor without what comes
            back through ``recurrent``, and None where that is all.
        """
        raise TypeError(f"{type(self).__name__} has no backward")


class RNNCell(Cell):
    """h' = tanh(W x + U h), or relu in place of tanh (Elman 1990)."""

    gates = 1
    fused = nn.RNN
    by_hand = True
    reads_by_hand = True

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `Cell.forward`."""
        total = inputs + recurrent
        after = torch.relu(total) if self.activation == "relu" else _tanh(total)
        return (after,), (after,)

    def backward(
        self, grads: CellState, cache: Cache, to_inputs: Tensor, to_recurrent: Tensor
    ) -> CellState:
        """See `Cell.backward`."""
        if self.activation == "relu":
            _relu_backward(grads[0], cache[0], 0, grad_input=to_recurrent)
        else:
            _tanh_backward(grads[0], cache[0], grad_input=to_recurrent)
        to_inputs.copy_(to_recurrent)
        return (torch.zeros_like(grads[0]),)


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014), with the reset gate after the product as in cuDNN."""

    gates = 3
    fused = nn.GRU
    by_hand = True
    reads_by_hand = True

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `Cell.forward`; gates in the order reset, update, new."""
        (hidden,) = state
        sizes = [2 * hidden.shape[-1], hidden.shape[-1]]
        input_gates, input_new = torch.split(inputs, sizes, -1)  # (B, 2H), (B, H)
        recurrent_gates, recurrent_new = torch.split(recurrent, sizes, -1)  # (B, 2H), (B, H)
        gates = torch.sigmoid(input_gates + recurrent_gates)  # (B, 2H)
        reset, update = gates.chunk(2, -1)  # (B, H) each
        new = _tanh(torch.addcmul(input_new, reset, recurrent_new))  # (B, H)
        return (torch.lerp(new, hidden, update),), (hidden, gates, new, recurrent_new)

    def backward(
        self, grads: CellState, cache: Cache, to_inputs: Tensor, to_recurrent: Tensor
    ) -> CellState:
        """See `Cell.backward`."""
        (grad,), (hidden, gates, new, recurrent_new) = grads, cache
        size = hidden.shape[-1]
        reset, update = gates.chunk(2, -1)  # (B, H) each
        kept = grad * update  # (B, H)
        to_new = to_inputs[..., 2 * size :]
        _tanh_backward(grad - kept, new, grad_input=to_new)
        torch.mul(to_new, reset, out=to_recurrent[..., 2 * size :])
        to_gates = to_recurrent[..., : 2 * size]
        _sigmoid_backward(to_new * recurrent_new, reset, grad_input=to_gates[..., :size])
        _sigmoid_backward(grad * (hidden - new), update, grad_input=to_gates[..., size:])
        to_inputs[..., : 2 * size] = to_gates
        return (kept,)


class LSTMCell(Cell):
    """Long short-term memory with a forget gate (Hochreiter 1997, Gers 2000)."""

    gates = 4
    states = 2
    fused = nn.LSTM
    by_hand = True

    def forward(
        self, inputs: Tensor, recurrent: Tensor, state: CellState
    ) -> tuple[CellState, Cache]:
        """See `Cell.forward`; gates in the order input, forget, new, output."""
        _, before = state
        total = inputs + recurrent
        size = before.shape[-1]
        gate_in, forget = torch.sigmoid(total[..., : 2 * size]).chunk(2, -1)  # (B, H) each
        new = _tanh(total[..., 2 * size : 3 * size])  # (B, H)
        out = torch.sigmoid(total[..., 3 * size :])  # (B, H)
        cell = torch.addcmul(forget * before, gate_in, new)  # (B, H)
        squashed = _tanh(cell)  # (B, H)
        return (out * squashed, cell), (before, gate_in, forget, new, out, squashed)

    def backward(
        self, grads: CellState, cache: Cache, to_inputs: Tensor, to_recurrent: Tensor
    ) -> CellState:
        """See `Cell.backward`."""
        before, gate_in, forget, new, out, squashed = cache
        to_in, to_forget, to_new, to_out = to_recurrent.chunk(4, -1)  # (B, H) each
        _sigmoid_backward(grads[0] * squashed, out, grad_input=to_out)
        grad = grads[1] + torch.ops.aten.tanh_backward(grads[0] * out, squashed)  # (B, H)
        _sigmoid_backward(grad * new, gate_in, grad_input=to_in)
        _sigmoid_backward(grad * before, forget, grad_input=to_forget)
        _tanh_backward(grad * gate_in, new, grad_input=to_new)
        to_inputs.copy_(to_recurrent)
        return torch.zeros_like(grad), grad * forget
