"""Searches against every name there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from seqcli.data.vocabulary import BOS, EOS
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.language_model import log_probabilities
from seqcli.numpy_backend.parameters import initialize_parameters
from seqcli.numpy_backend.recurrence import pack
from seqcli.numpy_backend.searching import beam_search, greedy

V, LIMIT = 7, 3


def network(cell):
    parameters = initialize_parameters(np.random.default_rng(3), V, 6, CELLS[cell].gates)
    return {name: 4 * array.astype(np.float64) for name, array in parameters.items()}, CELLS[cell]


def score(name, parameters, cell):
    row = pack(np.array([[BOS, *name]]), np.array([[*name, EOS]]), np.array([len(name) + 1]))
    return float(log_probabilities(row, parameters, cell)[0])


@pytest.mark.parametrize("prefix", [[], [5]])
@pytest.mark.parametrize("cell", sorted(CELLS))
def test_a_wide_beam_finds_the_likeliest_names_in_order(cell, prefix):
    network_ = network(cell)
    names = [list(n) for size in range(LIMIT + 1) for n in product(range(4, V), repeat=size)]
    names = [name for name in names if name[: len(prefix)] == prefix]
    ranked = sorted(names, key=lambda name: -score(name, *network_))
    found = beam_search(*network_, prefix, LIMIT, 27)
    assert found == ranked[: len(found)]
    assert len(found) == min(27, len(names))


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_greedy_is_a_beam_of_one_where_that_ends_of_itself(cell):
    network_ = network(cell)
    (name,) = beam_search(*network_, [], 8, 1)
    assert name[: len(greedy(*network_, [], 8))] == greedy(*network_, [], 8)[: len(name)]
    assert len(greedy(*network_, [4, 4], 2)) == 2
