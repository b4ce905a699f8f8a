"""Making tasks by name, and the promises every task keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from seqcli import registry
from seqcli.errors import UsageError
from seqcli.tasks.base import make, options, parse_range
from seqcli.tasks.rearrangement import Rearrangement, Symbols

SPLITS = ("train", "val", "test")


@pytest.mark.parametrize("name", registry.TASKS)
def test_rows_are_pure_in_any_order(name: str) -> None:
    task = make(name, {})
    index = np.arange(300)
    for split in SPLITS:
        whole = task.rows(4, split, index)
        mixed = np.random.default_rng(0).permutation(index)[:50]
        some = task.rows(4, split, mixed)
        for side in ("distinct", "targets"):
            one, other = getattr(some, side), getattr(whole, side).take(mixed)
            assert one.tokens.tolist() == other.tokens.tolist()
            assert one.offsets.tolist() == other.offsets.tolist()


@pytest.mark.parametrize("name", registry.TASKS)
def test_no_row_is_in_two_splits(name: str) -> None:
    task = make(name, {})
    seen: dict[tuple[int, ...], str] = {}
    for split in SPLITS:
        rows = task.rows(0, split, np.arange(5000)).distinct
        for row in range(5000):
            assert seen.setdefault(tuple(rows[row].tolist()), split) == split


@pytest.mark.parametrize("name", registry.TASKS)
def test_every_task_says_what_it_is(name: str) -> None:
    task = make(name, {})
    assert task.name == name
    assert task.version >= 1
    assert task.summary
    if task.source_symbols() is None:
        assert task.example[0] == ""
        assert set(task.example[1]) <= set(task.target_symbols())
        return
    source, target = (text.split() for text in task.example)
    assert set(source) <= set(task.source_symbols())
    assert set(target) <= set(task.target_symbols())


@pytest.mark.parametrize("name", registry.TASKS)
def test_options_make_the_same_task_again(name: str) -> None:
    task = make(name, {"length": "9:12"})
    assert make(name, options(task)) == task


@pytest.mark.parametrize("name", registry.TASKS)
def test_no_rows_are_no_rows(name: str) -> None:
    rows = make(name, {}).rows(0, "train", np.arange(0))
    assert len(rows.distinct) == len(rows.targets) == 0


def test_a_wrong_task_or_option_suggests_the_right_one() -> None:
    with pytest.raises(UsageError) as caught:
        make("revers", {})
    assert caught.value.hint == "did you mean reverse?"
    with pytest.raises(UsageError) as caught:
        make("reverse", {"lenght": 5})
    assert "lenght" in caught.value.message
    assert caught.value.hint == "did you mean length?"


def test_lists_may_be_written_with_commas() -> None:
    made = make("patterns", {"kinds": "ones, periodic"})
    assert made == make("patterns", {"kinds": ["ones", "periodic"]})
    with pytest.raises(UsageError, match=r"task\.kinds takes a list of names, not 3"):
        make("patterns", {"kinds": 3})


def test_ranges() -> None:
    assert parse_range("length", "16") == (16, 16)
    assert parse_range("length", " 5:20 ") == (5, 20)
    for text in ("5:", ":5", "a", "1e3", "５", "-3", "5:20:30"):
        with pytest.raises(UsageError):
            parse_range("length", text)


@dataclass(frozen=True)
class Duplicate(Rearrangement):
    """The source twice."""

    name: ClassVar[str] = "duplicate"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source twice"
    example: ClassVar[tuple[str, str]] = ("3 1", "3 1 3 1")

    def rearrange(self, symbols: Symbols) -> Symbols:
        return np.concatenate([symbols, symbols], axis=1)


def test_a_new_task_is_one_definition_and_one_registry_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = {"duplicate": f"{__name__}:Duplicate"}
    monkeypatch.setattr(registry, "TASKS", {**registry.TASKS, **line})
    rows = make("duplicate", {"length": "2:4"}).rows(0, "test", np.arange(30))
    assert (rows.targets.lengths == 2 * rows.sources.lengths).all()
