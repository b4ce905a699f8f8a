"""Models as other programs run them: two functions of tensors, `Start` and `Step`.

What tracing cannot follow is replaced in a copy of the model: packed sequences (PyTorch's own way
with padding) by a scan over positions with masks, which works for any cell, and the check on the
length of learned positions, which looks at numbers.
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
from seqcli.models.positions import Learned, Positions
from seqcli.models.rnn import RNN, CellRNN, TorchRNN

RunWeights = tuple[Tensor, Tensor, Tensor, Tensor]  # of input and state, weight and bias each


class ScannedRNN(RNN):
    """The computation of another layer, as a scan over positions.

    Args:
        rnn: the layer whose weights are used.
    """

    def __init__(self, rnn: TorchRNN | CellRNN) -> None:
        super().__init__(rnn.cell)
        self.rnn = rnn  # registered, so that its weights are known to the tracer

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
            sides = [
                self._run(
                    runs[run], run > layer, outputs, lengths, tuple(part[run] for part in state)
                )
                for run in range(layer, layer + directions)
            ]
            outputs = torch.cat([side for side, _ in sides], dim=2)  # (B, T, D * H)
            last += [after for _, after in sides]
        return outputs, tuple(torch.stack(parts) for parts in zip(*last, strict=True))

    def _run(
        self,
        weights: RunWeights,
        backward: bool,
        inputs: Tensor,
        lengths: Tensor | None,
        state: CellState,
    ) -> tuple[Tensor, CellState]:
        """Run one layer in one direction; padded steps leave the state as it was."""
        weight_in, bias_in, weight, bias = weights
        products = F.linear(inputs, weight_in, bias_in)  # (B, T, G)
        if lengths is None:  # decoders: one step
            after = self.cell.combine(products[:, 0], F.linear(state[0], weight, bias), state)
            return after[0][:, None], after  # (B, 1, H)
        places = torch.arange(inputs.shape[1], device=inputs.device)
        inside = (places[:, None] < lengths[None])[:, :, None]  # (T, B, 1)

        def step(before: CellState, now: tuple[Tensor, Tensor]) -> tuple[CellState, Tensor]:
            after = self.cell.combine(now[0], F.linear(before[0], weight, bias), before)
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


class UncheckedPositions(Positions):
    """Learned positions that leave it to the runtime to refuse a place outside the table."""

    def __init__(self, learned: Learned) -> None:
        nn.Module.__init__(self)
        self.table = learned.table

    def added(self, embedded: Tensor, start: int | Tensor = 0) -> Tensor:
        """See `Positions.added`."""
        places = start + torch.arange(embedded.shape[1], device=embedded.device)  # ([B,] T)
        return embedded + self.table(places)  # type: ignore[no-any-return]  # (B, T, H)


def exportable(model: Model) -> Model:
    """Return a copy in float32 on the CPU, in evaluation mode, that can be traced."""
    made = copy.deepcopy(model).float().cpu().eval().requires_grad_(False)
    for parent in list(made.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, TorchRNN | CellRNN):
                setattr(parent, name, ScannedRNN(child))
            elif isinstance(child, Learned):
                setattr(parent, name, UncheckedPositions(child))
    return made


class Start(nn.Module):
    """Source (B, S) and lengths (B,) to the parts of the first state, memory before past."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """Read the sources."""
        state = self.model.start(source, lengths)
        return (*state.memory, *state.past)


class Step(nn.Module):
    """A token (B,) and the parts of a state to logits (B, V) and the parts of the next past.

    Args:
        model: what steps.
        memory: how many parts of the state are memory.
        grows: whether the past has a place for each symbol, so that its size tells the position.
    """

    def __init__(self, model: Model, memory: int, grows: bool) -> None:
        super().__init__()
        self.model, self.memory, self.grows = model, memory, grows

    def forward(self, token: Tensor, parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Read one symbol."""
        past = tuple(parts[self.memory :])
        state = DecoderState(tuple(parts[: self.memory]), past)
        if self.grows:
            state = replace(state, position=past[0].shape[2])
        logits, state = self.model.step(token, state)
        return (logits, *state.past)
