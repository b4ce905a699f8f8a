"""Sampling from a model: exact distributions, prefixes, cuts, seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.config import ModelConfig
from seqcli.config.sections import SamplingConfig
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.engine.beam_search import beam_search
from seqcli.engine.decoding import greedy
from seqcli.engine.sampling import (
    Continued,
    draw,
    log_probabilities,
    next_probabilities,
    no_sources,
    probabilities,
)
from seqcli.errors import UsageError
from seqcli.models.base import Model
from seqcli.models.build import build

CPU = torch.device("cpu")
V, LIMIT = 7, 3  # three data symbols: 4, 5, 6
CELLS = ["rnn", "lstm", "transformer"]


def made(cell: str, seed: int = 0) -> Model:
    torch.manual_seed(seed)
    config = ModelConfig(cell=cell, hidden=8, heads=2, feedforward=16, dropout=0.0)
    model = build(config, None, V, longest=30).eval()
    for weight in model.parameters():
        weight.data *= 3  # far from even
    return model.requires_grad_(False)


def drawn(
    model: Model, rows: int, limit: int = LIMIT, how: SamplingConfig | None = None, seed: int = 0
):
    source, lengths = no_sources(rows, CPU)
    generator = torch.Generator().manual_seed(seed)
    return draw(model, source, lengths, limit, how or SamplingConfig(), generator)


def exact(model: Model, how: SamplingConfig) -> dict[tuple[int, ...], float]:
    """Return the probability of every text of up to LIMIT symbols (cut there), step by step."""
    found: dict[tuple[int, ...], float] = {}
    for length in range(LIMIT + 1):
        for text in itertools.product((4, 5, 6), repeat=length):
            chance, fed = 1.0, [BOS, *text]
            logits = model(*no_sources(1, CPU), torch.tensor([fed]))[0]
            steps = probabilities(logits, how).double()
            for t, token in enumerate(text):
                chance *= float(steps[t, token])
            found[text] = chance * (float(steps[length, EOS]) if length < LIMIT else 1.0)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "how", [SamplingConfig(), SamplingConfig(0.7), SamplingConfig(2.0, top_k=2, top_p=0.9)]
)
def test_texts_come_as_often_as_the_model_says(cell: str, how: SamplingConfig) -> None:
    model, rows = made(cell), 20_000
    expected = exact(model, how)
    assert abs(sum(expected.values()) - 1) < 1e-5
    counts = dict.fromkeys(expected, 0)
    for text in drawn(model, rows, how=how):
        counts[tuple(text)] += 1
    for text, chance in expected.items():
        spread = 4.5 * np.sqrt(chance * (1 - chance) / rows) + 4 / rows
        assert abs(counts[text] / rows - chance) <= spread, text


def test_temperature_top_k_and_top_p() -> None:
    logits = torch.log(torch.tensor([[0.9, 0.9, 0.1, 0.9, 0.4, 0.2, 0.3]]))
    plain = probabilities(logits, SamplingConfig())[0]
    assert plain[[PAD, BOS, UNK]].tolist() == [0, 0, 0]
    torch.testing.assert_close(plain[[EOS, 4, 5, 6]], torch.tensor([0.1, 0.4, 0.2, 0.3]))
    torch.testing.assert_close(
        probabilities(logits, SamplingConfig(top_k=2))[0, 4:], torch.tensor([4 / 7, 0, 3 / 7])
    )
    torch.testing.assert_close(
        probabilities(logits, SamplingConfig(top_p=0.45))[0, 4:], torch.tensor([4 / 7, 0, 3 / 7])
    )
    assert probabilities(logits, SamplingConfig(top_p=0.3))[0].tolist() == [0, 0, 0, 0, 1, 0, 0]
    torch.testing.assert_close(probabilities(logits, SamplingConfig(top_k=99))[0], plain)
    cold = probabilities(logits, SamplingConfig(temperature=1e-3))[0]
    assert cold[4] == 1
    hot = probabilities(logits, SamplingConfig(temperature=1e3))[0]
    torch.testing.assert_close(hot[[EOS, 4, 5, 6]], torch.full((4,), 0.25), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"temperature": float("nan")}, {"top_k": -1}]
)
@pytest.mark.parametrize("more", [{"top_p": 0.0}, {"top_p": 1.5}])
def test_values_out_of_range_are_refused(wrong: dict[str, float], more: dict[str, float]) -> None:
    for values in (wrong, more):
        with pytest.raises(UsageError):
            SamplingConfig(**values)


@pytest.mark.parametrize("cell", CELLS)
def test_a_prefix_is_read_before_anything_is_drawn(cell: str) -> None:
    model, prefix = made(cell), [5, 4]
    longer = Continued(model, prefix)
    fed = torch.tensor([[BOS, *prefix]])
    wanted = probabilities(model(*no_sources(1, CPU), fed)[0, -1:], SamplingConfig())[0]
    found = next_probabilities(model, prefix, SamplingConfig())
    np.testing.assert_allclose(found, wanted.double().numpy(), atol=1e-6)
    firsts = [(text or [EOS])[0] for text in drawn(longer, 5000)]
    shares = np.bincount(firsts, minlength=V) / 5000
    np.testing.assert_allclose(shares, wanted.numpy(), atol=0.03)


@pytest.mark.parametrize("cell", CELLS)
def test_searches_go_on_from_a_prefix_too(cell: str) -> None:
    model, prefix = made(cell), [6]
    longer = Continued(model, prefix)
    best = greedy(longer, *no_sources(1, CPU), LIMIT)[0].ids
    text = list(prefix)
    while len(text) < LIMIT + 1:
        logits = model(*no_sources(1, CPU), torch.tensor([[BOS, *text]]))[0, -1:]
        token = int(probabilities(logits, SamplingConfig())[0].argmax())
        if token == EOS:
            break
        text.append(token)
    assert best == text[1:]
    ((first, *_),) = beam_search(longer, *no_sources(1, CPU), LIMIT, 64, 0.0, 3)
    rows = Ragged.from_rows(
        [
            [*prefix, *rest]
            for n in range(LIMIT + 1)
            for rest in itertools.product((4, 5, 6), repeat=n)
        ]
    )
    scores = log_probabilities(model, Pairs(rows), 64)
    assert rows[int(scores.argmax())].tolist() == [*prefix, *first.ids]


@pytest.mark.parametrize("cell", CELLS)
def test_log_probabilities_add_up_whatever_the_batches(cell: str) -> None:
    model = made(cell)
    rows = Ragged.from_rows([[4, 5, 6], [], [5], [6, 6, 6, 6], [4]])
    found = log_probabilities(model, Pairs(rows), 64)
    np.testing.assert_allclose(found, log_probabilities(model, Pairs(rows), 2), atol=1e-5)
    for row, score in enumerate(found):
        text: list[int] = rows[row].tolist()
        fed, said = torch.tensor([[BOS, *text]]), torch.tensor([[*text, EOS]])
        steps = torch.log_softmax(model(*no_sources(1, CPU), fed), 2).gather(2, said[:, :, None])
        assert abs(float(steps.sum()) - score) < 1e-4


def test_a_seed_draws_the_same_again_and_touches_nothing_else() -> None:
    model = made("rnn")
    torch.manual_seed(5)
    before: Tensor = torch.get_rng_state()
    first = drawn(model, 50, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert drawn(model, 50, seed=3) == first
    assert drawn(model, 50, seed=4) != first


def test_texts_are_cut_at_the_limit() -> None:
    model = made("rnn")
    with torch.no_grad():
        model.get_parameter("output.bias")[EOS] = -1e9
    assert {len(text) for text in drawn(model, 20, limit=9)} == {9}
    assert drawn(model, 3, limit=0) == [[], [], []]
