"""What counting reaches."""

import math

import numpy as np

from seqcli.data.corpus import Pairs
from seqcli.data.fingerprints import fingerprints, known
from seqcli.data.language_floors import measure
from seqcli.data.ragged import Ragged

A, B = 4, 5
TRAIN = Ragged.from_rows([[A, A], [A, B]])
TEST = Ragged.from_rows([[A], [B]])


def test_losses_by_hand() -> None:
    found = measure(TRAIN, TEST, symbols=2)
    assert math.isclose(found["chance"]["loss"], math.log(3))
    # train: A 3 times, B once, stop twice; one is added to each of 3 kinds: 9 in all
    unigram = [4 / 9, 3 / 9, 2 / 9, 3 / 9]  # A, stop, B, stop
    assert math.isclose(found["unigram"]["loss"], -np.log(unigram).mean())
    # after the beginning A twice; after A: A, B, stop once each; after B: stop
    bigram = [3 / 5, 2 / 6, 1 / 5, 2 / 4]
    assert math.isclose(found["bigram"]["loss"], -np.log(bigram).mean())
    assert math.isclose(found["chance"]["perplexity"], 3)
    assert math.isclose(found["chance"]["bits_per_character"], math.log2(3))


def test_symbols_that_train_does_not_know_count_as_never_seen() -> None:
    found = measure(TRAIN, Ragged.from_rows([[3, 9]]), symbols=2)
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
