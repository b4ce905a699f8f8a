"""The bootstrap says what is clear, and keeps still about what is luck."""

import numpy as np
import pytest

from seqcli.comparison.bootstrap import difference


def drawn(rng, chances, seeds, rows):
    """Return (S, N) of zeros and ones; ``chances`` (N,) is shared by the seeds."""
    return (rng.random((seeds, rows)) < chances[:rows]).astype(float)


def test_a_large_difference_is_clear_and_its_interval_holds_it():
    rng = np.random.default_rng(0)
    hard = rng.random(400) * 0.2
    one, other = drawn(rng, 0.9 - hard, 3, 400), drawn(rng, 0.5 - hard, 3, 400)
    found = difference(one, other, [1] * 400)
    assert found.clear
    assert found.low < found.mean < found.high
    assert found.low < 0.4 < found.high
    turned = difference(other, one, [1] * 400)
    assert turned.mean == -found.mean
    assert turned.clear


def test_no_difference_is_seldom_called_clear():
    rng = np.random.default_rng(1)
    false = 0
    for _ in range(20):
        chances = rng.random(150)
        both = drawn(rng, chances, 4, 150), drawn(rng, chances, 4, 150)
        false += difference(*both, [1] * 150).clear
    assert false <= 4  # 1 is expected at 95%


def test_the_luck_of_seeds_counts():
    rows = np.ones(500)
    lucky = np.stack([rows, rows * 0, rows])  # one seed of three fails altogether
    other = np.stack([rows, rows * 0, rows * 0])
    assert difference(lucky, other, rows).mean == pytest.approx(1 / 3)
    assert not difference(lucky, other, rows).clear


def test_more_comparisons_need_a_wider_interval():
    rng = np.random.default_rng(2)
    one, other = drawn(rng, np.full(200, 0.6), 3, 200), drawn(rng, np.full(200, 0.5), 3, 200)
    narrow, wide = (difference(one, other, [1] * 200, number) for number in (1, 50))
    assert wide.low < narrow.low < narrow.high < wide.high
    assert narrow == difference(one, other, [1] * 200, 1)  # and it is the same each time


def test_scores_are_shares_of_their_weights():
    bits = np.array([[8.0, 2.0]])
    found = difference(bits, bits / 2, [4, 1])
    assert found.mean == pytest.approx(10 / 5 - 5 / 5)
