"""Rules that need no model, against plain loops."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.arrays.ragged import Ragged
from seqcli.data.baselines import (
    UNKNOWN,
    chance,
    majority,
    measure,
    measure_language,
    memorized_rows,
    most_frequent,
    score,
)
from seqcli.data.corpus import Pairs, fingerprints, known
from seqcli.tasks.base import make

ROW = st.lists(st.integers(4, 5), max_size=2).map(tuple)


@given(st.lists(st.tuples(ROW, ROW), min_size=1, max_size=20), st.lists(ROW, max_size=8))
def test_the_most_frequent_target_of_a_known_source(rows, asked):
    sources, targets = zip(*rows, strict=True)
    train = Pairs(Ragged.from_rows(targets), Ragged.from_rows(sources))
    found = memorized_rows(train, Ragged.from_rows(asked)).tolist()
    for source, row in zip(asked, found, strict=True):
        of_source = [target for one, target in rows if one == source]
        if not of_source:
            assert row == UNKNOWN
        else:
            best = Counter(of_source).most_common(1)[0][0]  # of equal ones the first
            assert row == rows.index((source, best))
    assert targets[most_frequent(train.targets)] == Counter(targets).most_common(1)[0][0]


A, B = 4, 5
TRAIN = Ragged.from_rows([[A, A], [A, B]])
TEST = Ragged.from_rows([[A], [B]])


def test_losses_by_hand() -> None:
    found = measure_language(TRAIN, TEST, vocabulary_size=2)
    assert math.isclose(found["chance"]["loss"], math.log(3))
    # train: A 3 times, B once, stop twice; one is added to each of 3 kinds: 9 in all
    unigram = [4 / 9, 3 / 9, 2 / 9, 3 / 9]  # A, stop, B, stop
    assert math.isclose(found["unigram"]["loss"], -np.log(unigram).mean())
    # after the beginning A twice; after A: A, B, stop once each; after B: stop
    bigram = [3 / 5, 2 / 6, 1 / 5, 2 / 4]
    assert math.isclose(found["bigram"]["loss"], -np.log(bigram).mean())
    assert math.isclose(found["chance"]["perplexity"], 3)
    assert math.isclose(found["chance"]["bits_per_character"], math.log2(3))


def test_tokens_that_train_does_not_know_count_as_never_seen() -> None:
    found = measure_language(TRAIN, Ragged.from_rows([[3, 9]]), vocabulary_size=2)
    assert math.isclose(found["unigram"]["loss"], -np.log([1 / 9, 1 / 9, 3 / 9]).mean())


def test_fingerprints_know_their_rows_and_no_others() -> None:
    rows = Ragged.from_rows(np.random.default_rng(0).integers(4, 9, (500, 6)).tolist())
    prints = fingerprints({"train": Pairs(rows), "val": Pairs(TRAIN)})
    assert prints["train"].dtype == np.int64
    assert (np.diff(prints["train"]) > 0).all()
    assert known(rows, prints["train"]).all()
    assert known(TRAIN, prints["train"]).sum() == 0
    assert known(TRAIN, prints["val"]).tolist() == [True, True]
    assert known(TEST, prints["val"][:0]).tolist() == [False, False]


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


def test_majority_takes_the_most_frequent_token_of_each_place_and_length() -> None:
    train = Ragged.from_rows([[0, 1], [0, 2], [3, 2], [3, 2, 3], [3, 2, 1], [3, 2, 1]])
    found = majority(train, Ragged.from_rows([[0, 2], [3, 2, 1]]))
    assert found == {"token_accuracy": 1.0, "sequence_accuracy": 1.0}


def test_majority_falls_back_on_places_then_on_all_rows_for_new_lengths() -> None:
    train = Ragged.from_rows([[0, 1], [0, 2], [3, 2], [3, 2, 3], [3]])
    found = majority(train, Ragged.from_rows([[3, 2, 3, 3]]))
    assert found == {"token_accuracy": 1.0, "sequence_accuracy": 1.0}


def test_sorting_has_the_published_majority() -> None:
    # 5 tokens, lengths 1-40: 0.652 token accuracy with no look at the input (facts/tasks.md)
    task = make("sort", {"vocab": 6, "length": "1:40"})
    train, test = (task.rows(0, split, np.arange(20_000)).targets for split in ("train", "test"))
    scores = [
        majority(train, test.take(np.flatnonzero(test.lengths == length)))["token_accuracy"]
        for length in range(1, 41)
    ]
    assert np.mean(scores) == pytest.approx(0.652, abs=0.02)


def test_measure_names_every_baseline() -> None:
    rows = Ragged.from_rows([[0, 1], [0, 1]])
    found = measure(rows, rows, 2, {"copy_last": rows})
    assert list(found) == ["chance", "majority", "copy_last"]
    assert found["copy_last"]["sequence_accuracy"] == 1.0
