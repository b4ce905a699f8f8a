"""Packing, weight names, and that training learns."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from seqcli.config.sections import SamplingConfig
from seqcli.decoding.search import sample
from seqcli.numpy_backend.cells import CELLS, pack
from seqcli.numpy_backend.language_model import SteppedModel, log_probabilities, optimize
from seqcli.numpy_backend.optimizers import SGD, Adam
from seqcli.numpy_backend.parameters import (
    from_torch_names,
    initialize_parameters,
    to_torch_names,
)

NAMES = [[4, 5, 4, 6], [6, 6], [5]]  # as many ids as symbols: 4, 5, 6


def batch_of(names):
    lengths = np.array([len(name) + 1 for name in names])
    target_in = np.zeros((len(names), lengths.max()), np.int64)
    target_out = target_in.copy()
    for i, name in enumerate(names):
        target_in[i, : len(name) + 1] = [1, *name]
        target_out[i, : len(name) + 1] = [*name, 2]
    return pack(target_in, target_out, lengths)


def test_packing_lays_the_longest_name_first_position_by_position():
    batch = batch_of([[5], [4, 6, 4], [6, 5]])
    assert batch.order.tolist() == [1, 2, 0]
    assert batch.counts.tolist() == [3, 3, 2, 1]
    assert batch.x.tolist() == [1, 1, 1, 4, 6, 5, 6, 5, 4]
    assert batch.y.tolist() == [4, 6, 5, 6, 5, 2, 4, 2, 2]
    assert batch.before.tolist() == [0, 1, 2, 3, 4, 6]
    assert batch.names().tolist() == [1, 2, 0, 1, 2, 0, 1, 2, 1]


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_names_and_shapes_are_torchs(cell):
    torch = pytest.importorskip("torch")
    parameters = initialize_parameters(np.random.default_rng(0), 11, 5, CELLS[cell].gates)
    layers = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    stack = layers[cell](11, 5).state_dict()
    expected = {f"rnn.layer.{k}": tuple(v.shape) for k, v in stack.items()}
    expected |= {"output.weight": (11, 5), "output.bias": (11,)}
    named = to_torch_names(parameters)
    assert list(named) == list(expected)  # an optimizer's state goes by their order
    assert {name: array.shape for name, array in named.items()} == expected
    assert from_torch_names(named).keys() == parameters.keys()
    assert all(from_torch_names(named)[k] is parameters[k] for k in parameters)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_few_names_are_learnt_by_heart(cell):
    rng = np.random.default_rng(0)
    parameters = initialize_parameters(rng, 7, 16, CELLS[cell].gates)
    batch, optimizer = batch_of(NAMES), Adam(0.02)
    losses = []
    for _ in range(250):
        loss, _ = optimize(batch, parameters, CELLS[cell], optimizer, max_norm=5.0)
        losses.append(loss)
    assert losses[0] == pytest.approx(np.log(7), abs=0.5)
    assert losses[-1] < losses[100] < losses[0]
    np.testing.assert_allclose(log_probabilities(batch, parameters, CELLS[cell]), -np.log(3), 0.1)
    stepped, no_sources = SteppedModel(parameters, CELLS[cell]), np.zeros((200, 0), np.int64)
    drawn = sample(stepped, no_sources, np.zeros(200, np.int64), 100, SamplingConfig(), rng)
    known = sum(one.ids in NAMES for one in drawn)
    assert known > 180


def test_clipping_bounds_the_classical_step():
    parameters = initialize_parameters(np.random.default_rng(0), 7, 8, 1, np.float64)
    before = {name: array.copy() for name, array in parameters.items()}
    optimize(batch_of(NAMES), parameters, CELLS["rnn"], SGD(1.0), max_value=1e-3)
    moved = max(np.abs(parameters[name] - before[name]).max() for name in before)
    assert moved == pytest.approx(1e-3)


def test_the_backend_does_not_import_torch():
    code = "import sys, seqcli.numpy_backend.trainer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
