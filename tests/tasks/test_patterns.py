"""Patterns: what they are, and that no motif is in two splits."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from seqcli.errors import UsageError
from seqcli.tasks.base import make
from seqcli.tasks.patterns import KINDS

SPLITS = ("train", "val", "test")
Row = tuple[int, ...]


def pairs_of(options: Mapping[str, Any], split: str, count: int, seed: int = 0) -> list[Row]:
    """Return whole sequences, shown and to come, with the length shown in front."""
    rows = make("patterns", options).rows(seed, split, np.arange(count))
    lengths = rows.sources.lengths
    return [
        (int(lengths[i]), *rows.sources[i].tolist(), *rows.targets[i].tolist())
        for i in range(count)
    ]


def period_of(digits: Row) -> int:
    return next(p for p in range(1, len(digits) + 1) if digits[p:] == digits[: len(digits) - p])


def rotations(motif: Row) -> set[Row]:
    return {motif[turn:] + motif[:turn] for turn in range(len(motif))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", SPLITS)
def test_each_kind_is_what_it_says(kind: str, split: str) -> None:
    for length, *rest in pairs_of({"kinds": kind}, split, 200):
        digits = tuple(rest)
        steps = {(b - a) % 10 for a, b in pairwise(digits)}
        assert 8 <= length <= 24
        assert len(digits) == length + 8
        period = period_of(digits)
        if kind in ("ones", "zeros"):
            assert set(digits) == {["zeros", "ones"].index(kind)}
        elif kind == "digit":
            assert len(set(digits)) == 1
            assert digits[0] >= 2
        elif kind == "alternating":
            assert period == 2
        elif kind == "periodic":
            assert 2 <= period <= 6
            assert 2 * period <= length
            assert len(steps) > 1 or period == 2
        else:
            assert len(steps) == 1
            assert steps <= {1, 2, 3, 4, 6, 7, 8, 9}


@pytest.mark.parametrize("seed", range(3))
def test_no_rotation_of_a_test_motif_is_in_train(seed: int) -> None:
    options = {"kinds": "alternating,periodic"}
    owner: dict[Row, str] = {}
    for split in SPLITS:
        for length, *digits in pairs_of(options, split, 4000, seed):
            motif = tuple(digits[: period_of(tuple(digits[:length]))])
            for turned in rotations(motif):
                assert owner.setdefault(turned, split) == split
    assert {
        split: sum(s == split and len(m) == 2 for m, s in owner.items()) for split in SPLITS
    } == {"train": 74, "val": 8, "test": 8}


@pytest.mark.parametrize("options", [{}, {"length": "4:40", "period": "2:9"}, {"length": 12}])
def test_no_source_is_in_two_splits_whatever_its_kind(options: Mapping[str, Any]) -> None:
    owner: dict[Row, str] = {}
    for split in SPLITS:
        for length, *digits in pairs_of(options, split, 6000):
            assert owner.setdefault(tuple(digits[:length]), split) == split


def canonical_motifs(split: str, count: int, seed: int) -> list[Row]:
    """Return the motif of each whole sequence, the same for all of its rotations."""
    rows = (tuple(digits) for _, *digits in pairs_of({}, split, count, seed))
    return [min(rotations(digits[: period_of(digits)])) for digits in rows]


@pytest.mark.parametrize("seed", range(2))
def test_a_third_of_the_test_rows_have_held_out_motifs_and_the_rule_is_nearly_always_right(
    seed: int,
) -> None:
    trained = set(canonical_motifs("train", 20_000, seed))
    tested = canonical_motifs("test", 3000, seed)
    held_out = np.array([motif not in trained for motif in tested])
    assert held_out.mean() == pytest.approx(1 / 3, abs=0.03)
    known = {m for m in trained if len({(b - a) % 10 for a, b in pairwise((*m, m[0]))}) == 1}
    assert sum(len(motif) != 2 for motif in known) == 22  # 10 digits and 12 circles of steps
    task = make("patterns", {})
    rows = task.rows(seed, "test", np.arange(3000))
    guess = task.heuristics(rows.sources, rows.targets.lengths)["best_period"]
    right = np.array([guess[i].tolist() == rows.targets[i].tolist() for i in range(3000)])
    assert right[held_out].all()
    assert 0.98 < right.mean() < 1
    long = rows.sources.lengths > 10
    assert right[long].all()


def test_a_source_goes_on_in_one_way_only() -> None:
    going_on: dict[Row, Row] = {}
    for length, *digits in pairs_of({"length": "4:12"}, "train", 20_000):
        source, target = tuple(digits[:length]), tuple(digits[length:])
        assert going_on.setdefault(source, target) == target


def test_kinds_lengths_and_periods_are_even() -> None:
    rows = pairs_of({"kinds": "periodic", "length": "12:16"}, "train", 5000)
    lengths, periods = Counter(r[0] for r in rows), Counter(period_of(r[1:]) for r in rows)
    assert all(abs(count - 1000) < 150 for count in (*lengths.values(), *periods.values()))
    rows = pairs_of({"kinds": "ones,zeros"}, "train", 1000)
    assert abs(sum(row[1] for row in rows) - 500) < 80


def test_a_split_without_a_kind_draws_from_the_others() -> None:
    rows = pairs_of({"kinds": "ones,alternating", "length": "10"}, "test", 50)
    assert {period_of(row[1:]) for row in rows} == {2}
    with pytest.raises(UsageError, match="only 1 distinct rows, too few for a test split"):
        pairs_of({"kinds": "ones", "length": "10"}, "test", 1)


def test_heuristics() -> None:
    task = make("patterns", {})
    rows = task.rows(0, "test", np.arange(500))
    guesses = task.heuristics(rows.sources, rows.targets.lengths)
    for row in range(500):
        source, target = rows.sources[row].tolist(), rows.targets[row].tolist()
        assert guesses["copy_last"][row].tolist() == source[-1:] * 8
        period = period_of(tuple(source))
        expected = [source[len(source) - period + place % period] for place in range(8)]
        assert guesses["best_period"][row].tolist() == expected
        if period <= len(source) // 2:
            assert expected == target


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"kinds": "ones,periodc"}, "no kind of pattern is called 'periodc'", "mean periodic?"),
        ({"kinds": []}, "must have one or more kinds", ""),
        ({"kinds": "ones,ones"}, "without duplicates", ""),
        ({"length": "3:9"}, "task.length cannot be '3:9'", "choose from 4"),
        ({"period": "1:3"}, "task.period cannot be '1:3'", "choose from 2 to 16"),
        ({"period": "2:40"}, "task.period cannot be '2:40'", "to 16"),
        ({"period": "6", "length": 8}, "8 tokens do not contain two periods of 6", "raise"),
        ({"horizon": 0}, "task.horizon cannot be 0", "from 1"),
    ],
)
def test_wrong_options_are_named(options: Mapping[str, Any], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make("patterns", options)
    assert hint in caught.value.hint
