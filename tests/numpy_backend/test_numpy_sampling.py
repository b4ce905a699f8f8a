from __future__ import annotations

import numpy as np
import pytest

from seqcli.config.sections import Drawing
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.functional import softmax
from seqcli.numpy_backend.language_model import log_probabilities
from seqcli.numpy_backend.parameters import initialize_parameters
from seqcli.numpy_backend.recurrence import pack
from seqcli.numpy_backend.sampling import draw, keep_likeliest, read_prefix, sample

V = 7


def network(cell, seed=0):
    rng = np.random.default_rng(seed)
    parameters = initialize_parameters(rng, V, 6, CELLS[cell].gates, np.float64)
    return {name: 4 * array for name, array in parameters.items()}, CELLS[cell]


def shares(logits, n=40_000, **how):
    token = draw(np.tile(logits, (n, 1)), np.random.default_rng(0), Drawing(**how))
    return np.bincount(token, minlength=len(logits)) / n


LOGITS = np.log([9.0, 9.0, 0.2, 9.0, 0.4, 0.3, 0.1])  # PAD, BOS, EOS, UNK, three symbols


def test_draws_follow_the_softmax_without_the_symbols_no_name_holds():
    np.testing.assert_allclose(shares(LOGITS), [0, 0, 0.2, 0, 0.4, 0.3, 0.1], atol=0.01)


def test_temperature_sharpens():
    expected = np.array([0, 0, 0.2, 0, 0.4, 0.3, 0.1]) ** 2
    np.testing.assert_allclose(
        shares(LOGITS, temperature=0.5), expected / expected.sum(), atol=0.01
    )


@pytest.mark.parametrize("how", [{"temperature": 1e-3}, {"top_k": 1}])
def test_cold_is_greedy(how):
    assert shares(LOGITS, **how)[4] == 1.0


def test_top_k_and_top_p():
    np.testing.assert_allclose(shares(LOGITS, top_k=2)[4:6], [4 / 7, 3 / 7], atol=0.01)
    np.testing.assert_allclose(shares(LOGITS, top_p=0.5)[4:6], [4 / 7, 3 / 7], atol=0.01)
    assert shares(LOGITS, top_p=0.39)[4] == 1.0
    np.testing.assert_allclose(shares(LOGITS, top_k=1000), shares(LOGITS))


def test_keep_likeliest_keeps_exactly_k_of_equals():
    kept = keep_likeliest(np.full((2, 4), 0.25), top_k=3, top_p=1.0)
    assert (kept > 0).sum(axis=1).tolist() == [3, 3]


def test_a_tiny_top_p_keeps_one():
    kept = keep_likeliest(np.array([[0.1, 0.6, 0.3]]), top_k=0, top_p=1e-3)
    assert (kept > 0).tolist() == [[False, True, False]]


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_first_two_symbols_have_the_models_distribution(cell):
    """Names drawn from the cached state come as often as scoring them from scratch says."""
    parameters, cell_ = network(cell)
    n = 20_000
    names = sample(parameters, cell_, np.random.default_rng(1), n, max_length=2)
    drawn = [tuple(names[i].tolist()) for i in range(n)]
    allowed = [s for s in range(V) if s not in (PAD, BOS, UNK)]
    for first in range(4, V):
        after = softmax(read_prefix([first], 1, parameters, cell_)[1])[0, allowed]
        begun = [name for name in drawn if name[0:1] == (first,)]
        for p, symbol in zip(after / after.sum(), allowed, strict=True):
            ended = (first,) if symbol == EOS else (first, symbol)
            assert begun.count(ended) / len(begun) == pytest.approx(p, abs=0.035)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_reading_a_prefix_agrees_with_scoring(cell):
    parameters, cell_ = network(cell)
    name = [4, 6, 5]
    steps = [softmax(read_prefix(name[:i], 1, parameters, cell_)[1])[0] for i in range(4)]
    expected = sum(np.log(p[t]) for p, t in zip(steps, [*name, EOS], strict=True))
    batch = pack(np.array([[BOS, *name]]), np.array([[*name, EOS]]), np.array([4]))
    assert log_probabilities(batch, parameters, cell_)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_sample(cell):
    parameters, cell_ = network(cell)

    def names(seed, **how):
        drawn = sample(parameters, cell_, np.random.default_rng(seed), 50, **how)
        return [drawn[i].tolist() for i in range(len(drawn))]

    assert names(3) == names(3)
    assert names(3) != names(4)
    begun = names(3, prefix=[5, 4], max_length=6)
    assert len(begun) == 50
    assert all(name[:2] == [5, 4] and len(name) <= 6 for name in begun)
    assert all(4 <= token < V for name in begun for token in name)
    assert len({tuple(name) for name in names(3, how=Drawing(top_k=1))}) == 1


def test_nothing_asked_nothing_given():
    parameters, cell = network("gru")
    assert len(sample(parameters, cell, np.random.default_rng(0), 0)) == 0
    full = sample(parameters, cell, np.random.default_rng(0), 2, prefix=[4, 5, 6], max_length=3)
    assert [full[i].tolist() for i in range(2)] == [[4, 5, 6]] * 2
