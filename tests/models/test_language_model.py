"""Language models keep the contract of every model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.config import ModelConfig
from seqcli.config.sections import describe
from seqcli.errors import DataError, UsageError
from seqcli.models.base import Model
from seqcli.models.build import build

SMALL = ModelConfig(hidden=8, heads=2, feedforward=16, layers=2, dropout=0.0)
RECURRENT = [
    replace(SMALL, cell=cell, layers=layers) for cell in ("rnn", "gru", "lstm") for layers in (1, 2)
]
TRANSFORMERS = [
    replace(SMALL, cell="transformer", positions=positions, norm=norm)
    for positions in ("sinusoidal", "learned", "rotary", "none")
    for norm in ("pre", "post")
]
EVERY = [*RECURRENT, *TRANSFORMERS]
VOCABULARY, ROWS = 12, 4
NONE = torch.zeros(ROWS, 0, dtype=torch.int64)
ZEROS = torch.zeros(ROWS, dtype=torch.int64)


def name(config: ModelConfig) -> str:
    return describe(config, language=True).replace(" ", "-")


def made(config: ModelConfig) -> tuple[Model, Tensor]:
    """Return a model and a batch of targets (4, 6)."""
    torch.manual_seed(1)
    model = build(config, None, VOCABULARY, max_length=20).eval()
    return model, torch.randint(4, VOCABULARY, (ROWS, 6))


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_steps_give_what_forward_gives(config: ModelConfig) -> None:
    model, target = made(config)
    logits = model(NONE, ZEROS, target)
    assert logits.shape == (ROWS, 6, VOCABULARY)
    state = model.start(NONE, ZEROS)
    for t in range(target.shape[1]):
        step, state = model.step(target[:, t], state)
        torch.testing.assert_close(step, logits[:, t], atol=2e-6, rtol=1e-5)
    assert state.position == target.shape[1]
    assert state.attention is None


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_padding_and_neighbors_change_nothing(config: ModelConfig) -> None:
    model, target = made(config)
    together = model(NONE, ZEROS, target)
    for row, length in enumerate((6, 3, 1, 4)):
        alone = model(NONE[:1], ZEROS[:1], target[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[row, :length], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_no_position_sees_the_symbols_after_it(config: ModelConfig) -> None:
    model, target = made(config)
    changed = target.clone()
    changed[:, 3:] = (changed[:, 3:] - 3) % 8 + 4
    before, after = model(NONE, ZEROS, target), model(NONE, ZEROS, changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_select_takes_rows_along(config: ModelConfig) -> None:
    model, target = made(config)
    _, state = model.step(target[:, 0], model.start(NONE, ZEROS))
    index = torch.tensor([2, 0, 0])
    expected, _ = model.step(target[:, 1], state)
    picked, _ = model.step(target[index, 1], state.select(index))
    torch.testing.assert_close(picked, expected[index], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("config", EVERY, ids=name)
def test_every_weight_learns(config: ModelConfig) -> None:
    model, target = made(config)
    model(NONE, ZEROS, target).square().sum().backward()
    assert not [key for key, weight in model.named_parameters() if weight.grad is None]


def test_recurrent_weights_have_the_names_that_both_backends_know() -> None:
    model, _ = made(replace(SMALL, cell="lstm", layers=1))
    shapes = {key: tuple(weight.shape) for key, weight in model.state_dict().items()}
    assert shapes == {
        "rnn.layer.weight_ih_l0": (32, VOCABULARY),
        "rnn.layer.weight_hh_l0": (32, 8),
        "rnn.layer.bias_ih_l0": (32,),
        "rnn.layer.bias_hh_l0": (32,),
        "output.weight": (VOCABULARY, 8),
        "output.bias": (VOCABULARY,),
    }


def test_a_plain_rnn_computes_what_the_formula_says() -> None:
    model, target = made(replace(SMALL, cell="rnn", layers=1))
    w = model.state_dict()
    state = torch.zeros(ROWS, 8)
    for t in range(3):
        x = F.one_hot(target[:, t], VOCABULARY).float()
        inputs = x @ w["rnn.layer.weight_ih_l0"].T + w["rnn.layer.bias_ih_l0"]
        kept = state @ w["rnn.layer.weight_hh_l0"].T + w["rnn.layer.bias_hh_l0"]
        state = torch.tanh(inputs + kept)
    expected = state @ w["output.weight"].T + w["output.bias"]
    torch.testing.assert_close(model(NONE, ZEROS, target)[:, 2], expected)


def test_dropout_is_for_training_only() -> None:
    model, target = made(replace(SMALL, cell="gru", layers=1, dropout=0.5))
    torch.testing.assert_close(model(NONE, ZEROS, target), model(NONE, ZEROS, target))
    model.train()
    assert not torch.equal(model(NONE, ZEROS, target), model(NONE, ZEROS, target))


def test_learned_positions_refuse_what_is_too_long() -> None:
    model, _ = made(replace(SMALL, cell="transformer", positions="learned"))
    with pytest.raises(DataError, match="21 tokens is longer than this model's 20 learned"):
        model(NONE[:1], ZEROS[:1], torch.full((1, 21), 4))


def test_a_language_model_takes_no_attention_option() -> None:
    with pytest.raises(UsageError, match="no source to attend to"):
        build(replace(SMALL, cell="gru", attention="additive"), None, 9, 9)


def test_a_recurrent_language_model_has_no_embeddings_to_tie() -> None:
    with pytest.raises(UsageError, match="no embeddings"):
        build(replace(SMALL, tied_embeddings=True), None, VOCABULARY, 20)


def test_sizes_of_makemore() -> None:
    wide = ModelConfig(cell="transformer", hidden=64, layers=4, heads=4, feedforward=256)
    model = build(wide, None, 30, 20)
    assert sum(weight.numel() for weight in model.parameters()) == 203_934
