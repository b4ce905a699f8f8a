"""Instance spaces: bijections, disjoint splits, even lengths."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import UsageError
from seqcli.tasks.space import SequenceSpace, assemble, permute, shares

SPLITS = ("train", "val", "test")


def drawn(space: SequenceSpace, split: str, count: int, seed: int = 0) -> list[tuple[int, ...]]:
    rows = assemble(space.draw(seed, split, np.arange(count)), count)
    return [tuple(rows[row].tolist()) for row in range(count)]


@given(st.integers(1, 3000), st.integers(0, 2**64 - 1))
@settings(max_examples=60, deadline=None)
def test_permute_is_a_bijection(count: int, key: int) -> None:
    placed = permute(np.arange(count, dtype=np.uint32), count, key)
    assert np.array_equal(np.sort(placed), np.arange(count))


def test_permute_is_a_bijection_of_the_largest_words() -> None:
    values = np.arange(2**32 - 50_000, 2**32).astype(np.uint32)
    for count in (2**32, 19**7):
        placed = permute(values % np.uint32(count - 1), count, 5)
        assert len(np.unique(placed)) == 50_000
        assert (placed < count).all()


def test_permute_takes_a_key_for_each_value() -> None:
    values = np.array([3, 3, 0, 8], np.uint32)
    keys = np.array([5, 9, 5, 9], np.uint64)
    alone = [int(permute(values[i : i + 1], 10, int(keys[i]))[0]) for i in range(4)]
    assert permute(values, 10, keys).tolist() == alone


def test_keys_give_many_different_orders_of_a_small_space() -> None:
    orders = {tuple(permute(np.arange(4, dtype=np.uint32), 4, key).tolist()) for key in range(400)}
    assert len(orders) >= 20  # of 24


@given(st.integers(0, 10**6))
def test_shares_cover_everything_once(count: int) -> None:
    parts = shares(count)
    assert parts["train"].start == 0
    assert parts["train"].stop == parts["val"].start
    assert parts["val"].stop == parts["test"].start
    assert parts["test"].stop == count
    assert all(len(part) > 0 for part in parts.values()) or count < 3
    assert len(parts["train"]) > 0 or count == 0


def test_shares_are_eighty_ten_ten() -> None:
    assert {split: len(part) for split, part in shares(1000).items()} == {
        "train": 800,
        "val": 100,
        "test": 100,
    }


@pytest.mark.parametrize(
    ("tokens", "shortest", "longest"), [(2, 4, 4), (3, 1, 3), (2, 1, 5), (10, 1, 2), (19, 5, 20)]
)
def test_no_sequence_is_in_two_splits(tokens: int, shortest: int, longest: int) -> None:
    space = SequenceSpace(tokens, shortest, longest)
    found = {split: set(drawn(space, split, 3000)) for split in SPLITS}
    assert not found["train"] & found["val"]
    assert not found["train"] & found["test"]
    assert not found["val"] & found["test"]


def test_a_small_space_is_used_up_wholly_before_anything_comes_twice() -> None:
    space = SequenceSpace(3, 4, 4)
    sizes = {split: len(part) for split, part in shares(81).items()}
    found = {split: drawn(space, split, size) for split, size in sizes.items()}
    assert len({row for rows in found.values() for row in rows}) == 81
    assert drawn(space, "test", 2 * sizes["test"])[sizes["test"] :] == found["test"]


def test_rows_of_a_large_space_do_not_repeat() -> None:
    assert len(set(drawn(SequenceSpace(19, 16, 16), "train", 20_000))) == 20_000


def test_lengths_sent_elsewhere_do_not_repeat_rows_early() -> None:
    space = SequenceSpace(2, 1, 4)  # length 1 has 2 rows: none for val or test
    rows = drawn(space, "test", 4)
    assert 1 not in {len(row) for row in rows}
    assert len(set(drawn(space, "val", 2))) == 2


def test_lengths_are_exactly_even_and_in_another_order_in_each_block() -> None:
    space = SequenceSpace(19, 5, 20)
    lengths = [len(row) for row in drawn(space, "train", 16 * 50)]
    assert set(Counter(lengths).values()) == {50}
    blocks = {tuple(lengths[i : i + 16]) for i in range(0, 800, 16)}
    assert len(blocks) == 50
    assert all(sorted(block) == list(range(5, 21)) for block in blocks)


def test_every_token_is_as_frequent_at_every_place() -> None:
    rows = np.array(drawn(SequenceSpace(5, 20, 20), "train", 5000))  # (N, L)
    for column in rows.T:
        assert abs(np.bincount(column, minlength=5) - 1000).max() < 150  # 5 standard deviations


def test_without_repeats_every_arrangement_is_as_frequent() -> None:
    space = SequenceSpace(4, 3, 3, repeats=False)
    rows = [row for split in SPLITS for row in drawn(space, split, len(shares(24)[split]))]
    assert len(set(rows)) == len(rows) == space.distinct() == 24
    assert all(len(set(row)) == 3 for row in rows)


def test_without_repeats_tokens_beyond_the_head_differ_too() -> None:
    rows = np.array(drawn(SequenceSpace(30, 30, 30, repeats=False), "train", 3000))  # (N, L)
    assert (np.sort(rows, axis=1) == np.arange(30)).all()
    for column in rows.T:
        assert abs(np.bincount(column, minlength=30) - 100).max() < 50  # 5 standard deviations


def test_neighboring_tokens_are_independent() -> None:
    rows = np.array(drawn(SequenceSpace(4, 18, 18), "train", 8000))
    for left, right in zip(rows.T, rows.T[1:], strict=False):
        joint = np.bincount(left * 4 + right, minlength=16)
        assert abs(joint - 500).max() < 120


def test_seeds_give_other_rows() -> None:
    space = SequenceSpace(19, 10, 10)
    assert not set(drawn(space, "train", 500, seed=0)) & set(drawn(space, "train", 500, seed=1))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=30), st.sampled_from(SPLITS))
@settings(deadline=None, max_examples=40)
def test_a_row_hangs_on_its_index_alone(index: list[int], split: str) -> None:
    space = SequenceSpace(7, 2, 15)
    whole = assemble(space.draw(3, split, np.array(index)), len(index))
    for place, one in enumerate(index):
        alone = assemble(space.draw(3, split, np.array([one])), 1)
        assert whole[place].tolist() == alone[0].tolist()


def test_many_lengths_are_quickly_sent() -> None:
    lengths = {len(row) for row in drawn(SequenceSpace(2, 1, 3000), "test", 100)}
    assert len(lengths) > 90


def test_a_space_too_small_for_a_split_says_how_small_it_is() -> None:
    space = SequenceSpace(1, 5, 6)
    assert sorted(drawn(space, "train", 2)) == [(0,) * 5, (0,) * 6]
    with pytest.raises(UsageError, match="only 2 distinct rows, too few for a test split"):
        drawn(space, "test", 1)
