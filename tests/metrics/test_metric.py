"""Metrics against doing it by hand, and against rapidfuzz."""

from __future__ import annotations

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from seqcli.arrays.ragged import Ragged
from seqcli.data.vocabulary import UNK, Tokenizer
from seqcli.metrics.definitions import all_parts
from seqcli.metrics.metric import DECIMAL, PERCENT, find, names
from seqcli.metrics.predictions import (
    GAP,
    Outcome,
    PredictionTable,
    ceiling,
    count_edits,
    edit_distances,
)
from seqcli.metrics.scores import score

ROW = st.lists(st.integers(4, 7), max_size=9)
WORDS = Tokenizer("words")
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
        "token_error_rate": sum(distances) / symbols if symbols else 0,
        "mean_token_error_rate": sum(each) / number,
    }
    made = scores(found)
    assert {name: made[name] for name in expected} == pytest.approx(expected)
    assert not any(name.startswith("multi reference") for name in made)


def test_an_unknown_symbol_in_the_truth_is_never_right():
    found = outcome([[4, UNK], [5]], [[4, UNK], [5]])
    assert found.right_rows.tolist() == [False, True]
    assert find("token_accuracy").score(found) == pytest.approx(2 / 3)
    assert found.edits.tolist() == [1, 0]
    assert count_edits(found.truths, found.predictions).counts.tolist() == [1]


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
    assert find("token_accuracy").score(found) == pytest.approx(expected)
    subset = score(PredictionTable(("x",), [_tokens(truth)], [_tokens(prediction)], WORDS, WORDS))
    assert [part.token_accuracy for part in subset.by_length] == [pytest.approx(expected)]


@given(ROWS)
def test_token_accuracy_is_perfect_only_where_every_sequence_is(rows):
    found = outcome(*[list(side) for side in zip(*rows, strict=True)])
    if find("token_accuracy").score(found) == 1:
        assert find("sequence_accuracy").score(found) == 1


def _tokens(row):
    return list(map(str, row))


def test_a_loss_that_nobody_measured_is_left_out():
    rows = Ragged.from_rows([[4]])
    assert "loss" not in scores(Outcome(rows, rows))
    assert math.isnan(find("loss").score(Outcome(rows, rows)))


def plain_distance(truth, prediction):
    """Compute the Levenshtein distance with the textbook recurrence."""
    row = list(range(len(prediction) + 1))
    for i, token in enumerate(truth, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(prediction, 1):
            best = min(row[j] + 1, row[j - 1] + 1, diagonal + (token != other))
            diagonal, row[j] = row[j], best
    return row[-1]


@given(ROWS)
def test_edit_distances_against_the_textbook(rows):
    truths, predictions = (Ragged.from_rows(side) for side in zip(*rows, strict=True))
    expected = [plain_distance(truth, prediction) for truth, prediction in rows]
    assert edit_distances(truths, predictions).tolist() == expected


@given(ROWS)
def test_counted_edits_are_the_fewest_and_turn_truths_into_predictions(rows):
    truths, predictions = (Ragged.from_rows(side) for side in zip(*rows, strict=True))
    edits = count_edits(truths, predictions)
    columns = (edits.truths, edits.predictions, edits.counts)
    kinds = list(zip(*(column.tolist() for column in columns), strict=True))
    assert sum(count for *_, count in kinds) == sum(plain_distance(*row) for row in rows)
    assert all(truth != prediction for truth, prediction, _ in kinds)
    balance = Counter(truths.tokens.tolist())
    for truth, prediction, count in kinds:
        balance[truth] -= count
        balance[prediction] += count
    del balance[GAP]
    assert +balance == Counter(predictions.tokens.tolist())
    assert edits.counts.tolist() == sorted(edits.counts.tolist(), reverse=True)


@given(ROW, ROW)
def test_the_edits_of_one_row_are_an_alignment(truth, prediction):
    """Substitutions, deletions and insertions account for every token of both sides."""
    edits = count_edits(Ragged.from_rows([truth]), Ragged.from_rows([prediction]))
    deleted = edits.counts[edits.predictions == GAP].sum()
    inserted = edits.counts[edits.truths == GAP].sum()
    assert len(truth) - deleted == len(prediction) - inserted


def test_kinds_of_edits():
    edits = count_edits(Ragged.from_rows([[4, 5, 6], [4]]), Ragged.from_rows([[4, 7, 6, 8], []]))
    assert sorted(zip(edits.truths.tolist(), edits.predictions.tolist(), strict=True)) == [
        (GAP, 8),
        (4, GAP),
        (5, 7),
    ]


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
        assert made["multi_reference_token_error_rate"] == pytest.approx(rate)
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


@pytest.mark.parametrize("name", names())
def test_every_metric_has_its_name_a_label_and_a_definition(name):
    metric = find(name)
    assert metric.name == name
    assert metric.label
    assert metric.definition.endswith(".")


def test_a_difference_of_zero_has_no_sign():
    assert PERCENT.difference(-0.0001) == "0.0"
    assert DECIMAL.difference(-0.0001) == "0.000"
    assert PERCENT.difference(-0.012) == "-1.2"
