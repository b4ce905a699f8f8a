"""Losses and gradients against PyTorch autograd and against central differences, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.numpy_backend.cells import CELLS, pack
from seqcli.numpy_backend.language_model import (
    log_probabilities,
    loss_and_gradients,
    optimize,
)
from seqcli.numpy_backend.optimizers import Adam
from seqcli.numpy_backend.parameters import initialize_parameters, to_torch_names

TORCH_CELLS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def random_names(rng, lengths, symbols):
    """Return target_in, target_out (B, T), whose padding holds rubbish."""
    target_in, target_out = rng.integers(0, symbols, (2, len(lengths), max(lengths) + 2))
    return target_in, target_out, np.asarray(lengths)


def drawn(cell, hidden, symbols, lengths, seed):
    rng = np.random.default_rng(seed)
    parameters = initialize_parameters(rng, symbols, hidden, CELLS[cell].gates, np.float64)
    for array in parameters.values():
        array *= 2.0  # away from the linear part of the cells
    return parameters, random_names(rng, lengths, symbols)


class TorchLanguageModel(torch.nn.Module):
    """The reference: one-hot inputs, a recurrent layer, an output layer."""

    def __init__(self, cell, parameters):
        super().__init__()
        symbols, hidden = parameters["Wya"].shape
        self.rnn = torch.nn.Module()
        self.rnn.layer = TORCH_CELLS[cell](symbols, hidden, batch_first=True)
        self.output = torch.nn.Linear(hidden, symbols)
        weights = {k: torch.tensor(v) for k, v in to_torch_names(parameters).items()}
        self.double().load_state_dict(weights)

    def log_p(self, target_in, target_out, lengths):
        """Return (B, T), 0 where there is padding."""
        x = torch.nn.functional.one_hot(torch.tensor(target_in), self.output.out_features)
        logits = self.output(self.rnn.layer(x.double())[0])
        log_p = logits.log_softmax(-1).gather(2, torch.tensor(target_out)[..., None])[..., 0]
        mask = torch.arange(target_in.shape[1]) < torch.tensor(lengths)[:, None]
        return log_p * mask

    def gradients(self):
        return {name: p.grad.numpy() for name, p in self.named_parameters()}


def relative(ours, theirs):
    return np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300)


shapes = {
    "cell": st.sampled_from(sorted(CELLS)),
    "hidden": st.integers(1, 9),
    "symbols": st.integers(2, 12),
    "lengths": st.lists(st.integers(1, 9), min_size=1, max_size=7),
    "seed": st.integers(0, 2**31),
}


@settings(max_examples=60, deadline=None)
@given(**shapes)
def test_loss_and_gradients_equal_autograd(cell, hidden, symbols, lengths, seed):
    parameters, names = drawn(cell, hidden, symbols, lengths, seed)
    reference = TorchLanguageModel(cell, parameters)
    expected = -reference.log_p(*names).sum() / sum(lengths)
    expected.backward()
    loss, gradients = loss_and_gradients(pack(*names), parameters, CELLS[cell])
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    theirs = reference.gradients()
    ours = to_torch_names(gradients)
    assert ours.keys() == theirs.keys()
    assert max(relative(ours[name], theirs[name]) for name in ours) < 1e-12


@settings(max_examples=20, deadline=None)
@given(**shapes)
def test_log_probabilities_equal_torch_name_by_name(cell, hidden, symbols, lengths, seed):
    parameters, names = drawn(cell, hidden, symbols, lengths, seed)
    with torch.no_grad():
        expected = TorchLanguageModel(cell, parameters).log_p(*names).sum(1).numpy()
    ours = log_probabilities(pack(*names), parameters, CELLS[cell])
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def central_difference(loss, array, at, delta=1e-5):
    value = array[at]
    array[at] = value + delta
    above = loss()
    array[at] = value - delta
    below = loss()
    array[at] = value
    return (above - below) / (2 * delta)


@pytest.mark.parametrize("cell", sorted(CELLS))
@pytest.mark.parametrize("seed", range(3))
def test_gradients_equal_central_differences(cell, seed):
    parameters, names = drawn(cell, 5, 7, [4, 1, 6, 3], seed)
    batch = pack(*names)
    _, gradients = loss_and_gradients(batch, parameters, CELLS[cell])
    for name, array in parameters.items():
        numeric = np.empty_like(array)
        for at in np.ndindex(array.shape):
            numeric[at] = central_difference(
                lambda: loss_and_gradients(batch, parameters, CELLS[cell])[0], array, at
            )
        assert relative(gradients[name], numeric) < 1e-6, name


@settings(max_examples=30, deadline=None)
@given(data=st.data(), padding=st.integers(0, 5), **shapes)
def test_padding_and_order_change_nothing(data, padding, cell, hidden, symbols, lengths, seed):
    parameters, (target_in, target_out, lengths) = drawn(cell, hidden, symbols, lengths, seed)
    order = np.array(data.draw(st.permutations(range(len(lengths)))))
    rubbish = np.full((len(lengths), padding), symbols - 1)
    wider = [np.hstack([rows, rubbish])[order] for rows in (target_in, target_out)]
    batch, same = pack(target_in, target_out, lengths), pack(*wider, lengths[order])
    loss, gradients = loss_and_gradients(batch, parameters, CELLS[cell])
    other, others = loss_and_gradients(same, parameters, CELLS[cell])
    assert other == pytest.approx(loss, rel=1e-13)
    assert max(relative(others[k], gradients[k]) for k in gradients) < 1e-12
    np.testing.assert_allclose(
        log_probabilities(same, parameters, CELLS[cell]),
        log_probabilities(batch, parameters, CELLS[cell])[order],
        rtol=1e-12,
    )


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_batch_is_the_sum_of_its_names(cell):
    """No name sees another: the state starts afresh with each."""
    parameters, (target_in, target_out, lengths) = drawn(cell, 6, 8, [5, 2, 7, 2], 0)
    loss, gradients = loss_and_gradients(
        pack(target_in, target_out, lengths), parameters, CELLS[cell]
    )
    alone = [
        loss_and_gradients(
            pack(target_in[i : i + 1], target_out[i : i + 1], lengths[i : i + 1]),
            parameters,
            CELLS[cell],
        )
        for i in range(len(lengths))
    ]
    shares = lengths / lengths.sum()
    assert loss == pytest.approx(sum(s * one for s, (one, _) in zip(shares, alone, strict=True)))
    for name, gradient in gradients.items():
        total = sum(s * g[name] for s, (_, g) in zip(shares, alone, strict=True))
        assert relative(gradient, total) < 1e-12


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_float32_stays_float32_and_near_float64(cell):
    parameters, names = drawn(cell, 16, 10, [5, 2, 7, 2], 0)
    single = {name: array.astype(np.float32) for name, array in parameters.items()}
    loss, gradients = loss_and_gradients(pack(*names), single, CELLS[cell])
    exact, _ = loss_and_gradients(pack(*names), parameters, CELLS[cell])
    assert all(gradient.dtype == np.float32 for gradient in gradients.values())
    assert loss == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_ten_training_steps_lead_where_torchs_lead(cell):
    """Why both biases are kept: whoever goes on with the training, it goes the same way."""
    parameters, names = drawn(cell, 6, 8, [5, 2, 7, 2], 3)
    reference = TorchLanguageModel(cell, parameters)
    theirs = torch.optim.Adam(reference.parameters(), lr=0.01)
    ours = Adam(0.01)
    for _ in range(10):
        theirs.zero_grad()
        (-reference.log_p(*names).sum() / names[2].sum()).backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        theirs.step()
        optimize(pack(*names), parameters, CELLS[cell], ours, max_norm=0.5)
    weights = dict(reference.named_parameters())
    for name, array in to_torch_names(parameters).items():
        assert relative(array, weights[name].detach().numpy()) < 1e-9, name


GOLDEN = {
    "rnn": (2.3878313322645295, 0.031046004726486214),
    "gru": (2.3012748357881474, 0.0008110923151050138),
    "lstm": (2.1755476089520083, -0.0006055598553070175),
}


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_golden_values(cell):
    """Seed 1, H=8, V=9: the loss, and dWaa[1, 2]."""
    parameters, names = drawn(cell, 8, 9, [3, 6, 4], 1)
    loss, gradients = loss_and_gradients(pack(*names), parameters, CELLS[cell])
    assert (loss, gradients["Waa"][1, 2]) == pytest.approx(GOLDEN[cell], rel=1e-10)
