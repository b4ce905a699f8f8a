"""All parameters in one vector: the optimizer must make the very same steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW

from seqcli.training import torch_optimizers
from seqcli.training.torch_optimizers import FlatParameters

MAKERS = {
    "adamw": lambda weights: AdamW(weights, lr=1e-2, weight_decay=0.1),
    "adam": lambda weights: Adam(weights, lr=1e-2),
    "sgd": lambda weights: SGD(weights, lr=1e-2, momentum=0.9),
    "plain sgd": lambda weights: SGD(weights, lr=1e-2),
}
each_optimizer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def small_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def backward(model: nn.Module, seed: int) -> None:
    rows = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    model(rows).square().sum().backward()


@each_optimizer
def test_steps_are_those_of_weights_apart(make) -> None:
    apart, model = small_model(), small_model()
    optimizer, weights = make(apart.parameters()), FlatParameters(model.parameters())
    together = make(weights.trained)
    for seed in range(4):
        backward(apart, seed)
        optimizer.step()
        optimizer.zero_grad()
        backward(model, seed)
        weights.gather_gradients()
        together.step()
        weights.zero_grad()
    for one, other in zip(apart.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)
    told = torch_optimizers.capture_state(together, weights)["optimizer"]
    expected = optimizer.state_dict()
    assert told["state"].keys() == expected["state"].keys()
    for number, memory in expected["state"].items():
        for name, value in memory.items():
            mine = told["state"][number][name]
            assert (
                torch.equal(torch.as_tensor(mine), torch.as_tensor(value))
                if value is not None
                else mine is None
            )
    assert told["param_groups"][0]["params"] == expected["param_groups"][0]["params"]


@each_optimizer
def test_a_captured_state_goes_on_where_it_was(make) -> None:
    model, other = small_model(), small_model()
    weights, others = FlatParameters(model.parameters()), FlatParameters(other.parameters())
    first, second = make(weights.trained), make(others.trained)
    backward(model, 0)
    weights.gather_gradients()
    first.step()
    weights.zero_grad()
    other.load_state_dict(model.state_dict())
    torch_optimizers.restore_state(torch_optimizers.capture_state(first, weights), second, others)
    for one, optimizer, flat in ((model, first, weights), (other, second, others)):
        backward(one, 1)
        flat.gather_gradients()
        optimizer.step()
    assert torch.equal(weights.trained[0], others.trained[0])


def test_a_weight_without_gradient_counts_as_zeros() -> None:
    model = small_model()
    weights = FlatParameters(model.parameters())
    model[0].weight.sum().backward()
    weights.gather_gradients()
    (vector,) = weights.trained
    assert vector.grad is not None
    assert vector.grad.sum() == 12
    assert weights.count == len(vector) == 21


def test_a_state_of_another_model_is_refused() -> None:
    weights, other = (
        FlatParameters(small_model().parameters()),
        FlatParameters(nn.Linear(2, 2).parameters()),
    )
    first, second = MAKERS["adam"](weights.trained), MAKERS["adam"](other.trained)
    with pytest.raises(ValueError, match="another model"):
        torch_optimizers.restore_state(
            torch_optimizers.capture_state(first, weights), second, other
        )


@pytest.mark.parametrize(("max_norm", "expected"), [(1.0, 1.0), (100.0, 10.0), (0.0, 10.0)])
def test_the_norm_is_clipped_and_the_norm_before_is_returned(max_norm, expected) -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([6.0, 8.0])
    norm = torch_optimizers.clip_gradients([parameter], max_norm, 0.0)
    assert float(norm) == pytest.approx(10.0)
    assert float(parameter.grad.norm()) == pytest.approx(expected, rel=1e-5)


def test_values_are_clipped_before_the_norm() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([6.0, -8.0])
    norm = torch_optimizers.clip_gradients([parameter], 0.0, 1.0)
    assert parameter.grad.tolist() == [1.0, -1.0]
    assert float(norm) == pytest.approx(2**0.5)
