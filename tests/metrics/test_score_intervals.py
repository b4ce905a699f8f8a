"""Every score has the interval of its kind, with sources as units."""

from __future__ import annotations

import numpy as np
import pytest

from seqcli.arrays.ragged import Ragged
from seqcli.metrics.definitions import MACRO_F1, all_parts
from seqcli.metrics.predictions import Outcome
from seqcli.metrics.scores import interval_methods, intervals
from seqcli.statistics import EXACT, MEAN, RATE, SHARE, binomial_interval


def answered(rng, sources, wrong=0.3, rows=60):
    """Return rows of up to three tokens, of which some answers are wrong."""
    truths = [[4 + int(n) for n in rng.integers(0, 3, rng.integers(1, 4))] for _ in range(rows)]
    answers = [row if rng.random() > wrong else [9, *row[1:], 9] for row in truths]
    sides = Ragged.from_rows(truths), Ragged.from_rows(answers)
    return Outcome(*sides, rng.random(rows), np.asarray(sources))


def test_every_score_names_its_method():
    rng = np.random.default_rng(1)
    alone, shared = (answered(rng, ids) for ids in (np.arange(60), np.arange(60) // 3))
    methods = interval_methods(all_parts(alone), alone.source_of_row)
    assert methods["sequence_accuracy"] == methods["sequence_error_rate"] == EXACT
    assert methods["token_accuracy"] == SHARE
    assert methods["token_error_rate"] == RATE
    assert methods["loss"] == MEAN
    shared_methods = interval_methods(all_parts(shared), shared.source_of_row)
    assert shared_methods["sequence_accuracy"] == SHARE


def test_every_score_lies_in_its_interval():
    outcome = answered(np.random.default_rng(2), np.arange(60) // 3)
    parts = all_parts(outcome)
    found = intervals(parts, outcome.source_of_row)
    for name, part in parts.items():
        low, high = found[name]
        assert low < part.total() < high, name
    rows = outcome.right_rows
    plain = binomial_interval(rows.sum(), len(rows))
    assert found["sequence_accuracy"] != pytest.approx(plain, abs=1e-3)


def test_all_rows_right_still_have_an_interval():
    outcome = answered(np.random.default_rng(3), np.arange(60) // 3, wrong=0)
    found = intervals(all_parts(outcome), outcome.source_of_row)
    for name in ("sequence_accuracy", "token_accuracy"):
        assert 0.75 < found[name][0] < 0.95
        assert found[name][1] == 1
    assert found["token_error_rate"][0] == 0
    assert 0.05 < found["token_error_rate"][1] < 0.25


def labeled(rng, shares, right, rows):
    """Return rows of one token each: classes drawn by ``shares``, wrong ones by them as well."""
    truths = rng.choice(len(shares), rows, p=shares)
    answers = np.where(rng.random(rows) < right, truths, rng.choice(len(shares), rows, p=shares))
    return Outcome(*(Ragged.from_rows((side + 4)[:, None].tolist()) for side in (truths, answers)))


@pytest.mark.slow
def test_macro_f1_is_covered_where_classes_are_rare():
    """12 classes of unequal size in 300 rows; the intervals of earlier versions held 80 to 90%."""
    rng, held, times = np.random.default_rng(4), 0, 150
    shares = 1 / np.arange(1, 13)
    shares /= shares.sum()
    for_ever = labeled(rng, shares, 0.9, 400_000)
    truth = MACRO_F1.score(for_ever)
    for _ in range(times):
        outcome = labeled(rng, shares, 0.9, 300)
        low, high = MACRO_F1.parts(outcome).interval(outcome.source_of_row)
        held += low <= truth <= high
    assert held / times >= 0.95 - 4 * (0.95 * 0.05 / times) ** 0.5


def test_macro_f1_of_rows_that_repeat_a_source_has_a_wider_interval():
    rng = np.random.default_rng(5)
    once = labeled(rng, [0.5, 0.3, 0.2], 0.8, 60)
    again = np.repeat(np.arange(60), 5)
    more = Outcome(once.truths.take(again), once.predictions.take(again), None, again)
    widths = [
        np.diff(MACRO_F1.parts(more).interval(ids))[0] for ids in (again, np.arange(len(again)))
    ]
    assert widths[0] > 1.8 * widths[1]


def test_macro_f1_of_right_answers_alone_ends_at_one():
    outcome = labeled(np.random.default_rng(6), [0.5, 0.5], 1.0, 40)
    low, high = MACRO_F1.parts(outcome).interval(outcome.source_of_row)
    assert 0.8 < low < 0.99
    assert high == 1
