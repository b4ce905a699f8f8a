"""Student's t and the beta distribution against values of SciPy 1.17 and of printed tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
from thorough import mostly_slow

from seqcli.statistics import (
    EXACT,
    SHARE,
    beta_quantile,
    binomial_interval,
    incomplete_beta,
    mean_interval,
    rate_interval,
    share_interval,
    share_method,
    t_p_value,
    t_quantile,
)


@pytest.mark.parametrize(
    ("p", "df", "t"),
    [
        (0.05, 1, 12.706204736),
        (0.05, 2, 4.3026527297),
        (0.05, 10, 2.2281388520),
        (0.01, 30, 2.7499956536),
        (0.05, 1e9, 1.9599639845),
        (0.5, 3, 0.7648923284),
    ],
)
def test_quantiles_of_students_t(p, df, t):
    assert t_quantile(p, df) == pytest.approx(t, rel=1e-8)
    assert t_p_value(t, df) == pytest.approx(p, rel=1e-8)
    assert t_p_value(-t, df) == pytest.approx(p, rel=1e-8)


@pytest.mark.parametrize("df", [1, 1.3, 2.7, 4, 16.4, 72, 999.5, 5e4])
@pytest.mark.parametrize("p", [0.9, 0.05, 0.0083, 1e-7])
def test_quantile_and_p_value_undo_each_other(p, df):
    assert t_p_value(t_quantile(p, df), df) == pytest.approx(p, rel=1e-8)


def test_two_degrees_of_freedom_have_a_closed_form():
    for t in (0.1, 1.0, 5.0, 40.0):
        assert t_p_value(t, 2) == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)


def test_the_beta_distribution_of_whole_numbers_is_a_binomial_sum():
    """I_x(a, b) is the chance of a or more hits in a + b - 1 trials of chance x."""
    for a, b, x in ((1, 1, 0.3), (3, 7, 0.2), (40, 12, 0.8), (1, 50, 0.01)):
        trials = a + b - 1
        hits = sum(
            math.comb(trials, k) * x**k * (1 - x) ** (trials - k) for k in range(a, trials + 1)
        )
        assert incomplete_beta(a, b, x) == pytest.approx(hits, rel=1e-10)
        assert beta_quantile(hits, a, b) == pytest.approx(x, rel=1e-9)
    assert incomplete_beta(2, 3, 0) == 0
    assert incomplete_beta(2, 3, 1) == 1


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


@pytest.mark.parametrize("chance", mostly_slow([0.5, 0.8, 0.95, 0.99], 3))
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
