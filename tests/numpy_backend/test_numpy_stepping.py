"""The lesson's model token by token, decoded with NumPy arrays and compared with every name."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from seqcli.config.sections import SamplingConfig
from seqcli.data.vocabulary import BOS, EOS
from seqcli.decoding.loop import PrefixedModel
from seqcli.decoding.search import Search, next_token_probabilities, sample, search
from seqcli.numpy_backend.cells import CELLS, pack
from seqcli.numpy_backend.language_model import SteppedModel, log_probabilities
from seqcli.numpy_backend.parameters import initialize_parameters

V, LIMIT = 7, 3
NAMES = [list(name) for size in range(LIMIT + 1) for name in product(range(4, V), repeat=size)]


def network(cell):
    parameters = initialize_parameters(np.random.default_rng(3), V, 6, CELLS[cell].gates)
    return {name: 4 * array.astype(np.float64) for name, array in parameters.items()}, CELLS[cell]


def no_sources(n):
    return np.zeros((n, 0), np.int64), np.zeros(n, np.int64)


def score(name, parameters, cell):
    """Return the log-probability of a name by the forward pass of training."""
    row = pack(np.array([[BOS, *name]]), np.array([[*name, EOS]]), np.array([len(name) + 1]))
    return float(log_probabilities(row, parameters, cell)[0])


@pytest.mark.parametrize("prefix", [[], [5]])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_wide_beam_finds_the_likeliest_names_in_order(cell, prefix):
    parameters, kind = network(cell)
    model = PrefixedModel(SteppedModel(parameters, kind), prefix)
    names = [name for name in NAMES if name[: len(prefix)] == prefix]
    ranked = sorted(names, key=lambda name: -score(name, parameters, kind))
    limit = LIMIT - len(prefix)
    (found,) = search(model, *no_sources(1), limit, Search(27, 0.0, 27))
    assert [[*prefix, *one.ids] for one in found] == ranked[: len(found)]
    assert len(found) == min(27, len(names))


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_the_best_name_alone_is_the_first_of_several(cell):
    model = SteppedModel(*network(cell))
    ((alone,),) = search(model, *no_sources(1), 8, Search(5))
    ((first, *_),) = search(model, *no_sources(1), 8, Search(5, nbest=5))
    assert alone.ids == first.ids
    assert alone.log_probability == pytest.approx(first.log_probability)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_steps_add_up_to_the_log_probability_of_a_name(cell):
    parameters, kind = network(cell)
    name, model = [4, 6, 5], SteppedModel(parameters, kind)
    total = 0.0
    state = model.start(*no_sources(1))
    for token, following in zip([BOS, *name], [*name, EOS], strict=True):
        logits, state = model.step(np.array([token]), state)
        total += float((logits - np.log(np.exp(logits).sum()))[0, following])
    assert total == pytest.approx(score(name, parameters, kind), rel=1e-12)


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_drawn_names_have_the_models_distribution(cell):
    model, count = SteppedModel(*network(cell)), 20_000
    random = np.random.default_rng(1)
    drawn = [one.ids for one in sample(model, *no_sources(count), 2, SamplingConfig(), random)]
    for first in range(4, V):
        after = next_token_probabilities(
            PrefixedModel(model, [first]), no_sources(1)[0], SamplingConfig()
        )
        begun = [name for name in drawn if name[0:1] == [first]]
        for token in (EOS, 4, 5, 6):
            name = [first] if token == EOS else [first, token]
            assert begun.count(name) / len(begun) == pytest.approx(after[token], abs=0.035)
