"""Differences are called significant at the stated level, and not where they are luck."""

from itertools import combinations

import numpy as np
import pytest

from seqcli.comparison.significance import (
    ArmScores,
    ScopeScores,
    difference,
    holm,
    pair_tests,
    significant_differences,
    ties,
)
from seqcli.metrics.metric import find


def drawn(rng, chances, seeds):
    """Return (S, N) of zeros and ones; ``chances`` (N,) is shared by the seeds."""
    return (rng.random((seeds, len(chances))) < chances).astype(float)


def compare(one, other, weights=None, clusters=None):
    rows = one.shape[1]
    weights = np.ones(rows) if weights is None else weights
    clusters = np.arange(rows) if clusters is None else clusters
    return difference(*(ArmScores.of(scores, weights, clusters) for scores in (one, other)))


def test_a_large_difference_is_found_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    hard = rng.random(400) * 0.2
    one, other = drawn(rng, 0.9 - hard, 3), drawn(rng, 0.5 - hard, 3)
    found = compare(one, other)
    assert found.p_value < 0.001
    assert found.low < 0.4 < found.high
    assert found.mean == pytest.approx(one.mean() - other.mean())
    turned = compare(other, one)
    assert (turned.mean, turned.low, turned.high) == pytest.approx(
        (-found.mean, -found.high, -found.low)
    )


@pytest.mark.parametrize(("clusters", "spread"), [(300, 0.0), (300, 0.02), (300, 0.3), (40, 0.02)])
def test_models_that_are_alike_are_seldom_called_different(clusters, spread):
    """Any of 6 pairs at nominal 5%: at most 0.07 over all, plus four standard errors."""
    rng, times, false = np.random.default_rng(1), 150, 0
    of_row = np.arange(300) % clusters
    for _ in range(times):
        easy = rng.beta(1.2, 0.8, clusters)
        arms = {}
        for arm in "abcd":
            seeds = np.clip(easy + rng.normal(0, spread, (3, 1)), 0, 1)
            arms[arm] = (rng.random((3, clusters)) < seeds).astype(float)[:, of_row]
        tests = pair_tests({"test": ScopeScores(arms, np.ones(300), of_row)})
        false += any(one.significant for one in tests)
    assert false / times <= 0.07 + 4 * (0.07 * 0.93 / times) ** 0.5


def test_a_true_difference_is_found_where_seeds_do_not_differ():
    """Three points of 1,000 rows at 90% and 3 seeds: a paired test over rows finds 99%."""
    rng, found = np.random.default_rng(2), 0
    for _ in range(40):
        easy = rng.beta(1.8, 0.2, 1000)
        found += (
            compare(drawn(rng, easy, 3), drawn(rng, np.clip(easy - 0.03, 0, 1), 3)).p_value < 0.05
        )
    assert found >= 30


def test_luck_of_the_seeds_counts():
    rows = np.ones(500)
    lucky = np.stack([rows, rows * 0, rows])  # one seed of three fails altogether
    other = np.stack([rows, rows * 0, rows * 0])
    found = compare(lucky, other)
    assert found.mean == pytest.approx(1 / 3)
    assert found.p_value > 0.3


def test_rows_that_repeat_a_source_are_no_further_evidence():
    rng = np.random.default_rng(3)
    one, other = (np.repeat(drawn(rng, np.full(60, p), 1), 3, axis=0) for p in (0.8, 0.7))
    alone, again = compare(one, other), np.repeat(np.arange(60), 20)
    repeated = compare(one[:, again], other[:, again], clusters=again)
    assert vars(repeated) == pytest.approx(vars(alone))
    mistaken = compare(one[:, again], other[:, again])
    assert mistaken.high - mistaken.low < (alone.high - alone.low) / 4


def test_too_few_seeds_or_rows_give_no_answer():
    ones = np.ones((3, 50))
    assert compare(ones[:2], ones) is None
    assert compare(ones, ones[:1]) is None
    assert compare(ones[:, :1], ones[:, :1]) is None
    assert compare(ones, ones, clusters=np.zeros(50, np.int64)) is None
    assert compare(ones, ones, weights=np.zeros(50)) is None


def test_models_that_agree_everywhere_are_not_proved_alike():
    ones = np.ones((3, 50))
    found = compare(ones, ones)
    assert (found.mean, found.p_value) == (0, 1)
    assert -0.05 < found.low < 0 < found.high < 0.05
    apart = compare(ones, ones * 0)
    assert 0 < apart.p_value < 0.001
    few = compare(ones[:, :2], ones[:, :2] * 0)
    assert few.p_value > 0.05  # two rows prove nothing


def test_seeds_of_unequal_number_and_models_without_any_spread():
    rng = np.random.default_rng(4)
    same = np.repeat((np.arange(200) < 190).astype(float)[None], 5, axis=0)  # five seeds alike
    other = drawn(rng, np.full(200, 0.6), 3)
    found = compare(same, other)
    assert found.low < 0.95 - other.mean() < found.high
    assert found.p_value < 0.01


def test_scores_are_shares_of_their_weights():
    rng = np.random.default_rng(5)
    weights = rng.integers(2, 9, 80).astype(float)
    bits = weights * rng.uniform(1, 3, (3, 80))
    found = compare(bits + weights, bits, weights)
    assert found.mean == pytest.approx(1)
    assert found.p_value < 0.001
    assert compare(bits, bits.copy(), weights).p_value == 1


def test_holm_against_a_plain_one():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def all_pairs(*levels):
    """Return the tests of arms a, b, c... that get so many of 400 rows right."""
    rng = np.random.default_rng(6)
    arms = {
        arm: drawn(rng, np.full(400, level), 3)
        for arm, level in zip("abcdef", levels, strict=False)
    }
    return pair_tests({"test": ScopeScores(arms, np.ones(400), np.arange(400))})


def test_ties_are_the_groups_of_which_no_two_differ():
    tests = all_pairs(0.9, 0.9, 0.5, 0.5, 0.1)
    assert ties(tests, "test") == (("a", "b"), ("c", "d"))
    assert ties(tests, "other") == ()
    higher, lower = find("sequence_accuracy"), find("loss")
    found = {(one.better, one.worse) for one in significant_differences(tests, higher)}
    alike = {("a", "b"), ("c", "d")}
    assert found == set(combinations("abcde", 2)) - alike
    turned = {(one.worse, one.better) for one in significant_differences(tests, lower)}
    assert turned == found
    assert all(one.difference.low > 0 for one in significant_differences(tests, higher))


def test_groups_may_overlap():
    tests = all_pairs(0.8, 0.745, 0.64)
    assert ties(tests, "test") == (("a", "b"), ("b", "c"))
