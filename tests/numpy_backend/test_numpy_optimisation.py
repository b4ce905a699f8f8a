"""Clipping and optimizers against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqcli.numpy_backend.optimization import OPTIMIZERS, clip, clip_by_norm

SHAPES = {"Wax": (4, 3), "by": (5,)}
TORCH = {
    "sgd": lambda p, decay: torch.optim.SGD(p, lr=0.03, momentum=0.9, weight_decay=decay),
    "adam": lambda p, decay: torch.optim.Adam(p, lr=0.03, weight_decay=decay),
    "adamw": lambda p, decay: torch.optim.AdamW(p, lr=0.03, weight_decay=decay),
}


def arrays(rng):
    return {name: rng.normal(0, 3, shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_twenty_steps_equal_torch(name, decay):
    rng = np.random.default_rng(0)
    ours = arrays(rng)
    theirs = {key: torch.nn.Parameter(torch.tensor(array)) for key, array in ours.items()}
    optimizer, reference = OPTIMIZERS[name](0.03, 0.9, decay), TORCH[name](theirs.values(), decay)
    for step in range(20):
        gradients = arrays(rng)
        for key, gradient in gradients.items():
            theirs[key].grad = torch.tensor(gradient)
        optimizer.lr = reference.param_groups[0]["lr"] = 0.03 / (1 + step)
        optimizer.update(ours, gradients)
        reference.step()
    for key, array in ours.items():
        np.testing.assert_allclose(array, theirs[key].detach().numpy(), rtol=1e-12, atol=1e-14)


def test_adams_moments_are_torchs():
    rng = np.random.default_rng(1)
    ours, gradients = arrays(rng), arrays(rng)
    theirs = torch.nn.Parameter(torch.tensor(ours["by"]))
    optimizer, reference = OPTIMIZERS["adam"](0.03, 0.0, 0.0), torch.optim.Adam([theirs], lr=0.03)
    theirs.grad = torch.tensor(gradients["by"])
    optimizer.update(ours, gradients)
    reference.step()
    state = reference.state[theirs]
    np.testing.assert_allclose(optimizer.exp_avg["by"], state["exp_avg"], rtol=1e-13)
    np.testing.assert_allclose(optimizer.exp_avg_sq["by"], state["exp_avg_sq"], rtol=1e-13)
    assert optimizer.step == state["step"] == 1


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_parameters_stay_where_and_what_they_are(name):
    parameters = {"by": np.ones(3, np.float32)}
    before = parameters["by"]
    OPTIMIZERS[name](0.1, 0.9, 0.01).update(parameters, {"by": np.ones(3, np.float32)})
    assert parameters["by"] is before
    assert before.dtype == np.float32
    assert (before < 1).all()


def test_clip_cuts_every_entry():
    gradients = {"by": np.array([-20.0, -3.0, 0.5, 7.0])}
    clip(gradients, 5.0)
    assert gradients["by"].tolist() == [-5.0, -3.0, 0.5, 5.0]


@pytest.mark.parametrize("limit", [0.1, 1.0, 1e6])
def test_clip_by_norm_equals_torch(limit):
    gradients = arrays(np.random.default_rng(2))
    theirs = [torch.nn.Parameter(torch.zeros(g.shape).double()) for g in gradients.values()]
    for parameter, gradient in zip(theirs, gradients.values(), strict=True):
        parameter.grad = torch.tensor(gradient)
    expected = torch.nn.utils.clip_grad_norm_(theirs, limit).item()
    assert clip_by_norm(gradients, limit) == pytest.approx(expected, rel=1e-12)
    for parameter, gradient in zip(theirs, gradients.values(), strict=True):
        np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-12)


def test_clip_by_norm_leaves_small_gradients_alone():
    gradients = {"by": np.array([3.0, 4.0])}
    assert clip_by_norm(gradients, 5.1) == 5.0
    assert gradients["by"].tolist() == [3.0, 4.0]
