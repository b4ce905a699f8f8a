"""Reverse, copy and sort."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from seqcli.errors import UsageError
from seqcli.tasks.base import Task, make

REARRANGED = {"reverse": lambda row: row[::-1], "copy": list, "sort": sorted}


def pairs_of(task: Task, count: int, split: str = "train") -> list[tuple[list[int], list[int]]]:
    rows = task.rows(0, split, np.arange(count))
    return [(rows.sources[i].tolist(), rows.targets[i].tolist()) for i in range(count)]


@pytest.mark.parametrize("name", REARRANGED)
@pytest.mark.parametrize("length", ["1", "16", "3:9"])
def test_the_target_is_the_source_rearranged(name: str, length: str) -> None:
    for source, target in pairs_of(make(name, {"length": length, "vocab": 300}), 200):
        assert target == REARRANGED[name](source)


@pytest.mark.parametrize("name", REARRANGED)
def test_the_example_is_true(name: str) -> None:
    task = make(name, {})
    source, target = (text.split() for text in task.example)
    assert [*map(str, REARRANGED[name](list(map(int, source))))] == target
    assert set(source) <= set(task.source_tokens())


def test_tokens_are_the_integers_from_one_to_below_the_vocabulary() -> None:
    task = make("reverse", {"vocab": 11, "length": 10})
    assert task.source_tokens() == (*tuple("123456789"), "10")
    seen = {token for source, _ in pairs_of(task, 200) for token in source}
    assert seen == set(range(10))  # 1 and vocab-1 both occur


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": "20:5"}, "task.length cannot be '20:5'"),
        ({"length": 0}, "task.length cannot be '0'"),
        ({"length": "5-20"}, "task.length cannot be '5-20'"),
        ({"length": ""}, "task.length cannot be ''"),
        ({"length": 2.5}, "task.length must be text, not 2.5"),
        ({"vocab": 1}, "task.vocab cannot be 1"),
        ({"vocab": "20"}, "task.vocab must be a whole number, not '20'"),
        ({"vocab": True}, "task.vocab must be a whole number, not True"),
    ],
)
def test_wrong_options_are_named(options: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make("reverse", options)
