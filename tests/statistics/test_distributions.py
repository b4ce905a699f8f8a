"""Student's t and the beta distribution against values of SciPy 1.17 and of printed tables."""

import math

import pytest

from seqcli.statistics.distributions import (
    beta_quantile,
    incomplete_beta,
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
