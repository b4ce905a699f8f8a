"""Loss, schedules, teacher forcing, clipping: each against its formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from seqcli.config import ModelConfig, TrainConfig
from seqcli.data.vocabulary import PAD
from seqcli.models.build import build
from seqcli.training.schedules import (
    Constant,
    ReduceOnPlateau,
    WarmupCosine,
    WarmupInverseSqrt,
)
from seqcli.training.torch_batches import (
    constant,
    cross_entropy,
    inverse_sigmoid,
    linear,
    mixed_forward,
)
from seqcli.training.torch_optimizers import clip_gradients


def test_padding_does_not_count() -> None:
    logits, targets = torch.randn(2, 4, 6), torch.tensor([[4, 5, 2, PAD], [5, 2, PAD, PAD]])
    total, plain = cross_entropy(logits, targets)
    by_hand = sum(
        -F.log_softmax(logits[b, t], 0)[targets[b, t]]
        for b in range(2)
        for t in range(4)
        if targets[b, t] != PAD
    )
    torch.testing.assert_close(total, by_hand)
    torch.testing.assert_close(plain, by_hand)


def test_label_smoothing_is_minimized_smoothed_and_reported_plain() -> None:
    logits, targets = torch.randn(1, 3, 6), torch.tensor([[4, 5, 2]])
    smoothed, plain = cross_entropy(logits, targets, 0.1)
    uniform = -F.log_softmax(logits, 2).mean(2).sum()
    torch.testing.assert_close(smoothed, 0.9 * plain + 0.1 * uniform)


def config(**changes: float) -> TrainConfig:
    return TrainConfig(**{"lr": 2.0, "warmup": 0, **changes})  # type: ignore[arg-type]


def test_learning_rates() -> None:
    assert [Constant(config(warmup=4), 10).rate(step) for step in (0, 1, 3, 9)] == [0.5, 1, 2, 2]
    cosine = WarmupCosine(config(warmup=2), 12)
    assert cosine.rate(0) == 1
    assert cosine.rate(2) == 2
    assert cosine.rate(7) == pytest.approx(1.0)
    assert cosine.rate(12) == pytest.approx(0.0)
    root = WarmupInverseSqrt(config(warmup=4), 100)
    assert [root.rate(step) for step in (0, 3, 15, 63)] == [0.5, 2, 1, 0.5]


def test_plateau_waits_then_halves_and_remembers() -> None:
    plateau = ReduceOnPlateau(config(plateau_patience=1), 10)
    for loss in (1.0, 0.9, 0.95, 0.93):
        plateau.epoch_ended(loss)
    assert plateau.rate(0) == 1
    other = ReduceOnPlateau(config(plateau_patience=1), 10)
    other.restore(plateau.state())
    assert other.rate(0) == 1
    assert other.best == 0.9


def test_teacher_forcing_ratios() -> None:
    assert constant(0.8, 0.0, 0.9) == 0.8
    assert linear(1.0, 0.5, 0.5) == 0.75
    assert inverse_sigmoid(1.0, 0.0, 0.5) == pytest.approx(0.5)
    assert inverse_sigmoid(1.0, 0.0, 0.0) > 0.99
    assert inverse_sigmoid(1.0, 0.0, 1.0) < 0.01


@pytest.mark.parametrize("cell", ["gru", "transformer"])
def test_mixing_goes_from_the_truth_to_the_models_own_symbols(cell: str) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(cell=cell, hidden=8, embedding=4, heads=2, dropout=0.0), 9, 9, 20)
    batch = (torch.randint(4, 9, (3, 4)), torch.tensor([4, 2, 3]), torch.randint(4, 9, (3, 5)))
    true_tokens = torch.ones(3, 5, dtype=torch.bool)
    torch.testing.assert_close(mixed_forward(model, *batch, true_tokens), model(*batch))
    own = mixed_forward(model, *batch, ~true_tokens)
    fed = torch.cat([batch[2][:, :1], own.argmax(2)[:, :-1]], 1)
    torch.testing.assert_close(model(batch[0], batch[1], fed), own)
    own.sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


def test_clipping_returns_the_norm_before_and_leaves_the_norm_asked_for() -> None:
    weight = torch.nn.Parameter(torch.zeros(4))
    weight.grad = torch.tensor([3.0, 4.0, 0.0, 0.0])
    assert float(clip_gradients([weight], 0.0, 0.0)) == 5
    assert float(weight.grad.norm()) == 5
    assert float(clip_gradients([weight], 1.0, 0.0)) == 5
    assert float(weight.grad.norm()) == pytest.approx(1.0)
    assert (
        math.isinf(float(clip_gradients([torch.nn.Parameter(torch.zeros(1))], 1.0, 0.0))) is False
    )
