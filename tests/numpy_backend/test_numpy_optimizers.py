"""Clipping and optimizers against torch's."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from seqcli.numpy_backend.optimizers import SGD, Adam, AdamW, Optimizer, clip, clip_by_norm
from seqcli.numpy_backend.parameters import initialize_parameters
from seqcli.schema import SchemaError

OPTIMIZERS = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
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
    optimizer, reference = Adam(0.03), torch.optim.Adam([theirs], lr=0.03)
    theirs.grad = torch.tensor(gradients["by"])
    optimizer.update(ours, gradients)
    reference.step()
    state = reference.state[theirs]
    np.testing.assert_allclose(optimizer.buffers["exp_avg"]["by"], state["exp_avg"], rtol=1e-13)
    np.testing.assert_allclose(
        optimizer.buffers["exp_avg_sq"]["by"], state["exp_avg_sq"], rtol=1e-13
    )
    assert optimizer.steps == state["step"] == 1


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


class Sign(Optimizer):
    """Move by the sign of a running mean (Chen et al. 2023), to add an optimizer from outside."""

    names = ("exp_avg",)

    def update_one(self, p, g, *buffers):
        (m,) = buffers
        m += 0.1 * (g - m)
        p -= self.lr * np.sign(m)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, Sign])
def test_a_restored_state_continues_as_it_would_have(kind):
    rng = np.random.default_rng(3)
    parameters = initialize_parameters(rng, 5, 4, 1, np.float64)
    gradients = [initialize_parameters(rng, 5, 4, 1, np.float64) for _ in range(4)]
    whole = kind(0.1, 0.9, 0.01)
    for gradient in gradients[:2]:
        whole.update(parameters, gradient)
    copy, restored = (
        {name: array.copy() for name, array in parameters.items()},
        kind(0.1, 0.9, 0.01),
    )
    state = deepcopy(whole.state_dict())
    restored.load_state_dict({"optimizer": state}, copy)
    for gradient in gradients[2:]:
        whole.update(parameters, gradient)
        restored.update(copy, gradient)
    for name, array in parameters.items():
        np.testing.assert_array_equal(copy[name], array)


def test_sgd_without_momentum_has_no_state():
    optimizer = SGD(0.1)
    parameters = initialize_parameters(np.random.default_rng(0), 5, 4, 1)
    optimizer.update(parameters, parameters)
    assert optimizer.state_dict()["state"] == {}
    optimizer.load_state_dict({"optimizer": optimizer.state_dict()}, parameters)


def test_a_state_of_other_parameters_is_refused():
    rng = np.random.default_rng(0)
    small, large = (initialize_parameters(rng, 5, width, 1) for width in (4, 6))
    optimizer = Adam(0.1)
    optimizer.update(small, small)
    with pytest.raises(SchemaError, match="has shape"):
        Adam(0.1).load_state_dict({"optimizer": optimizer.state_dict()}, large)
