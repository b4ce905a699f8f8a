"""Intervals hold the true score as often as they say; see also `interval_coverage.py`."""

import numpy as np
import pytest

from seqcli.statistics.intervals import (
    EXACT,
    SHARE,
    binomial_interval,
    mean_interval,
    rate_interval,
    share_interval,
    share_method,
)


@pytest.mark.parametrize(
    ("right", "size", "low", "high"),
    [
        (0, 10, 0, 0.3084971),
        (10, 10, 0.6915029, 1),
        (8, 10, 0.4439045, 0.9747893),
        (999, 1000, 0.9944411, 0.9999747),
    ],
)
def test_clopper_pearson_against_known_values(right, size, low, high):
    assert binomial_interval(right, size) == pytest.approx((low, high), abs=2e-7)


def test_rows_of_their_own_get_the_exact_interval():
    right = (np.arange(50) % 5 > 0).astype(float)
    assert share_interval(right, np.ones(50)) == binomial_interval(40, 50)
    assert share_method(right, np.ones(50)) == EXACT
    assert share_method(right * 2, np.full(50, 2.0)) == SHARE


def test_sources_whose_rows_agree_count_about_once():
    right = (np.arange(60) % 5 > 0).astype(float)
    alone = share_interval(right, np.ones(60))
    together = share_interval(right * 20, np.full(60, 20.0))
    assert together == pytest.approx(alone, abs=0.01)


def test_no_errors_are_no_proof_of_perfection():
    of = np.full(30, 4.0)
    low, high = share_interval(of, of)
    assert 0.8 < low < 0.9
    assert high == 1
    low, high = rate_interval(of * 0, of)
    assert low == 0
    assert 0.05 < high < 0.2


def test_one_source_says_nothing_unless_it_is_one_row():
    several, row = np.array([4.0]), np.ones(1)
    for interval in (share_interval, rate_interval, mean_interval):
        assert interval(several - 1, several) is None
        assert interval(several * 0, several * 0) is None
    low, high = share_interval(row, row)
    assert (low, high) == pytest.approx((0.025, 1))


def test_a_loss_has_the_t_interval_of_its_mean():
    values = np.array([1.0, 2.0, 4.0, 5.0])  # mean 3, standard error 0.9129, t 3.1824
    assert mean_interval(values, np.ones(4)) == pytest.approx((0.0948, 5.9052), abs=1e-4)


@pytest.mark.parametrize("chance", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("rows", [1, 4])
def test_coverage_of_shares(chance, rows):
    """50 sources of one row or four; nominal 0.95, less four standard errors of 300 draws."""
    rng, held = np.random.default_rng(7), 0
    of = np.full(50, float(rows))
    for _ in range(300):
        chances = rng.beta(2 * chance, 2 * (1 - chance), 50)
        low, high = share_interval(rng.binomial(rows, chances).astype(float), of)
        held += low <= chance <= high
    assert held / 300 >= 0.95 - 4 * (0.95 * 0.05 / 300) ** 0.5
