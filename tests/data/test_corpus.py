"""Splitting a user's rows: by source, stable, never an empty train."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.data.corpus import overlaps, repeats
from seqcli.data.corpus import split_rows as split_hashes
from seqcli.data.files.rows import hash_of


def split_rows(texts, seed):
    """Split texts by the hashes that a reader gives them."""
    hashes = b"".join(hash_of(text, seed) for text in texts)
    return split_hashes(np.frombuffer(hashes, np.uint64))


@given(st.lists(st.text(max_size=3), min_size=1, max_size=60), st.integers(0, 5))
def test_each_row_is_in_one_split_with_all_rows_of_its_source(
    sources: list[str], seed: int
) -> None:
    found = split_rows(sources, seed)
    assert sorted(row for rows in found.values() for row in rows.tolist()) == [*range(len(sources))]
    owner: dict[str, str] = {}
    for split, rows in found.items():
        assert rows.tolist() == sorted(rows.tolist())
        for row in rows.tolist():
            assert owner.setdefault(sources[row], split) == split
    distinct = len(set(sources))
    expected = {1: ["train"], 2: ["train", "val"]}.get(distinct, ["train", "val", "test"])
    assert list(found) == expected


def test_shares_are_about_eighty_ten_ten() -> None:
    found = split_rows([f"word {number}" for number in range(10_000)], 0)
    assert {split: round(len(rows) / 1000) for split, rows in found.items()} == {
        "train": 8,
        "val": 1,
        "test": 1,
    }


def test_rows_keep_their_split_when_the_file_grows() -> None:
    few, many = (split_rows([str(n) for n in range(count)], 0) for count in (500, 1000))
    for split, rows in few.items():
        assert set(rows.tolist()) == {row for row in many[split].tolist() if row < 500}


def test_the_order_of_rows_does_not_matter() -> None:
    words = [str(number) for number in range(200)]
    forward, backward = split_rows(words, 3), split_rows(words[::-1], 3)
    for split in forward:
        there = {words[row] for row in forward[split].tolist()}
        assert there == {words[::-1][row] for row in backward[split].tolist()}


def test_seeds_split_differently() -> None:
    words = [str(number) for number in range(200)]
    tests = {tuple(split_rows(words, seed)["test"].tolist()) for seed in range(5)}
    assert len(tests) == 5


@pytest.mark.parametrize("count", range(3, 12))
def test_three_sources_fill_three_splits(count: int) -> None:
    for seed in range(20):
        found = split_rows([str(number) for number in range(count)], seed)
        assert Counter(map(len, found.values())).total() == 3


ROWS = st.lists(st.lists(st.integers(0, 2), max_size=4), min_size=1, max_size=40)


@given(ROWS, ROWS)
def test_counts_agree_with_sets(one: list[list[int]], other: list[list[int]]) -> None:
    hashes = {"a": row_hashes(Ragged.from_rows(one)), "b": row_hashes(Ragged.from_rows(other))}
    assert overlaps(hashes) == {"a-b": sum(row in one for row in other)}
    left = {"a": len(set(map(tuple, one))), "b": len(set(map(tuple, other)))}
    assert repeats(hashes) == {"a": len(one) - left["a"], "b": len(other) - left["b"]}


def test_a_million_near_rows_do_not_meet() -> None:
    digits = np.indices((10,) * 6, dtype=np.int32).reshape(6, -1).T  # (N, 6)
    rows = Ragged(digits.reshape(-1), np.arange(0, 6 * 10**6 + 1, 6))
    assert repeats({"a": row_hashes(rows)}) == {"a": 0}
