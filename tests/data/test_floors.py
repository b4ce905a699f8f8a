"""Scores without a model, against counts by hand and published figures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.data.floors import chance, majority, measure, score
from seqcli.data.ragged import Ragged
from seqcli.tasks.base import make

ROWS = st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=20)


@given(ROWS, st.data())
def test_score_compares_place_by_place(reference: list[list[int]], data: st.DataObject) -> None:
    size = len(reference)
    guess = data.draw(
        st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=size, max_size=size)
    )
    found = score(Ragged.from_rows(guess), Ragged.from_rows(reference))
    right = sum(a == b for g, r in zip(guess, reference, strict=True) for a, b in zip(g, r))  # noqa: B905
    total = sum(max(len(g), len(r)) for g, r in zip(guess, reference, strict=True))
    assert found["token_accuracy"] == pytest.approx(right / total if total else 0)
    whole = sum(g == r for g, r in zip(guess, reference, strict=True))
    assert found["sequence_accuracy"] == pytest.approx(whole / size)


def test_a_guess_that_is_too_long_is_no_right_sequence() -> None:
    found = score(Ragged.from_rows([[1, 2, 3]]), Ragged.from_rows([[1, 2]]))
    assert found == {"token_accuracy": pytest.approx(2 / 3), "sequence_accuracy": 0.0}


def test_chance() -> None:
    found = chance(Ragged.from_rows([[0], [0, 1]]), 4)
    assert found["token_accuracy"] == 0.25
    assert found["sequence_accuracy"] == pytest.approx((1 / 4 + 1 / 16) / 2)


def test_majority_takes_the_most_frequent_symbol_of_each_place_and_length() -> None:
    train = Ragged.from_rows([[0, 1], [0, 2], [3, 2], [3, 2, 3], [3, 2, 1], [3, 2, 1]])
    found = majority(train, Ragged.from_rows([[0, 2], [3, 2, 1]]))
    assert found == {"token_accuracy": 1.0, "sequence_accuracy": 1.0}


def test_majority_falls_back_on_places_then_on_all_rows_for_new_lengths() -> None:
    train = Ragged.from_rows([[0, 1], [0, 2], [3, 2], [3, 2, 3], [3]])
    found = majority(train, Ragged.from_rows([[3, 2, 3, 3]]))
    assert found == {"token_accuracy": 1.0, "sequence_accuracy": 1.0}


def test_sorting_has_the_published_majority() -> None:
    # 5 symbols, lengths 1-40: 0.652 token accuracy with no look at the input (facts/tasks.md)
    task = make("sort", {"vocab": 6, "length": "1:40"})
    train, test = (task.rows(0, split, np.arange(20_000)).targets for split in ("train", "test"))
    scores = [
        majority(train, test.take(np.flatnonzero(test.lengths == length)))["token_accuracy"]
        for length in range(1, 41)
    ]
    assert np.mean(scores) == pytest.approx(0.652, abs=0.02)


def test_measure_names_every_floor() -> None:
    rows = Ragged.from_rows([[0, 1], [0, 1]])
    found = measure(rows, rows, 2, {"copy_last": rows})
    assert list(found) == ["chance", "majority", "copy_last"]
    assert found["copy_last"]["sequence_accuracy"] == 1.0
