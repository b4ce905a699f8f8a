"""What every model must do, whatever it is built of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from thorough import mostly_slow
from torch import Tensor

from seqcli.config import ModelConfig
from seqcli.config.sections import describe
from seqcli.data.vocabulary import PAD
from seqcli.errors import DataError, UsageError
from seqcli.models import kernels
from seqcli.models.base import Model
from seqcli.models.build import build

SMALL = ModelConfig(hidden=8, embedding=6, heads=2, feedforward=16, layers=2, dropout=0.0)
RECURRENT = [
    replace(SMALL, cell=cell, attention=attention, bidirectional=both, bridge=bridge, layers=layers)
    for cell in ("rnn", "gru", "lstm")
    for attention in ("none", "additive", "dot", "general", "monotonic")
    for both, bridge, layers in ((True, True, 2), (False, False, 1), (True, False, 1))
    if cell == "gru" or layers == 2
]
RECURRENT += [
    replace(one, feed_context=True)
    for one in RECURRENT
    if one.attention == "none" and one.cell != "rnn"
]
TRANSFORMERS = [
    replace(SMALL, cell="transformer", positions=positions, norm=norm)
    for positions in ("sinusoidal", "learned", "rotary", "none")
    for norm in ("pre", "post")
]
TRANSFORMERS += [
    replace(one, convolution=3, mark_ends=True)
    if one.norm == "pre"
    else replace(one, convolution=5)
    for one in TRANSFORMERS
]
TRANSFORMERS += [replace(one, continue_positions=True) for one in TRANSFORMERS if one.norm == "pre"]
TIED = [
    replace(SMALL, attention="none", hidden=6, layers=1, tied_embeddings=True),
    replace(SMALL, attention="additive", tied_embeddings=True),
    replace(SMALL, cell="transformer", tied_embeddings=True),
]
NORMALIZED = [
    replace(SMALL, cell="lstm", attention="additive", layer_norm=True),
    replace(SMALL, cell="rnn", attention="dot", layers=1, layer_norm=True),
]
COPYING = [
    *(
        replace(one, copy=True)
        for one in RECURRENT
        if one.attention not in ("none", "monotonic") and one.layers == 2
    ),
    *(replace(SMALL, cell="transformer", norm=norm, copy=True) for norm in ("pre", "post")),
]
EVERY = [*RECURRENT, *TRANSFORMERS, *COPYING, *TIED, *NORMALIZED]
COPY_IDS = [PAD, PAD, PAD, PAD, 5, PAD, 9, 4, 11, PAD, 7]  # the target ids of 11 source ids
LENGTHS = torch.tensor([5, 3, 1, 4])


@pytest.fixture(params=kernels.MODES, autouse=True)
def mode(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run every test with kernels and without."""
    with kernels.using(request.param):
        yield request.param


def name(config: ModelConfig) -> str:
    extra = ("-bridge" if config.bridge else "") + ("-on" if config.continue_positions else "")
    extra += "-tied" if config.tied_embeddings else ""
    extra += "-norm" if config.layer_norm else ""
    extra += "-ends" if config.mark_ends else ""
    return describe(config).replace(" ", "-") + extra


def made(config: ModelConfig) -> tuple[Model, Tensor, Tensor]:
    """Return a model and a batch of sources (4, 5) and targets (4, 6), padded with zeros."""
    torch.manual_seed(1)
    model = build(config, 11, 12, max_length=20, copy_ids=COPY_IDS).eval()
    source = torch.randint(4, 11, (4, 5))
    source[torch.arange(5) >= LENGTHS[:, None]] = 0
    return model, source, torch.randint(4, 12, (4, 6))


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_steps_give_what_forward_gives(config: ModelConfig) -> None:
    model, source, target = made(config)
    logits = model(source, LENGTHS, target)
    state = model.start(source, LENGTHS)
    for t in range(target.shape[1]):
        step, state = model.step(target[:, t], state)
        torch.testing.assert_close(step, logits[:, t], atol=2e-6, rtol=1e-5)
    assert state.position == target.shape[1]


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_padding_changes_nothing(config: ModelConfig) -> None:
    model, source, target = made(config)
    together = model(source, LENGTHS, target)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(source[row : row + 1, :length], LENGTHS[row : row + 1], target[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_no_position_sees_the_target_after_it(config: ModelConfig) -> None:
    model, source, target = made(config)
    changed = target.clone()
    changed[:, 3:] = (changed[:, 3:] - 3) % 8 + 4
    before, after = model(source, LENGTHS, target), model(source, LENGTHS, changed)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_select_and_reorder_take_rows_along(config: ModelConfig) -> None:
    model, source, target = made(config)
    state = model.start(source, LENGTHS)
    _, state = model.step(target[:, 0], state)
    index = torch.tensor([2, 0, 0])
    expected, _ = model.step(target[:, 1], state)
    picked, _ = model.step(target[index, 1], state.select(index))
    torch.testing.assert_close(picked, expected[index], atol=2e-6, rtol=1e-5)
    swapped = state.reorder(torch.tensor([0, 1, 2, 3]), 1)
    again, _ = model.step(target[:, 1], swapped)
    torch.testing.assert_close(again, expected)


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_every_weight_learns(config: ModelConfig) -> None:
    model, source, target = made(config)
    model(source, LENGTHS, target).square().sum().backward()
    idle = [key for key, weight in model.named_parameters() if weight.grad is None]
    assert not idle


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_attention_is_a_distribution_over_the_symbols(config: ModelConfig) -> None:
    model, source, target = made(config)
    _, state = model.step(target[:, 0], model.start(source, LENGTHS))
    if config.cell != "transformer" and config.attention == "none":
        assert state.attention is None
        return
    assert state.attention is not None
    torch.testing.assert_close(state.attention.sum(1), torch.ones(4))
    assert (state.attention[torch.arange(5) >= LENGTHS[:, None]] == 0).all()


def test_learned_positions_refuse_what_is_too_long() -> None:
    model, _, target = made(replace(SMALL, cell="transformer", positions="learned"))
    with pytest.raises(DataError, match="21 tokens is longer than this model's 20 learned"):
        model(torch.full((1, 21), 4), torch.tensor([21]), target[:1])


@pytest.mark.parametrize("positions", ["sinusoidal", "rotary", "none"])
def test_other_positions_take_any_length(positions: str) -> None:
    model, _, target = made(replace(SMALL, cell="transformer", positions=positions))
    assert model(torch.full((1, 300), 4), torch.tensor([300]), target[:1]).isfinite().all()


def test_a_transformer_takes_no_attention_option() -> None:
    with pytest.raises(UsageError, match="attention already"):
        build(replace(SMALL, cell="transformer", attention="dot"), 9, 9, 9)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "transformer"])
