"""Counter hashes: pure, spread out, even."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.arrays import hashing
from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged


def test_a_key_hangs_on_every_word() -> None:
    keys = {hashing.key(*words) for words in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 1), (0, "a1")]}
    assert len(keys) == 5
    assert hashing.key(0, "a") == hashing.key(0, "a")


def test_mix_follows_the_reference_splitmix64() -> None:
    # first outputs for state 0, as printed by the reference C code of Vigna
    states = np.array([1, 2, 3], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    expected = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert hashing.mix(states).tolist() == expected


def test_streams_are_the_same_for_any_subset_and_order() -> None:
    index = np.arange(1000)
    whole = hashing.draw(hashing.streams(7, index), 3)
    some = np.array([999, 5, 5, 0])
    assert hashing.draw(hashing.streams(7, some), 3).tolist() == whole[some].tolist()


def test_streams_and_counters_do_not_meet() -> None:
    starts = hashing.streams(7, np.arange(2000))
    numbers = np.concatenate([hashing.draw(starts, counter) for counter in range(5)])
    assert len(np.unique(numbers)) == 10_000


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20), st.integers(1, 2**32))
def test_below_is_the_exact_high_word(values: list[int], count: int) -> None:
    got = hashing.below(np.array(values, np.uint64), count)
    assert got.tolist() == [value * count >> 64 for value in values]


def test_below_is_even() -> None:
    numbers = hashing.below(hashing.draw(hashing.streams(1, np.arange(70_000)), 0), 7)
    counts = np.bincount(numbers.astype(np.int64), minlength=7)
    assert abs(counts - 10_000).max() < 400  # 4 standard deviations


def test_below_takes_a_count_for_each_hash() -> None:
    top = np.full(3, 2**64 - 1, np.uint64)
    assert hashing.below(top, np.array([1, 5, 9], np.uint64)).tolist() == [0, 4, 8]


def test_a_row_hash_depends_on_every_token_its_position_and_the_length() -> None:
    rows = [[1, 2], [2, 1], [1], [1, 0], [0, 1], [0], [0, 0], [], [1, 2, 0]]
    assert len(np.unique(row_hashes(Ragged.from_rows(rows)))) == len(rows)
