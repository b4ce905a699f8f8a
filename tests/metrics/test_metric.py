"""Metrics against doing it by hand, and against rapidfuzz."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from seqcli import registry
from seqcli.arrays.ragged import Ragged
from seqcli.data.tokenizers import Tokenizer
from seqcli.data.vocabulary import UNK
from seqcli.metrics import edit_distance
from seqcli.metrics.edit_distance import GAP, count_edits, edit_distances
from seqcli.metrics.metric import all_parts, resolve
from seqcli.metrics.predictions import Answers, Outcome, ceiling
from seqcli.metrics.scores import score

ROW = st.lists(st.integers(4, 7), max_size=9)
ROWS = st.lists(st.tuples(ROW, ROW), min_size=1, max_size=8)


def outcome(truths, predictions, sources=None):
    groups = None if sources is None else np.array(sources)
    nats = np.arange(len(truths)) / 8
    return Outcome(Ragged.from_rows(truths), Ragged.from_rows(predictions), nats, groups)


def scores(found):
    return {name: parts.total() for name, parts in all_parts(found).items()}


@given(ROWS)
def test_scores_by_hand(rows):
    truths, predictions = [list(side) for side in zip(*rows, strict=True)]
    found = outcome(truths, predictions)
    distances = [Levenshtein.distance(a, b) for a, b in rows]
    assert found.edits.tolist() == distances
    right = sum(a == b for truth, got in rows for a, b in zip(truth, got, strict=False))
    symbols, number = sum(map(len, truths)), len(rows)
    places = sum(max(len(truth), len(got)) for truth, got in rows)
    whole = sum(truth == got for truth, got in rows)
    each = [d / max(len(truth), 1) for d, truth in zip(distances, truths, strict=True)]
    expected = {
        "loss": sum(range(number)) / 8 / (symbols + number),
        "token_accuracy": right / places if places else 0,
        "sequence_accuracy": whole / number,
        "sequence_error_rate": 1 - whole / number,
        "symbol_error_rate": sum(distances) / symbols if symbols else 0,
        "mean_symbol_error_rate": sum(each) / number,
    }
    made = scores(found)
    assert {name: made[name] for name in expected} == pytest.approx(expected)
    assert not any(name.startswith("multi reference") for name in made)


def test_an_unknown_symbol_in_the_truth_is_never_right():
    found = outcome([[4, UNK], [5]], [[4, UNK], [5]])
    assert found.right_rows.tolist() == [False, True]
    assert resolve("token_accuracy").score(found) == pytest.approx(2 / 3)
    assert found.edits.tolist() == [1, 0]
    assert count_edits(found.truths, found.predictions).times.tolist() == [1]


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        ([4, 5], [4, 5], 1),
        ([4, 5], [4, 5, 6], 2 / 3),  # one token too many
        ([4, 5], [4], 1 / 2),  # one too few
        ([4, 5], [], 0),
        ([], [4], 0),
        ([4, 5, 6], [5, 6], 0),  # position by position: nothing is aligned
        ([4, 5, 6], [4, 6, 5, 7], 1 / 4),
    ],
)
def test_token_accuracy_counts_missing_and_extra_tokens(truth, prediction, expected):
    found = outcome([truth], [prediction])
    assert resolve("token_accuracy").score(found) == pytest.approx(expected)
    subset = score(
        Answers(
            ("x",), (_text(truth),), (_text(prediction),), Tokenizer("words"), Tokenizer("words")
        )
    )
    assert [part.token_accuracy for part in subset.by_length] == [pytest.approx(expected)]


@given(ROWS)
def test_token_accuracy_is_perfect_only_where_every_sequence_is(rows):
    found = outcome(*[list(side) for side in zip(*rows, strict=True)])
    if resolve("token_accuracy").score(found) == 1:
        assert resolve("sequence_accuracy").score(found) == 1


def _text(row):
    return " ".join(map(str, row))


def test_a_loss_that_nobody_measured_is_left_out():
    rows = Ragged.from_rows([[4]])
    assert "loss" not in scores(Outcome(rows, rows))
    assert math.isnan(resolve("loss").score(Outcome(rows, rows)))


@given(ROWS)
def test_counted_edits_turn_the_truth_into_the_prediction(rows):
    truths, predictions = [Ragged.from_rows(side) for side in zip(*rows, strict=True)]
    found = count_edits(truths, predictions)
    assert found.times.sum() == edit_distances(truths, predictions).sum()
    balance = Counter()
    for wanted, got, times in zip(found.wanted, found.given, found.times, strict=True):
        balance[int(wanted)] -= int(times)
        balance[int(got)] += int(times)
    del balance[GAP]
    difference = Counter(predictions.tokens.tolist())
    difference.subtract(Counter(truths.tokens.tolist()))
    assert {s: n for s, n in balance.items() if n} == {s: n for s, n in difference.items() if n}
    assert found.times.tolist() == sorted(found.times.tolist(), reverse=True)


def test_swaps_are_preferred_to_gaps():
    found = count_edits(Ragged.from_rows([[4, 5, 6]]), Ragged.from_rows([[4, 7, 6, 8]]))
    pairs = list(zip(found.wanted.tolist(), found.given.tolist(), strict=True))
    assert sorted(pairs) == [(GAP, 8), (5, 7)]


def test_many_rows_in_small_blocks_and_rows_too_long_to_align(monkeypatch):
    rng = np.random.default_rng(0)
    sides = [[rng.integers(4, 8, n).tolist() for n in rng.integers(0, 15, 300)] for _ in range(2)]
    truths, predictions = map(Ragged.from_rows, sides)
    expected = [Levenshtein.distance(a, b) for a, b in zip(*sides, strict=True)]
    monkeypatch.setattr(edit_distance, "_BLOCK", 50)
    monkeypatch.setattr(edit_distance, "_KEPT", 400)
    assert edit_distances(truths, predictions).tolist() == expected
    assert count_edits(truths, predictions).times.sum() == sum(expected)
    monkeypatch.setattr(edit_distance, "LARGEST", 100)
    found = count_edits(truths, predictions)
    short = [(len(a) + 1) * (len(b) + 1) <= 100 for a, b in zip(*sides, strict=True)]
    assert found.times.sum() == sum(np.array(expected)[short])
    assert found.left_out == sum(d > 0 and not s for d, s in zip(expected, short, strict=True))


def multi_reference(sources, truths, predictions):
    """Score each source once, by a plain loop; a source's rows may have different predictions."""
    references = defaultdict(list)
    for source, truth in zip(sources, truths, strict=True):
        references[source].append(truth)
    right, edits_of, lengths = defaultdict(list), defaultdict(list), defaultdict(list)
    for source, got in zip(sources, predictions, strict=True):
        right[source].append(got in references[source])
        near = min((Levenshtein.distance(one, got), -len(one)) for one in references[source])
        edits_of[source].append(near[0])
        lengths[source].append(-near[1])

    def total(of):
        return sum(np.mean(values) for values in of.values())

    best = sum(Counter(map(tuple, one)).most_common(1)[0][1] for one in references.values())
    rate = total(edits_of) / total(lengths) if total(lengths) else 0.0
    return total(right) / len(references), rate, best / len(sources)


