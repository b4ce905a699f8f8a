"""What is special to each family of tasks: what they cover, how they are spread, wrong options."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from seqcli.data.task_corpus import task_corpus
from seqcli.errors import UsageError
from seqcli.tasks.base import make
from seqcli.tasks.drawn import owners

SPLITS = ("train", "val", "test")


def texts(name: str, given: Mapping[str, Any], split: str, count: int) -> list[tuple[str, str]]:
    """Return sources and targets with spaces between tokens."""
    task = make(name, given)
    rows = task.rows(0, split, np.arange(count))
    assert rows.sources is not None
    sides = (task.source_tokens() or (), rows.sources), (task.target_tokens(), rows.targets)
    sources, targets = (
        [" ".join(tokens[i] for i in side[row]) for row in range(count)] for tokens, side in sides
    )
    return list(zip(sources, targets, strict=True))


def baselines(name: str, given: Mapping[str, Any], train: int = 4000) -> Mapping[str, Any]:
    """Return token accuracies of guessing on 2,000 test rows."""
    corpus = task_corpus(make(name, given), {"train": train, "val": 1, "test": 2000}, 0)
    return {guess: scores["token_accuracy"] for guess, scores in corpus.baselines["test"].items()}


def test_a_copy_of_a_copy() -> None:
    assert all(
        target == f"{source} {source}"
        for source, target in texts("copy", {"duplicate": 2}, "val", 50)
    )


@pytest.mark.slow
def test_sorting_scores_nine_in_ten_without_a_look_at_the_source() -> None:
    given = {"vocab": 6, "length": "41:500"}
    assert baselines("sort", given, train=6000)["majority"] == pytest.approx(0.899, abs=0.015)


def test_majorities_are_the_known_ones() -> None:
    assert baselines("parity", {})["majority"] == pytest.approx(0.5, abs=0.05)
    assert baselines("cycle_nav", {"length": "20:40"})["majority"] == pytest.approx(0.2, abs=0.04)
    assert baselines("cycle_nav", {"length": "1:2"}, 10)["chance"] == 0.2
    assert baselines("mod_arith_brackets", {"length": "30"})["majority"] == pytest.approx(
        0.3, abs=0.04
    )
    assert baselines("listops", {})["majority"] == pytest.approx(0.16, abs=0.04)
    assert baselines("copy_memory", {})["chance"] == 0.125
    assert baselines("copy_memory", {})["majority"] == pytest.approx(0.125, abs=0.02)
    assert baselines("majority", {"length": "2"}, 2)["majority"] == 1.0  # too few rows to tell


@pytest.mark.slow
def test_heuristics_know_something_and_not_everything() -> None:
    assert baselines("mqar", {"pairs": 8})["value_in_context"] == pytest.approx(1 / 8, abs=0.05)
    assert baselines("mqar", {"pairs": 1, "noise": True})["value_in_context"] == 1.0
    carry = baselines("addition", {"digits": "3", "padding": True})
    assert 0.3 < carry["no_carry"] < 0.8
    assert baselines("addition", {"order": "reversed"})["no_carry"] > 0.3
    last = baselines("dyck", {"types": 4})
    assert last["chance"] < last["last_open"] < 0.95
    far = {"vocab": 6, "length": "1:40", "test_length": "41:500"}
    assert baselines("sort", far)["equal_shares"] == pytest.approx(0.91, abs=0.02)


def test_no_carry_is_right_where_nothing_is_carried() -> None:
    task = make("addition", {"digits": "1:4"})
    rows = task.rows(0, "train", np.arange(2000))
    assert rows.sources is not None
    guess = task.heuristics(rows.sources, rows.targets.lengths)["no_carry"]
    for row in range(2000):
        tokens = rows.sources[row].tolist()
        left, right = tokens[: tokens.index(10)], tokens[tokens.index(10) + 1 :]
        if all(a + b < 10 for a, b in zip(left[::-1], right[::-1], strict=False)):
            assert guess[row].tolist() == rows.targets[row].tolist()


def test_every_pair_of_numbers_comes_once() -> None:
    for given, count in (({"digits": "2", "padding": True}, 10_000), ({"digits": "2"}, 9_900)):
        found: Counter[str] = Counter()
        for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
            found.update(
                source for source, _ in texts("addition", given, split, int(share * count))
            )
        assert len(found) == count
        assert set(found.values()) == {1}


def test_the_longer_number_has_the_digits_asked_for() -> None:
    lengths = Counter(
        max(map(len, source.replace(" ", "").split("+")))
        for source, _ in texts("addition", {"digits": "1:4", "test_digits": 6}, "train", 400)
    )
    assert lengths == {1: 100, 2: 100, 3: 100, 4: 100}
    for source, _ in texts("addition", {"digits": "1:4", "test_digits": 6}, "test", 50):
        assert max(map(len, source.replace(" ", "").split("+"))) == 6


def test_counts_of_a_belong_to_one_split_each() -> None:
    counts = {s: {len(a.split()) for a, _ in texts("anbncn", {}, s, 200)} for s in SPLITS}
    assert {split: len(own) for split, own in counts.items()} == {"train": 24, "val": 3, "test": 3}
    assert set.union(*counts.values()) == set(range(1, 31))
    given = {"test_length": "20:60"}
    test = {len(a.split()) for a, _ in texts("anbncn", given, "test", 400)}
    assert set(range(31, 61)) <= test
    assert not test & (counts["train"] | counts["val"])


def test_words_of_brackets_open_and_close_evenly() -> None:
    sources = [source.split() for source, _ in texts("dyck", {"length": "40"}, "train", 1000)]
    assert {len(source) for source in sources} == {40}
    types = Counter(token for source in sources for token in source)
    assert abs(types["("] - types["["]) < 800
    ends = Counter(source[-1] in ")]" for source in sources)
    assert ends[True] > 400  # the answer is not always the type of the last token


def test_expressions_have_every_length_alike() -> None:
    for name, given in (
        ("mod_arith_brackets", {"length": "9:16"}),
        ("listops", {"length": "9:16"}),
    ):
        lengths = Counter(len(source.split()) for source, _ in texts(name, given, "train", 4000))
        assert set(lengths) == set(range(9, 17))
        assert all(abs(count - 500) < 110 for count in lengths.values())


def test_lists_nest_as_deep_as_asked_and_use_all_operators() -> None:
    deepest = 0
    operators: Counter[str] = Counter()
    for source, _ in texts("listops", {"depth": 3, "length": "40"}, "train", 500):
        depth = 0
        for token in source.split():
            depth += token.startswith("[") - (token == "]")
            deepest = max(deepest, depth)
            operators.update([token] if token.startswith("[") else [])
    assert deepest == 3
    assert set(operators) == {"[MIN", "[MAX", "[MED", "[SM"}
    assert max(operators.values()) < 1.2 * min(operators.values())


def test_copied_tokens_stand_anywhere() -> None:
    given = {"length": "10", "tokens": 3}
    places = Counter(
        place
        for source, _ in texts("selective_copy", given, "train", 3000)
        for place, token in enumerate(source.split())
        if token != "0"
    )
    assert set(places) == set(range(10))
    assert all(abs(count - 900) < 140 for count in places.values())


def test_queries_become_rarer_with_distance() -> None:
    asked = Counter(
        place - 8
        for source, _ in texts("mqar", {}, "train", 2000)
        for place, token in enumerate(source.split())
        if place >= 8 and token != "."
    )
    assert sum(asked.values()) == 8000
    assert asked[0] > 3 * asked[10] > 3 * asked[50] > 0


def test_one_pair_among_noise_stands_anywhere_in_the_first_half() -> None:
    given = {"pairs": 1, "noise": True, "length": "32"}
    first = Counter(
        next(place for place, token in enumerate(source.split()) if token[0] == "k")
        for source, _ in texts("mqar", given, "train", 1000)
    )
    assert set(first) == set(range(0, 16, 2))


def test_the_owner_of_a_row_hangs_on_its_tokens_alone() -> None:
    codes = np.random.default_rng(0).integers(1, 9, (4000, 6))
    wider = np.pad(codes, ((0, 0), (0, 30)))
    assert owners(codes, 7).tolist() == owners(wider, 7).tolist()
    shares = np.bincount(owners(codes, 7)) / 4000
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    assert owners(codes, 8).tolist() != owners(codes, 7).tolist()


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("parity", {"mode": "last"}, "no mode of parity is called 'last'"),
        ("dyck", {"mode": "al"}, "no mode of dyck is called 'al'"),
        ("dyck", {"depth": 1}, "task.depth cannot be 1"),
        ("copy", {"duplicate": 0}, "task.duplicate cannot be 0"),
        (
            "copy",
            {"tokens": "distinct", "length": "5:20"},
            "too few tokens for rows of 20 distinct ones",
        ),
        ("copy", {"tokens": "some"}, "no kind of tokens is called 'some'"),
        ("cycle_nav", {"positions": 1}, "task.positions cannot be 1"),
        ("mod_arith", {"length": 4}, "no expression has 4 tokens"),
        ("mod_arith", {"modulus": 1}, "task.modulus cannot be 1"),
        ("mod_arith_brackets", {"modulus": 101}, "task.modulus cannot be 101"),
        ("anbncn", {"letters": 1}, "task.letters cannot be 1"),
        ("addition", {"base": 11}, "task.base cannot be 11"),
        ("addition", {"order": "backwards"}, "no order of digits is called 'backwards'"),
        ("addition", {"test_digits": "9:8"}, "task.test_digits cannot be '9:8'"),
        ("copy_memory", {"delay": 0}, "task.delay cannot be 0"),
        ("selective_copy", {"length": "5:20"}, "task.tokens cannot be 8"),
        ("mqar", {"length": 11}, "4 pairs do not fit into 11 tokens"),
        ("mqar", {"pairs": 40}, "task.pairs cannot be 40"),
        ("listops", {"length": 3}, "task.length cannot be '3'"),
        ("scan", {"split": "add_jumps"}, "no split of scan is called 'add_jumps'"),
        ("scan", {"val_share": 0.6}, "task.val_share cannot be 0.6"),
    ],
)
def test_wrong_options_are_named(name: str, given: Mapping[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make(name, given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("mod_arith_brackets", {"length": "1", "modulus": 2}),
        ("dyck", {"length": "1", "types": 1}),
        ("anbncn", {"length": "5"}),
        ("scan", {"val_share": 0.0}),
    ],
)
def test_a_split_without_rows_says_so(name: str, given: Mapping[str, Any]) -> None:
    task = make(name, given)
    with pytest.raises(UsageError, match=r"too few|no commands") as caught:
        all(task.rows(0, split, np.arange(5)) for split in SPLITS)
    assert caught.value.hint