def test_orthogonal_blocks_are_orthogonal(cell: str) -> None:
    config = replace(SMALL, cell=cell, init="orthogonal", layers=1, embedding=8)
    model = build(config, 9, 9, 9)
    blocks = 0
    for key, weight in model.named_parameters():
        if "weight_hh" in key or key.endswith("self_attention.query.weight"):
            for block in weight.chunk(weight.shape[0] // 8):
                torch.testing.assert_close(block @ block.T, torch.eye(8), atol=1e-5, rtol=0)
                blocks += 1
    assert blocks


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_input_weights_of_any_size_are_orthogonal_gate_by_gate(cell: str) -> None:
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    for attention in ("none", "additive"):
        config = replace(SMALL, cell=cell, attention=attention, layers=1, embedding=24)
        config = replace(config, init="orthogonal")
        weights = dict(build(config, 9, 9, 9).named_parameters())
        inputs = [
            weight
            for key, weight in weights.items()
            if key.endswith(("weight_ih_l0", "from_input.weight"))
        ]
        assert len(inputs) == 2
        for weight in inputs:
            for block in weight.chunk(gates):
                torch.testing.assert_close(block @ block.T, torch.eye(8), atol=1e-5, rtol=0)


def test_a_feedforward_layer_has_no_gates() -> None:
    config = replace(SMALL, cell="transformer", init="orthogonal", hidden=8, feedforward=32)
    for key, weight in build(config, 9, 9, 9).named_parameters():
        if weight.shape == (32, 8):
            torch.testing.assert_close(weight.T @ weight, torch.eye(8), atol=1e-5, rtol=0, msg=key)


def test_rotary_attention_knows_only_distances() -> None:
    from seqcli.models.positions import Rotary

    torch.manual_seed(0)
    turn = Rotary(8, 8, 0).rotated
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)
    near = (turn(query, 7) * turn(key, 5)).sum()
    far = (turn(query, 107) * turn(key, 105)).sum()
    torch.testing.assert_close(near, far, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(near, (turn(query, 7) * turn(key, 6)).sum(), atol=1e-3)


def test_rotary_attention_to_the_source_knows_where_the_decoder_is() -> None:
    """Without self-attention and other positions, only attention to the source can tell."""
    config = replace(SMALL, cell="transformer", positions="rotary", layers=1)
    model, source, _ = made(config)
    for layer in (*model.encoder, *model.decoder):
        layer.self_attention.output.weight.data.zero_()
    target = torch.full((1, 3), 4)
    logits = model(source[:1], LENGTHS[:1], target)
    assert not torch.allclose(logits[0, 0], logits[0, 1], atol=1e-3)
    assert not torch.allclose(logits[0, 1], logits[0, 2], atol=1e-3)


@pytest.mark.parametrize("config", mostly_slow(EVERY, 2), ids=name)
def test_answers_side_by_side_are_as_if_each_were_alone(config: ModelConfig) -> None:
    model, source, target = made(config)
    alone = [model.step(target[:, t], model.start(source, LENGTHS)) for t in (0, 1)]
    wide = model.start(source, LENGTHS).reorder(torch.arange(4).repeat_interleave(2), 2)
    both, state = model.step(target[:, :2].flatten(), wide)
    for k, (logits, _) in enumerate(alone):
        torch.testing.assert_close(both[k::2], logits, atol=2e-6, rtol=1e-5)
    swapped = state.reorder(torch.tensor([1, 0, 3, 2, 5, 4, 7, 6]), 2).select(torch.tensor([3, 1]))
    again, _ = model.step(target[[3, 3, 1, 1], 2], swapped)
    for k, (_, before) in enumerate(reversed(alone)):
        logits, _ = model.step(target[:, 2], before)
        torch.testing.assert_close(again[k::2], logits[[3, 1]], atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "none"])
def test_the_order_of_the_source_matters(positions: str) -> None:
    model, source, target = made(replace(SMALL, cell="transformer", positions=positions))
    before = model(source[:1], LENGTHS[:1], target[:1])
    after = model(source[:1].flip(1), LENGTHS[:1], target[:1])
    assert not torch.allclose(before, after, atol=1e-3)