@given(st.lists(st.tuples(st.integers(0, 3), ROW, ROW), min_size=1, max_size=12))
def test_several_references_against_a_plain_loop(rows):
    names, truths, predictions = [list(side) for side in zip(*rows, strict=True)]
    order = list(dict.fromkeys(names))
    found = outcome(truths, predictions, [order.index(name) for name in names])
    accuracy, rate, best = multi_reference(names, truths, predictions)
    assert ceiling(found.sources, found.truths) == pytest.approx(best)
    made = scores(found)
    if len({(n, tuple(t)) for n, t in zip(names, truths, strict=True)}) > len(order):
        assert made["multi_reference_accuracy"] == pytest.approx(accuracy)
        assert made["multi_reference_symbol_error_rate"] == pytest.approx(rate)
    else:
        assert "multi_reference_accuracy" not in made


def test_macro_f1_by_hand():
    truths, predictions = "aaabbcd", ["a", "a", "b", "b", "x", "a", "dd"]
    found = outcome([[ord(t)] for t in truths], [[*map(ord, p)] for p in predictions])
    # a: 2 right of 3, 3 predicted: 4/6; b: 1 of 2, 2 predicted: 2/4; c and d: 0
    assert scores(found)["macro_f1"] == pytest.approx((4 / 6 + 2 / 4 + 0 + 0) / 4)
    labels = found.labels
    assert labels.ids.tolist() == [*map(ord, "abcd"), -1, ord("x")]
    assert labels.matrix()[:2].tolist() == [[2, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]]
    assert labels.matrix().sum() == 7


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30))
def test_macro_f1_is_the_mean_over_the_classes_of_the_truth(rows):
    truths, given_ = [list(side) for side in zip(*rows, strict=True)]
    each = []
    for one in set(truths):
        right = sum(t == g == one for t, g in rows)
        each.append(2 * right / (truths.count(one) + given_.count(one)))
    made = scores(outcome([[t + 4] for t in truths], [[g + 4] for g in given_]))
    if len(each) > 1:
        assert made["macro_f1"] == pytest.approx(sum(each) / len(each))
    else:
        assert "macro_f1" not in made


@pytest.mark.parametrize("name", [*registry.METRICS, *registry.EVALUATION_METRICS])
def test_every_metric_bears_its_name(name):
    table = registry.METRICS if name in registry.METRICS else registry.EVALUATION_METRICS
    assert resolve(name, table).name == name
