"""Convert models to two traceable functions of tensors: `StartGraph` and `StepGraph`.

In a copy of the model, parts that cannot be traced are replaced. Packed sequences become a scan
over positions with masks, which works for any cell. The check on the length of learned positions
is omitted, because it depends on values.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan  # has no public name yet
from torch.nn import functional as F

from seqcli.arrays.state import DecoderState
from seqcli.models.base import Model
from seqcli.models.cells import CellState
from seqcli.models.positions import Learned
from seqcli.models.rnn import RNN, CellRNN, TorchRNN

# Weight and bias of the input, then weight and bias of the state.
RunWeights = tuple[Tensor, Tensor, Tensor, Tensor]


class ScannedRNN(RNN):
    """The computation of another recurrent layer as a scan over positions.

    Args:
        rnn: the layer whose weights are used.
    """

    def __init__(self, rnn: TorchRNN | CellRNN) -> None:
        super().__init__(rnn.cell)
        self.rnn = rnn  # a submodule, so that the tracer finds its weights

    def forward(
        self, inputs: Tensor, lengths: Tensor | None = None, state: CellState | None = None
    ) -> tuple[Tensor, CellState]:
        """See `RNN`."""
        runs, directions, hidden = _runs_of(self.rnn)
        if state is None:
            zeros = inputs.new_zeros(len(runs), inputs.shape[0], hidden)
            state = (zeros,) * self.cell.states
        outputs, last = inputs, []
        for layer in range(0, len(runs), directions):
            per_direction = [
                self._run(run, run > layer, outputs, lengths, tuple(part[run] for part in state))
                for run in range(layer, layer + directions)
            ]
            outputs = torch.cat([output for output, _ in per_direction], dim=2)  # (B, T, D * H)
            last += [after for _, after in per_direction]
        return outputs, tuple(torch.stack(parts) for parts in zip(*last, strict=True))

    def _run(
        self,
        run: int,
        backward: bool,
        inputs: Tensor,
        lengths: Tensor | None,
        state: CellState,
    ) -> tuple[Tensor, CellState]:
        """Run one layer in one direction; the state does not change at padding."""
        weight_in, bias_in, weight, bias = _runs_of(self.rnn)[0][run]
        cell = self.rnn.cell_of(run)
        products = F.linear(inputs, weight_in, bias_in)  # (B, T, G)
        if lengths is None:  # decoders: one step
            after = cell.combine(products[:, 0], F.linear(state[0], weight, bias), state)
            return after[0][:, None], after  # (B, 1, H)
        positions = torch.arange(inputs.shape[1], device=inputs.device)
        inside = (positions[:, None] < lengths[None])[:, :, None]  # (T, B, 1)

        def step(before: CellState, now: tuple[Tensor, Tensor]) -> tuple[CellState, Tensor]:
            after = cell.combine(now[0], F.linear(before[0], weight, bias), before)
            kept = tuple(
                torch.where(now[1], new, old) for new, old in zip(after, before, strict=True)
            )
            return kept, kept[0] * now[1]

        first = tuple(part.clone() for part in state)
        last, outputs = scan(step, first, (products.transpose(0, 1), inside), reverse=backward)
        return outputs.transpose(0, 1), last  # (B, T, H)


def _runs_of(rnn: TorchRNN | CellRNN) -> tuple[list[RunWeights], int, int]:
    """Return the weights of each layer and direction, the number of directions, and H."""
    if isinstance(rnn, CellRNN):
        pairs = zip(rnn.inputs, rnn.recurrent, strict=True)
        runs: list[Any] = [(a.weight, a.bias, b.weight, b.bias) for a, b in pairs]
        return runs, rnn.directions, rnn.hidden
    layer = rnn.layer
    ends = ["", "_reverse"] if layer.bidirectional else [""]
    names = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")
    runs = [
        tuple(getattr(layer, f"{name}_l{i}{end}") for name in names)
        for i in range(layer.num_layers)
        for end in ends
    ]
    return runs, len(ends), layer.hidden_size


class UncheckedPositions(Learned):
    """Learned positions without the check of the length; the runtime rejects a bad index."""

    def __init__(self, learned: Learned) -> None:
        nn.Module.__init__(self)
        self.table = learned.table

    def check(self, end: int) -> None:
        """See `Positions.check`."""


def traceable(model: Model) -> Model:
    """Return a traceable copy in float32, on the CPU, in evaluation mode."""
    copied = copy.deepcopy(model).float().cpu().eval().requires_grad_(False)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, TorchRNN | CellRNN):
                setattr(parent, name, ScannedRNN(child))
            elif isinstance(child, Learned):
                setattr(parent, name, UncheckedPositions(child))
    return copied


class StartGraph(nn.Module):
    """Compute the tensors of the first state of sources (B, S), memory before past."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Encode the sources with lengths (B,)."""
        state = self.model.start(source, lengths)
        return (*state.memory, *state.past)


class StepGraph(nn.Module):
    """Compute logits (B, V) and the next past from a token (B,) and the tensors of a state.

    Args:
        model: the model to step.
        memory: the number of memory tensors.
        grows: whether the past has an entry for each token, so that its size is the position.
    """

    def __init__(self, model: Model, memory: int, grows: bool) -> None:
        super().__init__()
        self.model, self.memory, self.grows = model, memory, grows

    def forward(self, token: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Read one token (B,)."""
        past = tuple(parts[self.memory :])
        state = DecoderState(tuple(parts[: self.memory]), past)
        if self.grows:
            state = replace(state, position=past[0].shape[2])
        logits, state = self.model.step(token, state)
        return (logits, *state.past)
