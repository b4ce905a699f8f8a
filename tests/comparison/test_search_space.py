"""The space of a search: what is typed, values of the space, and the order of trials."""

from __future__ import annotations

import pytest

from seqcli.comparison.search import (
    WORST,
    Parameter,
    Trial,
    best_of,
    halving_point,
    parse,
    score_of,
    spread_point,
    texts_of,
)
from seqcli.errors import UsageError
from seqcli.metrics.metric import find


def test_ranges_and_choices_are_parsed():
    found = parse(["train.lr=1e-4..1e-2:log", "model.layers=1..3", "train.optimizer=adam|sgd"])
    assert found == (
        Parameter("train.lr", 1e-4, 1e-2, log=True),
        Parameter("model.layers", 1, 3),
        Parameter("train.optimizer", choices=("adam", "sgd")),
    )
    assert [one.is_whole for one in found] == [False, True, True]
    assert list(map(str, found)) == [
        "train.lr=0.0001..0.01:log",
        "model.layers=1..3",
        "train.optimizer=adam|sgd",
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["train.lr"], "must be key=LOW..HIGH"),
        (["train.lr="], "must be key=LOW..HIGH"),
        (["train.lr=1e-3"], "must be key=LOW..HIGH"),
        (["train.lr=2..1"], "must be key=LOW..HIGH"),
        (["train.lr=1..2:exp"], "must be key=LOW..HIGH"),
        (["train.lr=1..inf"], "must be key=LOW..HIGH"),
        (["train.lr=a..b"], "must be key=LOW..HIGH"),
        (["model.layers=1..2.5"], "must be key=LOW..HIGH"),
        (["train.optimizer=adam|adam"], "must be key=LOW..HIGH"),
        (["train.lr=0..1:log"], "a logarithmic range starts above 0"),
        (["train.lrr=1..2"], "unknown key 'train.lrr'"),
        (["data.train=1..2"], r"cannot vary data\.train"),
        (["train.lr=1..2", "train.lr=1..3"], "given twice"),
    ],
)
def test_slips_are_refused(texts, message):
    with pytest.raises(UsageError, match=message):
        parse(texts)


def test_the_first_points_cover_the_space_from_its_middle():
    parameters = parse(
        ["train.lr=1e-4..1e-2:log", "model.layers=1..3", "train.optimizer=adam|adamw|sgd"]
    )
    points = [spread_point(parameters, number) for number in range(1, 8)]
    assert [one["train.lr"] for one in points[:3]] == [1e-3, 3.162e-4, 3.162e-3]
    assert {one["model.layers"] for one in points} == {1, 2, 3}
    assert {one["train.optimizer"] for one in points} == {"adam", "adamw", "sgd"}
    assert texts_of(points[0]) == ["train.lr=0.001", "model.layers=2", "train.optimizer=adam"]


def test_values_are_rounded_within_the_range():
    lr, layers = parse(["train.lr=1.00004e-4..1e-2:log", "model.layers=1..3"])
    assert lr.rounded(0.0012345678) == 0.001235
    assert lr.rounded(1.00004e-4) == 1.00004e-4
    assert layers.rounded(2.6) == 3
    assert texts_of({"train.lr": 1.00004e-4}) == ["train.lr=0.000100004"]


def test_the_loss_decides_between_equal_scores_only():
    metric = find("sequence_accuracy")
    metrics = [(0.5, 0.3), (0.5, 0.2), (0.501, 9.0), (0.5, 0.2)]
    trials = [
        Trial(number, f"r{number}", {}, {"sequence_accuracy": accuracy, "loss": loss}, 1.0)
        for number, (accuracy, loss) in enumerate(metrics, 1)
    ]
    assert best_of(trials, metric) is trials[2]
    assert best_of([*trials[:2], trials[3]], metric) is trials[1]
    failed = Trial(5, "r5", {}, {}, 0.0, "diverged")
    assert best_of([failed], metric) is None
    assert score_of(failed.metrics, metric) == WORST
    bits = find("bits_per_character")
    assert score_of({"bits_per_character": 2.0}, bits) > score_of({"bits_per_character": 2.1}, bits)


def test_the_first_five_values_of_one_parameter_are_a_grid():
    (lr,) = parse(["train.lr=1e-4..1e-2:log"])
    values = [spread_point([lr], number)["train.lr"] for number in range(1, 8)]
    assert values[:5] == [1e-3, 1e-2, 1e-4, 3.162e-4, 3.162e-3]
    assert len(set(values)) == 7


def test_intervals_next_to_the_best_value_are_halved():
    (rate,) = parse(["train.lr=1e-4..1:log"])
    scores = {1e-4: 0.0, 1e-3: 0.1, 1e-2: 0.8, 1e-1: 0.6, 1.0: 0.2}
    assert halving_point(rate, scores) == (0.03162, pytest.approx(0.7))
    assert halving_point(rate, {**scores, 0.03162: 0.9}) == (0.01778, pytest.approx(0.85))
    assert halving_point(rate, {**scores, 0.03162: 0.1}) == (0.003162, pytest.approx(0.45))
    fine = {**scores, 0.03162: 0.9, 0.01778: 0.85, 0.05623: 0.85}
    assert halving_point(rate, fine) is None


def test_the_best_value_may_be_an_end_of_the_range_and_whole_numbers_end():
    (layers,) = parse(["model.layers=1..5"])
    assert halving_point(layers, {1: 0.9, 5: 0.1}) == (3, 0.5)
    assert halving_point(layers, {1: 0.9, 2: 0.8, 5: 0.1}) is None
