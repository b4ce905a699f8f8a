"""The Bahdanau decoder's kernel against its reference and finite differences."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor, nn

from seqcli.config import ModelConfig
from seqcli.models import kernels
from seqcli.models.attention import AdditiveAttention
from seqcli.models.build import build
from seqcli.models.cells import LSTMCell
from seqcli.models.kernels import bahdanau_decoder as kernel


def gradients(config: ModelConfig, lengths: list[int]) -> list[Tensor]:
    """Return logits and the gradients of all weights for one batch."""
    torch.manual_seed(1)
    model = build(config, 9, 9, 9).double()
    source, target = torch.randint(4, 9, (3, 5)), torch.randint(4, 9, (3, 4))
    logits = model(source, torch.tensor(lengths), target)  # (B, T, V)
    (logits * torch.arange(logits.numel()).view_as(logits)).square().mean().backward()
    return [logits.detach(), *(one.grad for one in model.parameters() if one.grad is not None)]


@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 2, 4]], ids=["even", "ragged"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_gradients_are_those_of_autograd(
    cell: str, activation: str, layers: int, lengths: list[int]
) -> None:
    config = ModelConfig(
        cell=cell, activation=activation, attention="additive", hidden=6, layers=layers, dropout=0.0
    )
    apply = kernel._BahdanauDecoder.apply
    with mock.patch.object(kernel._BahdanauDecoder, "apply", side_effect=apply) as ran:
        fast = gradients(config, lengths)
        assert ran.call_count == 1
        with kernels.using("reference"):
            plain = gradients(config, lengths)
        assert ran.call_count == 1
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_gradients_pass_the_check_by_finite_differences() -> None:
    torch.manual_seed(2)
    batch, steps, size, positions = 2, 3, 4, 3
    attention = AdditiveAttention(size, 1).double()
    recurrent = nn.Linear(size, 4 * size).double()
    shapes = [(batch, steps, 4 * size), (batch, positions, size), (batch, positions, 4 * size)]
    shapes += [(batch, size), (batch, size)]
    values = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    padding = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -1e9]], dtype=torch.float64)

    def run(inputs: Tensor, keys: Tensor, gates: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        source = kernel.Source(keys, gates, padding)
        outputs, weights, last = kernel.bahdanau_decoder(
            LSTMCell(), attention, recurrent, inputs, source, state
        )
        assert "_BahdanauDecoder" in str(outputs.grad_fn) or not outputs.requires_grad
        return outputs, weights, *last

    assert torch.autograd.gradcheck(run, values)
