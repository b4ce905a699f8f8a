"""Metrics against doing it by hand, and against rapidfuzz."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from seqcli.data.ragged import Ragged
from seqcli.data.vocabulary import UNK
from seqcli.engine.metrics import (
    SEQUENCE_ACCURACY,
    SYMBOL_ERROR_RATE,
    TOKEN_ACCURACY,
    Outcome,
    correct_rows,
    edit_distances,
)

ROW = st.lists(st.integers(4, 7), max_size=9)


def outcome(truths: list[list[int]], predictions: list[list[int]]) -> Outcome:
    return Outcome(0.5, Ragged.from_rows(truths), Ragged.from_rows(predictions))


@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=8))
def test_edit_distances_are_levenshteins(rows: list[tuple[list[int], list[int]]]) -> None:
    truths, predictions = [list(side) for side in zip(*rows, strict=True)]
    expected = [Levenshtein.distance(a, b) for a, b in rows]
    assert edit_distances(outcome(truths, predictions)).tolist() == expected
    total = sum(map(len, truths))
    rate = SYMBOL_ERROR_RATE.score(outcome(truths, predictions))
    assert rate == pytest.approx(sum(expected) / total if total else 0.0)


@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=8))
def test_accuracies_by_hand(rows: list[tuple[list[int], list[int]]]) -> None:
    truths, predictions = [list(side) for side in zip(*rows, strict=True)]
    result = outcome(truths, predictions)
    right = sum(a == b for truth, got in rows for a, b in zip(truth, got, strict=False))
    total = sum(map(len, truths))
    assert TOKEN_ACCURACY.score(result) == pytest.approx(right / total if total else 0.0)
    assert SEQUENCE_ACCURACY.score(result) == pytest.approx(
        sum(truth == got for truth, got in rows) / len(rows)
    )


def test_an_unknown_symbol_in_the_truth_is_never_right() -> None:
    result = outcome([[4, UNK], [5]], [[4, UNK], [5]])
    assert correct_rows(result).tolist() == [False, True]
    assert TOKEN_ACCURACY.score(result) == pytest.approx(2 / 3)
    assert edit_distances(result).tolist() == [1, 0]


def test_a_longer_answer_is_a_wrong_sequence() -> None:
    assert SEQUENCE_ACCURACY.score(outcome([[4, 5]], [[4, 5, 6]])) == 0
    assert TOKEN_ACCURACY.score(outcome([[4, 5]], [[4, 5, 6]])) == 1
