"""Invented names of compounds."""

from __future__ import annotations

import numpy as np
import pytest

from seqcli.errors import UsageError
from seqcli.tasks.base import make
from seqcli.tasks.names import PATTERNS, SLOTS, TOKENS, morphemes


def texts(split: str, count: int, seed: int = 0, length: str = "5:30") -> list[str]:
    rows = make("names", {"length": length}).rows(seed, split, np.arange(count)).targets
    return ["".join(TOKENS[i] for i in rows[row].tolist()) for row in range(count)]


def test_the_first_names_of_version_1() -> None:
    assert texts("train", 4) == GOLDEN_TRAIN
    assert texts("test", 2) == GOLDEN_TEST


GOLDEN_TRAIN = [
    "lanthanum binitrate",
    "chloronitromethanone",
    "manganese fluoride",
    "dimethylmethylimidazole",
]
GOLDEN_TEST = ["acetylpropene", "thymol"]


def test_names_are_made_of_morphemes() -> None:
    assert {slot for pattern in PATTERNS for slot in pattern} == set(SLOTS)
    assert {letter for slot in SLOTS for part in morphemes(slot) for letter in part} < set(TOKENS)
    for name in texts("train", 300):
        assert name == " ".join(name.split())
        assert 5 <= len(name) <= 30


def test_most_names_are_distinct_and_other_seeds_give_others() -> None:
    train = texts("train", 2000)
    assert len(set(train)) > 1800
    assert len(set(train) & set(texts("train", 2000, seed=1))) < 300


def test_a_name_stays_in_its_split_whatever_the_seed() -> None:
    owners: dict[str, str] = {}
    for split in ("train", "val", "test"):
        for seed in range(3):
            for name in texts(split, 1000, seed):
                assert owners.setdefault(name, split) == split


def test_lengths_are_kept_to() -> None:
    assert {len(name) for name in texts("val", 200, length="8:9")} == {8, 9}
    for length in ("1:2", "61", "0:5", "9:61"):
        with pytest.raises(UsageError, match="length"):
            make("names", {"length": length})
