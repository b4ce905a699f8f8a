"""Counting repeated and shared rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.overlap import overlaps, repeats, row_hashes
from seqcli.data.ragged import Ragged

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


def test_a_hash_hangs_on_every_token_its_place_and_the_length() -> None:
    rows = [[1, 2], [2, 1], [1], [1, 0], [0, 1], [0], [0, 0], [], [1, 2, 0]]
    assert len(np.unique(row_hashes(Ragged.from_rows(rows)))) == len(rows)
