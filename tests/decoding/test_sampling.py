"""Sampling: exact distributions, prefixes, maximum lengths, seeds."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from seqcli.config import ModelConfig
from seqcli.config.sections import SamplingConfig
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.decoding.loop import PrefixedModel, StepModel, next_scores
from seqcli.decoding.search import Search, next_token_probabilities, sample, search
from seqcli.decoding.strategies import draw, keep_likeliest, probabilities
from seqcli.errors import UsageError
from seqcli.models.base import Model
from seqcli.models.build import build

V, LIMIT = 7, 3  # three data tokens: 4, 5, 6
TOKENS = (4, 5, 6)
CELLS = ["rnn", "lstm", "transformer"]
LOGITS = np.log([[0.9, 0.9, 0.1, 0.9, 0.4, 0.2, 0.3]])  # PAD, BOS, EOS, UNK, three tokens


def made(cell: str, seed: int = 0) -> Model:
    torch.manual_seed(seed)
    config = ModelConfig(cell=cell, hidden=8, heads=2, feedforward=16, dropout=0.0)
    model = build(config, None, V, max_length=30).eval()
    for weight in model.parameters():
        weight.data *= 3  # far from uniform
    return model.requires_grad_(False)


def no_sources(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(rows, 0, dtype=torch.int64), torch.zeros(rows, dtype=torch.int64)


def drawn(
    model: StepModel,
    rows: int,
    limit: int = LIMIT,
    settings: SamplingConfig | None = None,
    seed: int = 0,
) -> list[list[int]]:
    random = np.random.default_rng(seed)
    texts = sample(model, *no_sources(rows), limit, settings or SamplingConfig(), random)
    return [one.ids for one in texts]


def distributions(model: Model, text: Sequence[int], settings: SamplingConfig) -> np.ndarray:
    """Return the distribution (T + 1, V) after each beginning of a text, from one forward pass."""
    logits = model(*no_sources(1), torch.tensor([[BOS, *text]]))[0]
    return probabilities(next_scores(logits).numpy(), settings)


def exact(model: Model, settings: SamplingConfig) -> dict[tuple[int, ...], float]:
    """Return the probability of every text of up to LIMIT tokens (truncated there)."""
    found: dict[tuple[int, ...], float] = {}
    for length in range(LIMIT + 1):
        texts = list(itertools.product(TOKENS, repeat=length))
        target = torch.tensor([[BOS, *text] for text in texts])
        logits = model(*no_sources(len(texts)), target)
        for text, scores in zip(texts, next_scores(logits).numpy(), strict=True):
            steps = probabilities(scores, settings)
            chance = float(np.prod([steps[t, token] for t, token in enumerate(text)]))
            found[text] = chance * (float(steps[length, EOS]) if length < LIMIT else 1.0)
    return found


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "settings", [SamplingConfig(), SamplingConfig(0.7), SamplingConfig(2.0, top_k=2, top_p=0.9)]
)
def test_texts_are_as_frequent_as_the_model_says(cell: str, settings: SamplingConfig) -> None:
    model, rows = made(cell), 5_000
    expected = exact(model, settings)
    assert abs(sum(expected.values()) - 1) < 1e-5
    counts = dict.fromkeys(expected, 0)
    for text in drawn(model, rows, settings=settings):
        counts[tuple(text)] += 1
    for text, chance in expected.items():
        spread = 4.5 * np.sqrt(chance * (1 - chance) / rows) + 4 / rows
        assert abs(counts[text] / rows - chance) <= spread, text


def weights(**settings: float) -> list[float]:
    """Return the distribution over EOS and the three data tokens."""
    scores = next_scores(LOGITS)
    return probabilities(scores, SamplingConfig(**settings))[0, [EOS, 4, 5, 6]].tolist()


def test_special_ids_other_than_eos_are_never_drawn() -> None:
    plain = probabilities(next_scores(LOGITS), SamplingConfig())[0]
    assert plain[[PAD, BOS, UNK]].tolist() == [0, 0, 0]


def test_temperature_top_k_and_top_p() -> None:
    assert weights() == pytest.approx([0.1, 0.4, 0.2, 0.3])
    assert weights(top_k=2) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert weights(top_p=0.45) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert weights(top_p=0.3) == [0, 1, 0, 0]
    assert weights(top_k=99) == pytest.approx(weights())
    assert weights(temperature=1e-3) == pytest.approx([0, 1, 0, 0])
    assert weights(temperature=1e3) == pytest.approx([0.25] * 4, abs=1e-3)
    squares = np.square([0.1, 0.4, 0.2, 0.3])
    assert weights(temperature=0.5) == pytest.approx(list(squares / squares.sum()))


def test_draws_follow_the_distribution() -> None:
    even = np.tile([[0.1, 0.0, 0.6, 0.3]], (40_000, 1))
    shares = np.bincount(draw(even, np.random.default_rng(0)), minlength=4) / len(even)
    assert shares == pytest.approx([0.1, 0, 0.6, 0.3], abs=0.01)


def test_top_k_keeps_exactly_k_of_equals() -> None:
    kept = keep_likeliest(np.full((2, 4), 0.25), top_k=3, top_p=1.0)
    assert (kept > 0).sum(axis=1).tolist() == [3, 3]


def test_a_tiny_top_p_keeps_one() -> None:
    kept = keep_likeliest(np.array([[0.1, 0.6, 0.3]]), top_k=0, top_p=1e-3)
    assert (kept > 0).tolist() == [[False, True, False]]


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
    longer = PrefixedModel(model, prefix)
    expected = distributions(model, prefix, SamplingConfig())[-1]
    after = next_token_probabilities(longer, no_sources(1)[0], SamplingConfig())
    np.testing.assert_allclose(after, expected, atol=1e-6)
    firsts = [(text or [EOS])[0] for text in drawn(longer, 5000)]
    shares = np.bincount(firsts, minlength=V) / 5000
    np.testing.assert_allclose(shares, expected, atol=0.03)


def best_greedy(model: Model, prefix: Sequence[int]) -> list[int]:
    text = list(prefix)
    while len(text) < len(prefix) + LIMIT:
        token = int(distributions(model, text, SamplingConfig())[-1].argmax())
        if token == EOS:
            break
        text.append(token)
    return text[len(prefix) :]


def log_probability(model: Model, text: Sequence[int]) -> float:
    steps = distributions(model, text, SamplingConfig())
    return float(np.log([steps[t, token] for t, token in enumerate([*text, EOS])]).sum())


@pytest.mark.parametrize("cell", CELLS)
def test_searches_continue_a_prefix_too(cell: str) -> None:
    model, prefix = made(cell), [6]
    longer = PrefixedModel(model, prefix)
    ((greedy,),) = search(longer, *no_sources(1), LIMIT, Search())
    assert greedy.ids == best_greedy(model, prefix)
    ((first, *_),) = search(longer, *no_sources(1), LIMIT, Search(64, 0.0, 3))
    texts = [text for n in range(LIMIT + 1) for text in itertools.product(TOKENS, repeat=n)]
    best = max(texts, key=lambda text: log_probability(model, [*prefix, *text]))
    assert tuple(first.ids) == best


def test_a_seed_draws_the_same_again_and_touches_nothing_else() -> None:
    model = made("rnn")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = drawn(model, 50, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    assert drawn(model, 50, seed=3) == first
    assert drawn(model, 50, seed=4) != first


def test_texts_are_truncated_at_the_limit() -> None:
    model = made("rnn")
    model.get_parameter("output.bias")[EOS] = -1e9
    assert {len(text) for text in drawn(model, 20, limit=9)} == {9}
    assert drawn(model, 3, limit=0) == [[], [], []]


def test_no_rows_give_no_texts() -> None:
    assert drawn(made("rnn"), 0) == []
