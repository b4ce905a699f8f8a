"""SCAN: the language equals the published one, and so does every split that a rule decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqcli.tasks.base import make
from seqcli.tasks.scan import SPLITS, WORDS, language, published

DATA = Path(__file__).parents[3] / "shared" / "data" / "scan"

# Rows of the published train and test sets.
SIZES = {
    "simple": (16728, 4182),
    "length": (16990, 3920),
    "add_jump": (14670, 7706),
    "add_turn_left": (21890, 1208),
    "around_right": (15225, 4476),
    "right": (15225, 4476),
    "opposite_right": (15225, 4476),
    "jump_around_right": (18528, 1173),
    "filler_0": (15225, 1173),
    "filler_3": (18528, 1173),
    "simple_p4": (836, 20074),
    "simple_p8": (1672, 19238),
}

# Characters in published train files, whose lines are "IN: walk OUT: I_WALK".
CHARACTERS = {
    "add_turn_left": 3974537,
    "right": 3173282,
    "opposite_right": 2990057,
    "filler_1": 2851719,
    "filler_2": 3158377,
    "filler_3": 3468272,
}


def test_the_language_is_the_published_one() -> None:
    if not DATA.is_dir():
        pytest.skip(f"the published set is not there: {DATA}")
    files = [DATA / "train_simple.tsv", DATA / "test_simple.tsv"]
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert {tuple(line.split("\t")) for line in lines} == set(language().items())
    assert len(lines) == len(language()) == 20910


@pytest.mark.parametrize("split", SIZES)
def test_sizes_are_the_published_ones(split: str) -> None:
    train, test = published(split, seed=0)
    assert (len(train), len(test)) == SIZES[split]


@pytest.mark.parametrize("split", CHARACTERS)
def test_train_sets_have_as_many_characters_as_the_published_files(split: str) -> None:
    lines = [f"IN: {command} OUT: {actions}\n" for command, actions in language().items()]
    assert sum(len(lines[row]) for row in published(split, seed=0)[0]) == CHARACTERS[split]


@pytest.mark.parametrize("split", SPLITS)
def test_train_val_and_test_share_nothing_and_are_drawn_whole(split: str) -> None:
    train, test = published(split, seed=0)
    task = make("scan", {"split": split})
    found = {}
    for part, size in (("train", len(train)), ("test", len(test)), ("val", 3000)):
        rows = task.rows(0, part, np.arange(size)).sources
        assert rows is not None
        found[part] = {tuple(rows[row].tolist()) for row in range(size)}
    assert not found["train"] & found["test"]
    assert not found["val"] & (found["train"] | found["test"])
    assert len(found["test"]) == len(test)
    assert len(found["train"]) + len(found["val"]) == len(set(train.tolist()))


def test_a_simple_split_is_drawn_by_the_seed_and_others_are_not() -> None:
    assert set(published("simple", 0)[1]) != set(published("simple", 1)[1])
    assert set(published("simple_p4", 0)[0]) < set(published("simple_p8", 0)[0])
    assert published("length", 0)[1].tolist() == published("length", 1)[1].tolist()


def test_the_primitive_added_is_a_tenth_of_train_and_never_in_val() -> None:
    task = make("scan", {"split": "add_jump", "val_share": 0.1})
    jump = [WORDS.index("jump")]
    for split, least, most in (("train", 0.09, 0.13), ("val", 0, 0), ("test", 0, 0)):
        sources = task.rows(0, split, np.arange(5000)).sources
        assert sources is not None
        share = np.mean([sources[row].tolist() == jump for row in range(5000)])
        assert least <= share <= most


def test_lengths_of_the_length_split() -> None:
    actions = [len(text.split()) for text in language().values()]
    train, test = published("length", 0)
    assert max(actions[row] for row in train) == 22
    assert (min(actions[row] for row in test), max(actions[row] for row in test)) == (24, 48)
