"""What holds for every task in the registry, and for any that will be added."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from answers import ANSWERS

from seqcli import api, registry
from seqcli.arrays.ragged import Index
from seqcli.config.sections import DataConfig
from seqcli.data import build
from seqcli.data.task_corpus import task_corpus
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, Task, make, options
from seqcli.tasks.rearrangement import Rearrangement
from seqcli.tasks.space import TokenArray

SPLITS = ("train", "val", "test")
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("copy", {"duplicate": 3, "length": "1:4"}),
    ("copy", {"tokens": "distinct", "length": "1:9", "vocab": 10, "marks": True}),
    ("copy", {"tokens": "distinct", "length": "5:40", "vocab": 101}),
    ("copy", {"tokens": "single", "length": "1:40", "marks": True}),
    ("odds_first", {"vocab": 3, "length": "1:9"}),
    ("reverse", {"vocab": 300, "length": "1:3"}),
    ("parity", {"mode": "prefix", "length": "1:12"}),
    ("cycle_nav", {"positions": 3, "length": "1:6"}),
    ("mod_arith", {"modulus": 10, "length": "1:8"}),
    ("mod_arith", {"modulus": 2, "length": "9"}),
    ("mod_arith_brackets", {"length": "1:9", "modulus": 10}),
    ("mod_arith_brackets", {"length": "5:60", "products": False}),
    ("dyck", {"mode": "all", "types": 4, "depth": 6}),
    ("dyck", {"types": 1, "depth": 2, "length": "6:9", "mode": "all"}),
    ("anbncn", {"letters": 2, "length": "5:40"}),
    ("addition", {"digits": "1:3", "base": 2, "order": "reversed"}),
    ("addition", {"digits": "1:12", "padding": True}),
    ("addition", {"digits": "20", "base": 7}),
    ("multiplication", {"digits": "1:3", "order": "reversed", "padding": True}),
    ("multiplication", {"digits": "1:7", "base": 3}),
    ("copy_memory", {"delay": 1}),
    ("selective_copy", {"length": "6:30", "tokens": 5, "vocab": 4}),
    ("mqar", {"pairs": 1, "length": "16", "noise": True}),
    ("mqar", {"pairs": 8, "length": "40:80", "vocab": 40, "noise": True}),
    ("mqar", {"pairs": 3, "length": "9:12"}),
    ("listops", {"length": "4:12", "depth": 2}),
    ("listops", {"length": "60", "depth": 10}),
    *[("scan", {"split": split}) for split in ("length", "add_jump", "right", "filler_2")],
    ("scan", {"split": "simple_p1", "val_share": 0.3}),
]
CASES = [*((name, {}) for name in registry.TASKS), *VARIANTS]
IDS = [" ".join([name, *(f"{k}={v}" for k, v in given.items())]) for name, given in CASES]
MARKED = [
    pytest.param(name, given, marks=[pytest.mark.slow] if given else []) for name, given in CASES
]
EVERY_CASE = pytest.mark.parametrize(("name", "given"), MARKED, ids=IDS)
EVERY_TASK = pytest.mark.parametrize("name", registry.TASKS)


def assert_pure(task: Task) -> None:
    """Rows are the same in any order, company and place of the batch."""
    index = np.arange(300)
    mixed = np.random.default_rng(0).permutation(index)[:40]
    for split in SPLITS:
        whole = task.rows(4, split, index)
        for some in (mixed, mixed[:1], np.append(mixed, mixed)):
            rows = task.rows(4, split, some)
            for side in ("distinct", "targets"):
                one, other = getattr(rows, side), getattr(whole, side).take(some)
                assert one.tokens.tolist() == other.tokens.tolist()
                assert one.offsets.tolist() == other.offsets.tolist()


def assert_apart(task: Task, count: int = 3000) -> None:
    """No two splits share a row, counted row by row."""
    owner: dict[tuple[int, ...], str] = {}
    for split in SPLITS:
        rows = task.rows(0, split, np.arange(count)).distinct
        for row in range(count):
            assert owner.setdefault(tuple(rows[row].tolist()), split) == split


@EVERY_CASE
def test_rows_are_pure_in_any_order(name: str, given: Mapping[str, Any]) -> None:
    assert_pure(make(name, given))


@EVERY_CASE
def test_no_row_is_in_two_splits(name: str, given: Mapping[str, Any]) -> None:
    assert_apart(make(name, given))


@EVERY_TASK
def test_the_measured_overlap_is_nothing_on_every_split(name: str) -> None:
    corpus = task_corpus(make(name, {}), {"train": 4000, "val": 500, "test": 500}, seed=3)
    assert corpus.provenance.overlap == {"train-val": 0, "train-test": 0, "val-test": 0}


@EVERY_CASE
def test_targets_are_what_simple_code_makes_of_the_sources(
    name: str, given: Mapping[str, Any]
) -> None:
    task = make(name, given)
    if task.source_tokens() is None:
        return  # there is nothing that the target would follow from
    for split in SPLITS:
        for source, target in texts(task, split, 150):
            assert ANSWERS[name](source, options(task)) == target


@EVERY_TASK
def test_every_task_says_what_it_is(name: str) -> None:
    task = make(name, {})
    assert task.name == name
    assert task.version >= 1
    assert task.summary
    if task.source_tokens() is None:
        assert task.example[0] == ""
        assert set(task.example[1]) <= set(task.target_tokens())
        return
    source, target = (text.split() for text in task.example)
    assert set(source) <= set(task.source_tokens() or ())
    assert set(target) <= set(task.target_tokens())
    assert ANSWERS[name](source, options(task)) == target


@EVERY_TASK
def test_the_docstring_begins_with_a_true_example(name: str) -> None:
    task = make(name, {})
    first = (inspect.getdoc(type(task)) or "").splitlines()[0]
    found = re.search(r"[:?] ([^:?]+) -> (.+?)(?:[.;,] |[.;,]?$)", first)
    if found:
        assert ANSWERS[name](found[1].split(), options(task)) == found[2].split()
    else:
        assert name in ("names", "copy_memory")  # no target; too long for the line


@EVERY_CASE
def test_options_make_the_same_task_again(name: str, given: Mapping[str, Any]) -> None:
    task = make(name, given)
    assert make(name, options(task)) == task


@EVERY_TASK
def test_no_rows_are_no_rows(name: str) -> None:
    rows = make(name, {}).rows(0, "train", np.arange(0))
    assert len(rows.distinct) == len(rows.targets) == 0


@EVERY_TASK
def test_seeds_give_other_rows(name: str) -> None:
    one, other = (make(name, {}).rows(seed, "train", np.arange(50)) for seed in (0, 1))
    assert one.distinct.tokens.tolist() != other.distinct.tokens.tolist()


@pytest.mark.parametrize(
    "name", [name for name in registry.TASKS if "test_length" in options(make(name, {}))]
)
def test_lengths_of_test_rows_may_be_apart(name: str) -> None:
    task = make(name, {"length": "70:72", "test_length": "81:90"})
    lengths = {}
    for split in SPLITS:
        sources = task.rows(0, split, np.arange(400)).sources
        assert sources is not None
        lengths[split] = set(sources.lengths.tolist())
    odd = 2 if name == "mod_arith" else 1
    assert lengths["train"] | lengths["val"] <= {70, 71, 72}
    assert lengths["test"] == set(range(81, 91, odd))
    assert_apart(task, 1000)
    with pytest.raises(UsageError, match=r"task\.test_length cannot be '9:8'"):
        make(name, {"length": "70:72", "test_length": "9:8"})


def test_most_tasks_have_lengths_for_test_rows() -> None:
    known = [name for name in registry.TASKS if "test_length" in options(make(name, {}))]
    assert {"reverse", "copy", "sort", "parity", "cycle_nav", "dyck", "mqar"} <= set(known)


@EVERY_TASK
def test_guesses_score_between_nothing_and_everything(name: str) -> None:
    sizes = {"train": 3000, "val": 10, "test": 600}
    corpus = task_corpus(make(name, {}), sizes, seed=0)
    tokens = len(make(name, {}).target_tokens())
    if make(name, {}).source_tokens() is None:
        return  # a language model is held against counting, in nats
    assert list(corpus.baselines) == ["val", "test"]
    baselines = corpus.baselines["test"]
    for scores in baselines.values():
        assert all(0 <= score <= 1 for score in scores.values())
    chance, majority = (baselines[of]["token_accuracy"] for of in ("chance", "majority"))
    assert chance == pytest.approx(1 / tokens)
    assert majority > chance - 0.06  # two standard deviations of 600 one-token targets


@EVERY_TASK
def test_every_task_can_be_written_and_read(name: str, tmp_path: Path) -> None:
    meta = api.gen_data(name, tmp_path / "set", train=200, val=20, test=20, seed=1)
    assert set(meta["overlap"].values()) == {0}
    stored = build.corpus(DataConfig(path=str(tmp_path / "set")), {})
    drawn = build.corpus(DataConfig(task=name, train=200, val=20, test=20, seed=1), {})
    for split in SPLITS:
        assert stored.splits[split].targets.tokens.tolist() == (
            drawn.splits[split].targets.tokens.tolist()
        )


def test_every_task_is_listed_with_its_example() -> None:
    assert {name for name, *_ in api.tasks()} == set(registry.TASKS)


@pytest.mark.parametrize("name", registry.TASKS)
def test_every_task_tells_what_it_is_and_what_its_options_do(name: str) -> None:
    found = api.task(name)
    assert found.name == name
    assert len(found.about) > 100
    assert found.options == tuple(
        (option, default, about) for option, default, about in found.options if about.endswith(".")
    )
    kept = options(make(name, {}))
    assert [option for option, *_ in found.options] == list(kept)


def texts(task: Task, split: str, count: int) -> list[tuple[list[str], list[str]]]:
    """Return rows as lists of tokens."""
    rows = task.rows(5, split, np.arange(count))
    alphabet, answers = task.source_tokens(), task.target_tokens()
    assert alphabet is not None
    assert rows.sources is not None
    return [
        ([alphabet[i] for i in rows.sources[row]], [answers[i] for i in rows.targets[row]])
        for row in range(count)
    ]


@dataclass(frozen=True)
class Rotate(Rearrangement):
    """The source with its first token last: 3 1 4 -> 1 4 3."""

    name: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the source with its first token last"
    example: ClassVar[tuple[str, str]] = ("3 1 4", "1 4 3")

    def targets(self, sources: TokenArray) -> TokenArray:
        return np.roll(sources, -1, axis=1)


def test_a_new_task_is_one_definition_and_one_registry_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = {"rotate": f"{__name__}:Rotate"}
    monkeypatch.setattr(registry, "TASKS", {**registry.TASKS, **line})
    asked = DataConfig(task="rotate", train=500, val=50, test=60)
    corpus = build.corpus(asked, {"length": "2:4", "test_length": "6"})
    assert corpus.name == "rotate"
    assert corpus.provenance.overlap == {"train-val": 0, "train-test": 0, "val-test": 0}
    assert {"chance", "majority"} <= set(corpus.baselines["test"])
    assert {split: len(pairs) for split, pairs in corpus.splits.items()} == {
        "train": 500,
        "val": 50,
        "test": 60,
    }
    test = corpus.splits["test"]
    assert test.sources is not None
    source = corpus.codec.source_text(test.sources[0].tolist()).split()
    assert len(source) == 6
    assert corpus.codec.target_text(test.targets[0].tolist()).split() == source[1:] + source[:1]
    assert_pure(make("rotate", {}))


@dataclass(frozen=True)
class Leaky(Rotate):
    """One pool of rows for all splits."""

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        return super().rows(seed, "train", index)


@dataclass(frozen=True)
class Impure(Rotate):
    """Rows that hang on their place in the batch."""

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        return super().rows(seed, split, np.arange(len(index)))


def test_a_task_that_breaks_its_promises_is_caught() -> None:
    with pytest.raises(AssertionError):
        assert_apart(Leaky())
    with pytest.raises(AssertionError):
        assert_pure(Impure())
    corpus = task_corpus(Leaky(), {"train": 100, "val": 100, "test": 100}, 0)
    assert corpus.provenance.overlap == {"train-val": 100, "train-test": 100, "val-test": 100}


def test_fields_of_tasks_do_not_take_the_names_of_gen_data() -> None:
    reserved = set(inspect.signature(api.gen_data).parameters) - {"options"}
    for name in registry.TASKS:
        fields = {field.name for field in dataclasses.fields(make(name, {}))}
        assert not fields & reserved, name
