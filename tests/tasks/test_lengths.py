"""What tasks say of the lengths of their rows holds in every split, also of small spaces."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from test_every_task import CASES, assert_apart, assert_pure

from seqcli import registry
from seqcli.errors import UsageError
from seqcli.tasks.base import Task, make
from seqcli.tasks.drawn import DrawnTask
from seqcli.tasks.space import LengthTask, SequenceTask, nearest_owned

SPLITS = ("train", "val", "test")
SMALL: list[tuple[str, dict[str, Any]]] = [
    ("dyck", {"length": "2:10"}),
    ("dyck", {"length": "2:6", "test_length": "2:8"}),
    ("mod_arith_brackets", {"length": "1:9"}),
    ("mod_arith_brackets", {"length": "1:6", "modulus": 2}),
    ("listops", {"length": "4:8"}),
    ("parity", {"length": "1:6"}),
    ("even_pairs", {"length": "1:3"}),
    ("majority", {"length": "2:5"}),
    ("cycle_nav", {"length": "1:4"}),
    ("mod_arith", {"length": "1:7"}),
    ("reverse", {"length": "1:4", "vocab": 3}),
    ("sort", {"length": "2:5", "vocab": 4}),
]
ALL = [(n, g) for n, g in [*CASES, *SMALL] if isinstance(make(n, g), LengthTask) and n != "anbncn"]
IDS = [" ".join([name, *(f"{k}={v}" for k, v in given.items())]) for name, given in ALL]


def counted(task: Task, split: str, count: int) -> Counter[int]:
    """Return how many of the first rows of a split have each length, marks not counted."""
    sources = task.rows(0, split, np.arange(count)).sources
    assert sources is not None
    marks = 2 * bool(getattr(task, "marks", False))
    return Counter((sources.lengths - marks).tolist())


@pytest.mark.parametrize(("name", "given"), ALL, ids=IDS)
def test_lengths_are_as_likely_as_one_another_in_every_split(
    name: str, given: Mapping[str, Any]
) -> None:
    task = make(name, given)
    assert isinstance(task, LengthTask)
    for split in SPLITS:
        low, high = task.lengths(split)
        lengths = list(range(low, high + 1, 2 if name == "mod_arith" else 1))
        each = max(40, 1200 // len(lengths))
        found = counted(task, split, each * len(lengths))
        owned = [length for length in lengths if length in found]
        # a length that a split does not own is one with fewer than three rows, in train alone
        for length in set(lengths) - set(owned):
            assert split != "train"
            assert distinct(task, length) < 3
        expected = Counter(nearest_owned(lengths, owned))
        for length, times in expected.items():
            spread = 0.0 if isinstance(task, SequenceTask) else 6 * (each * times) ** 0.5
            assert abs(found[length] - each * times) <= spread, (split, length)
        assert set(found) == set(owned)


def distinct(task: Task, length: int) -> int:
    """Return how many rows of a length there are in all splits."""
    seen = set()
    for split in SPLITS:
        sources = task.rows(0, split, np.arange(600)).sources
        assert sources is not None
        seen |= {tuple(sources[row].tolist()) for row in range(600)}
    return sum(len(row) == length for row in seen)


@pytest.mark.parametrize(("name", "given"), SMALL)
def test_small_spaces_are_pure_and_share_no_row(name: str, given: Mapping[str, Any]) -> None:
    task = make(name, given)
    assert_pure(task)
    assert_apart(task, 1500)


@pytest.mark.parametrize("name", [n for n in registry.TASKS if isinstance(make(n, {}), DrawnTask)])
def test_a_source_has_the_same_owner_whatever_lengths_are_asked_for(name: str) -> None:
    owner: dict[tuple[int, ...], str] = {}
    for length in ("4:8", "6:9", "8:30"):
        task = make(name, {"length": length})
        for split in SPLITS:
            sources = task.rows(0, split, np.arange(1500)).sources
            assert sources is not None
            for row in range(1500):
                assert owner.setdefault(tuple(sources[row].tolist()), split) == split


def test_test_has_the_shortest_lengths_that_train_has() -> None:
    for name, given in (("dyck", {"length": "2:10"}), ("mod_arith_brackets", {})):
        shortest = {split: min(counted(make(name, given), split, 3000)) for split in SPLITS}
        assert set(shortest.values()) == {make(name, given).lengths("train")[0]}  # type: ignore[attr-defined]


def test_a_grammar_with_too_few_rows_for_a_split_says_so() -> None:
    task = make("dyck", {"types": 1, "depth": 2, "length": "2"})
    assert len(task.rows(0, "train", np.arange(5)).targets) == 5
    with pytest.raises(UsageError, match="only 1 distinct row, too few for a test split"):
        task.rows(0, "test", np.arange(5))


@pytest.mark.parametrize("name", ["addition", "multiplication"])
@pytest.mark.parametrize("split", SPLITS)
def test_each_number_of_digits_is_as_likely(name: str, split: str) -> None:
    task = make(name, {"digits": "1:3"})
    sources = task.rows(0, split, np.arange(600)).sources
    assert sources is not None
    digits: Counter[int] = Counter()
    for row in range(600):
        sign = sources[row].tolist().index(10)
        digits[max(sign, len(sources[row]) - sign - 1)] += 1
    assert digits == {1: 200, 2: 200, 3: 200}
