"""Models from checkpoints: what fits, what is refused, and what is added from outside."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from both_models import (
    LIMITS,
    MODES,
    PATH,
    SMALL,
    batch,
    checkpoint_of,
    mode,
    numpy_model,
    torch_model,
)

from seqcli import registry
from seqcli.config import Config, ModelConfig
from seqcli.errors import CheckpointError, DataError, UsageError
from seqcli.models.attention import Attention as TorchAttention
from seqcli.models.cells import Cell as TorchCell
from seqcli.numpy_backend.forward import has_forward, load_model
from seqcli.numpy_backend.forward.attention import Attention
from seqcli.numpy_backend.forward.rnn import Cell

GRU = replace(SMALL, attention="additive")
TRANSFORMER = replace(SMALL, cell="transformer", positions="learned")


def load(config: ModelConfig, weights, dtype=np.float64):
    checkpoint = replace(checkpoint_of(torch_model(GRU)), weights=weights)
    return load_model(checkpoint, Config(model=config), LIMITS, PATH, dtype)


def weights_of(config: ModelConfig):
    return dict(checkpoint_of(torch_model(config)).weights)


def test_the_default_number_format_is_float32():
    checkpoint = checkpoint_of(torch_model(GRU))
    source, lengths, target = batch()
    model = load_model(checkpoint, Config(model=GRU), LIMITS, PATH)
    assert model.forward(source, lengths, target).dtype == np.float32


def test_missing_weights_are_named():
    weights = weights_of(GRU)
    del weights["decoder.attention.query.bias"]
    with pytest.raises(
        CheckpointError, match=r"best\.pt: the weights do not fit .*query\.bias.* is m"
    ):
        load(GRU, weights)


def test_weights_of_no_layer_are_named():
    weights = {**weights_of(GRU), "decoder.gate.weight": np.zeros(3)}
    with pytest.raises(CheckpointError, match=r"decoder\.gate\.weight.* belongs to no part of it"):
        load(GRU, weights)


def test_other_shapes_are_named_with_their_sizes():
    with pytest.raises(CheckpointError, match=r"encoder\.embedding\.weight is 11 x 6, not 11 x 9"):
        load(replace(GRU, embedding=9), weights_of(GRU))


def test_other_number_formats_are_named():
    weights = weights_of(GRU)
    weights["bridge.projections.0.bias"] = np.zeros(8, np.int64)
    with pytest.raises(CheckpointError, match=r"projections\.0\.bias has dtype int64"):
        load(GRU, weights)


@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_sizes_that_no_memory_holds_are_refused_at_once(cell):
    huge = replace(GRU, cell=cell, attention="none", hidden=2**16, layers=2**8)
    with pytest.raises(CheckpointError, match="do not fit"):
        load(huge, weights_of(GRU))


def test_learned_positions_refuse_what_is_too_long():
    model = numpy_model(TRANSFORMER, torch_model(TRANSFORMER))
    longest = LIMITS.positions
    source = np.full((1, longest + 1), 4)
    with pytest.raises(DataError, match=rf"{longest + 1} tokens .* this model's {longest} learned"):
        model.start(source, np.array([longest + 1]))


def test_a_batch_too_large_for_its_scores_is_computed_in_parts(monkeypatch):
    model = numpy_model(TRANSFORMER, torch_model(TRANSFORMER))
    whole = model.forward(*batch())
    monkeypatch.setattr("seqcli.numpy_backend.forward.transformer_layers.MAX_SCORES", 200)
    np.testing.assert_allclose(model.forward(*batch()), whole, rtol=1e-12)


class MinimalTorchCell(TorchCell):
    """h' = h + f (tanh(a) - h)."""

    gates = 2

    def combine(self, inputs, recurrent, state):
        gate, new = (inputs + recurrent).chunk(2, 1)
        return (torch.lerp(state[0], torch.tanh(new), torch.sigmoid(gate)),)


class MinimalCell(Cell):
    """The same in NumPy."""

    gates = 2

    def combine(self, inputs, recurrent, state):
        gate, new = np.split(inputs + recurrent, 2, axis=1)
        return (state[0] + (np.tanh(new) - state[0]) / (1 + np.exp(-gate)),)


class ScaledTorchAttention(TorchAttention):
    """energy = s (q . k) for the summed directions, before or after the step."""

    def __init__(self, hidden, directions):
        super().__init__(hidden, directions)
        self.scale = torch.nn.Linear(hidden, hidden)

    def project_queries(self, states):
        return self.scale(states)

    def project_keys(self, memory):
        return torch.stack(memory.chunk(self.directions, dim=2)).sum(0)


class ScaledAttention(Attention):
    """The same in NumPy."""

    def __init__(self, weights, hidden, directions):
        super().__init__(weights, hidden, directions)
        self.scale = weights.linear("scale", hidden, hidden)

    def project_queries(self, states):
        return self.scale(states)

    def project_keys(self, memory):
        return sum(np.split(memory, self.directions, axis=2))


class EarlyTorchAttention(ScaledTorchAttention):
    before_step: ClassVar[bool] = True


class EarlyAttention(ScaledAttention):
    before_step: ClassVar[bool] = True


@pytest.fixture
def outside(monkeypatch):
    """Register a cell and two attentions for PyTorch; return a function that adds NumPy's."""
    here = __name__
    monkeypatch.setitem(registry.CELLS, "minimal", f"{here}:MinimalTorchCell")
    monkeypatch.setitem(registry.ATTENTIONS, "scaled", f"{here}:ScaledTorchAttention")
    monkeypatch.setitem(registry.ATTENTIONS, "early", f"{here}:EarlyTorchAttention")

    def add_numpy():
        monkeypatch.setitem(registry.NUMPY_CELLS, "minimal", f"{here}:MinimalCell")
        monkeypatch.setitem(registry.NUMPY_ATTENTIONS, "scaled", f"{here}:ScaledAttention")
        monkeypatch.setitem(registry.NUMPY_ATTENTIONS, "early", f"{here}:EarlyAttention")

    return add_numpy


OUTSIDE = [
    replace(SMALL, cell="minimal"),
    replace(SMALL, cell="minimal", attention="additive"),
    replace(SMALL, attention="scaled"),
    replace(SMALL, attention="early", bidirectional=False),
]


@pytest.mark.parametrize("config", OUTSIDE, ids=lambda one: f"{one.cell}-{one.attention}")
def test_what_is_registered_for_torch_alone_is_refused(outside, config):
    kind, name = (
        ("cell", "minimal") if config.cell == "minimal" else ("attention", config.attention)
    )
    assert not has_forward(config)
    with pytest.raises(UsageError, match=f"no NumPy forward for {kind} '{name}'") as caught:
        numpy_model(config, torch_model(config))
    assert caught.value.hint == "use --backend torch"


@pytest.mark.parametrize("config", OUTSIDE, ids=lambda one: f"{one.cell}-{one.attention}")
def test_one_definition_and_one_line_add_a_numpy_forward(outside, config):
    outside()
    assert has_forward(config)
    model = torch_model(config)
    ours = numpy_model(config, model).forward(*batch())
    for kind in MODES:
        with mode(kind):
            theirs = model(*map(torch.from_numpy, batch()))
        np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", ["CELLS", "ATTENTIONS", "POSITIONS"])
def test_everything_that_comes_with_the_program_has_a_numpy_forward(kind):
    assert getattr(registry, f"NUMPY_{kind}").keys() == getattr(registry, kind).keys()
