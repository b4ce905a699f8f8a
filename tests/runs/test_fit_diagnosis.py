from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.events import RunFacts
from seqcli.runs.fit_diagnosis import RULES, diagnose_fit

FACTS = RunFacts(
    folder="runs/a b",
    lr=0.003,
    hidden=64,
    dropout=0.1,
    doubled_limit="--epochs 40",
    val_rows=1000,
    baselines=(
        ("chance", {"token_accuracy": 0.1, "sequence_accuracy": 0.0}),
        ("majority", {"token_accuracy": 0.3, "sequence_accuracy": 0.5}),
    ),
)


def history(train_loss, val_loss, train=None, val=None, level="sequence"):
    rows = []
    for epoch in range(len(train_loss)):
        row = {"train_loss": train_loss[epoch], "val_loss": val_loss[epoch]}
        if train is not None:
            row[f"train_{level}_accuracy"] = train[epoch]
        if val is not None:
            row[f"val_{level}_accuracy"] = val[epoch]
        rows.append(row)
    return rows


def falling(epochs, start=2.0, rate=0.7):
    return [start * rate**epoch for epoch in range(epochs)]


def test_two_epochs_are_too_short():
    diagnosis = diagnose_fit(history([2, 1], [2, 1], [0.1, 0.9], [0.1, 0.9]))
    assert diagnosis.kind == "too short to say"
    assert diagnosis.since is None
    assert "2 epochs, at least 3 are needed" in diagnosis.text
    assert "1 epoch, at least 3 are needed" in diagnose_fit(history([2], [2])).text
    assert diagnose_fit([]).kind == "too short to say"


def test_without_a_validation_loss_there_is_no_verdict():
    diagnosis = diagnose_fit([{"train_loss": 1.0}] * 5)
    assert (diagnosis.kind, diagnosis.since) == ("too short to say", None)
    assert "no validation loss" in diagnosis.text


def test_a_rising_validation_loss_is_overfitting_since_the_epoch_after_the_lowest():
    val = [2.0, 1.0, 0.8, 0.9, 1.1, 1.3]
    diagnosis = diagnose_fit(
        history(falling(6), val, [0.5, 0.7, 0.9, 0.95, 0.99, 1], [0.5, *[0.6] * 5])
    )
    assert (diagnosis.kind, diagnosis.since) == ("overfitting", 4)
    assert "Overfitting since epoch 4" in diagnosis.text
    assert "rose from 0.8000 at epoch 3" in diagnosis.text
    assert "60.0% of validation sequences" in diagnosis.text
    assert diagnosis.command == ""  # it is not known where the run is


def test_the_first_of_equal_minima_counts():
    diagnosis = diagnose_fit(history(falling(6), [2, 0.8, 0.8, 1.2, 1.3, 1.4]))
    assert diagnosis.since == 3


def test_overfitting_needs_no_accuracies():
    assert diagnose_fit(history(falling(6), [2.0, 1.0, 0.8, 0.9, 1.1, 1.3])).kind == "overfitting"


def test_a_model_that_never_generalizes_overfits_since_epoch_two():
    diagnosis = diagnose_fit(
        history(falling(6), [2.0, 2.2, 2.5, 2.9, 3.3, 3.6], [1] * 6, [0.0] * 6)
    )
    assert diagnosis.since == 2


def test_a_single_bad_epoch_at_the_end_is_no_overfitting():
    val = [2.0, 1.0, 0.5, 0.3, 0.25, 0.6]
    train = [0.2, 0.5, 0.8, 0.9, 0.92, 0.93]
    assert diagnose_fit(history(falling(6), val, train, train)).kind == "still improving"


def test_a_single_bad_epoch_in_the_middle_is_forgiven():
    val = [2.0, 1.0, 0.5, 0.3, 0.9, 0.31, 0.305]
    accuracy = [0.1, 0.3, 0.6, 0.9, 0.8, 0.93, 0.95]
    assert diagnose_fit(history(falling(7), val, accuracy, accuracy)).kind == "good fit"


def test_a_recovery_after_a_rise_is_judged_by_the_end():
    val = [2.0, 1.0, 0.8, 1.2, 1.3, 0.7, 0.6]
    accuracy = [0.2, 0.5, 0.7, 0.7, 0.8, 0.93, 0.95]
    assert diagnose_fit(history(falling(7), val, accuracy, accuracy)).since is None


def test_a_perfect_run_whose_loss_wobbles_is_good():
    val = [1.0, 0.2, 0.01, 0.0005, 0.0015, 0.0012, 0.0018, 0.0011]
    accuracy = [0.1, 0.8, 0.99, 1, 1, 1, 0.999, 1]
    diagnosis = diagnose_fit(history(falling(8, rate=0.4), val, accuracy, accuracy))
    assert diagnosis.kind == "good fit"


def test_a_nearly_perfect_run_is_never_told_overfitting():
    val = [1.0, 0.1, 0.02, 0.05, 0.08, 0.10]
    diagnosis = diagnose_fit(history(falling(6, rate=0.3), val, [1.0] * 6, [0.995] * 6))
    assert diagnosis.kind == "good fit"


def test_a_small_rise_in_step_with_training_is_noise():
    val = [2.0, 1.0, 0.500, 0.510, 0.508, 0.512]
    train = [2.0, 1.2, 0.6, 0.55, 0.54, 0.53]
    accuracy = [0.3, 0.6, 0.92, 0.92, 0.93, 0.93]
    assert diagnose_fit(history(train, val, accuracy, accuracy)).kind == "good fit"


def test_training_loss_with_dropout_above_validation_loss_is_no_sign():
    accuracy = [0.3, 0.6, 0.9, 0.95, 0.97, 0.98]
    train = [2.0, 1.5, 1.0, 0.8, 0.7, 0.65]
    val = [1.8, 1.0, 0.6, 0.4, 0.3, 0.25]
    assert diagnose_fit(history(train, val, accuracy, accuracy)).kind == "still improving"
    flat = [0.63] * 4, [0.2] * 4, [0.98] * 4
    diagnosis = diagnose_fit(history(train + flat[0], val + flat[1], *[accuracy + flat[2]] * 2))
    assert diagnosis.kind == "good fit"


def test_a_rise_of_both_losses_is_no_overfitting():
    rising = [1.0, 0.5, 0.6, 0.8, 0.9, 1.0]
    assert diagnose_fit(history(rising, rising, [0.95] * 6, [0.95] * 6)).since is None


def test_a_flat_validation_loss_with_a_wide_gap_is_overfitting():
    val = [2.0, 1.2, 0.9, 0.905, 0.91, 0.906]
    train_accuracy = [0.2, 0.6, 0.8, 0.95, 0.99, 1.0]
    diagnosis = diagnose_fit(
        history(falling(6), val, train_accuracy, [0.2, 0.5, 0.6, 0.6, 0.6, 0.6])
    )
    assert (diagnosis.kind, diagnosis.since) == ("overfitting", 4)


def test_a_wide_gap_while_validation_still_improves_is_said():
    diagnosis = diagnose_fit(history(falling(4), [2, 1.5, 1.2, 1.1], [0.95] * 4, [0.6] * 4))
    assert diagnosis.kind == "still improving"
    gap = "; sequence accuracy on training rows is 95.0%, on validation 60.0%."
    assert diagnosis.text.endswith(gap)


def test_a_verdict_by_accuracies_names_no_losses_that_do_not_differ():
    flat = [0.9, 0.5, 0.32, 0.31, 0.3057, 0.3057]
    falling_to_it = [0.9, 0.5, 0.32, 0.306, 0.3022, 0.3022]
    train, val = [0.5, 0.7, 0.8, 0.84, 0.848, 0.848], [0.5, 0.6, 0.65, 0.7, 0.73, 0.738]
    text = diagnose_fit(history(falling_to_it, flat, train, val)).text
    accuracies = "sequence accuracy on training rows is 84.8%, on validation 73.8%"
    assert text == f"Overfitting since epoch 3: {accuracies}."
    lower = [loss / 2 for loss in falling_to_it]
    text = diagnose_fit(history(lower, flat, train, val)).text
    losses = "training loss 0.1511, validation loss 0.3057"
    assert text == f"Overfitting since epoch 3: {accuracies}; {losses}."


def test_a_wide_gap_is_overfitting_only_since_validation_stopped_improving():
    val = [1.8, 1.4, 1.1, 0.9, 0.8, 0.75, 0.73, 0.72, 0.715]
    train_accuracy = [0.3, 0.6, 0.8, 0.9, 0.95, 0.97, 0.98, 0.98, 0.98]
    diagnosis = diagnose_fit(history(falling(9), val, train_accuracy, [0.2, *[0.4] * 8]))
    assert (diagnosis.kind, diagnosis.since) == ("overfitting", 6)


def test_poor_training_that_still_improves_wants_more_epochs():
    accuracy = [0.0, 0.1, 0.2, 0.3]
    diagnosis = diagnose_fit(history([2, 1.8, 1.6, 1.4], [2, 1.8, 1.6, 1.4], accuracy, accuracy))
    assert diagnosis.kind == "still improving"
    assert "the loss is still falling (training 1.4000, validation 1.4000)" in diagnosis.text


def test_poor_training_that_stands_still_wants_another_model():
    flat = [1.4, 1.399, 1.4, 1.398, 1.4]
    diagnosis = diagnose_fit(history(flat, flat, [0.3] * 5, [0.3] * 5))
    assert diagnosis.kind == "underfitting"
    assert "no longer falling" in diagnosis.text


def test_token_accuracy_counts_where_no_sequence_accuracy_is_known():
    diagnosis = diagnose_fit(history([1.4] * 5, [1.4] * 5, [0.3] * 5, [0.3] * 5, level="token"))
    assert diagnosis.kind == "underfitting"
    assert "validation tokens" in diagnosis.text


def test_a_fast_learner_is_judged_by_where_it_ended():
    accuracy = [0.1, 0.8, 0.995]
    assert (
        diagnose_fit(history([2, 0.5, 0.02], [1, 0.1, 0.01], accuracy, accuracy)).kind == "good fit"
    )


def test_a_sudden_dip_at_the_end_is_not_underfitting():
    accuracy = [0.1, 0.8, 0.995, 0.996, 0.85]
    losses = [2, 0.5, 0.02, 0.01, 0.3]
    assert diagnose_fit(history(losses, losses, accuracy, accuracy)).kind == "good fit"


def test_a_language_model_that_still_learns_improves_and_one_that_rests_is_good():
    assert diagnose_fit(history([3, 2.5, 2.2, 2.0], [3, 2.6, 2.3, 2.1])).kind == "still improving"
    assert (
        diagnose_fit(history([2.0, 1.99, 1.985, 1.983], [2, 1.99, 1.98, 1.98])).kind == "good fit"
    )


def test_a_good_model_that_still_improves_is_said_to():
    accuracy = [0.5, 0.8, 0.9, 0.95]
    diagnosis = diagnose_fit(history(falling(4), falling(4), accuracy, accuracy))
    assert diagnosis.kind == "still improving"
    assert "95.0% of validation sequences are correct (95.0% of training" in diagnosis.text


losses = st.floats(1e-6, 20)
shares = st.floats(0, 1)


@settings(deadline=None)
@given(st.lists(st.tuples(losses, losses, shares, shares), max_size=12))
def test_any_history_gets_a_consistent_verdict(rows):
    columns = list(zip(*rows, strict=True)) or [[], [], [], []]
    diagnosis = diagnose_fit(history(*columns))
    assert diagnosis.text.endswith(".")
    assert (diagnosis.since is not None) == (diagnosis.kind == "overfitting")
    assert diagnosis.since is None or 1 <= diagnosis.since <= len(columns[1])
    if diagnosis.kind not in ("too short to say", "good fit"):
        assert diagnose_fit(history(*columns), FACTS).command.startswith("seqcli train ")


def test_a_nearly_perfect_run_is_not_told_to_go_on():
    accuracy = [0.5, 0.8, 0.99, 0.995]
    diagnosis = diagnose_fit(history(falling(4), falling(4), accuracy, accuracy))
    assert diagnosis.kind == "good fit"
    assert "still" not in diagnosis.text


def test_one_epoch_is_enough_for_a_nearly_perfect_model():
    diagnosis = diagnose_fit(history([0.1], [0.0004], [1.0], [1.0]))
    assert diagnosis.kind == "good fit"
    assert "100.0% of validation sequences are correct" in diagnosis.text


def told(train_loss, val_loss, train=None, val=None, rates=None, **facts):
    rows = history(train_loss, val_loss, train, val)
    rates = rates or [0.003] * len(rows)
    rows = [{**row, "learning_rate": rate} for row, rate in zip(rows, rates, strict=True)]
    return diagnose_fit(rows, replace(FACTS, **facts))


# Each of these was reported: what it said, and what the curves were ------------------------------


def test_a_third_of_the_rows_lost_between_training_and_validation_is_no_good_fit():
    flat = [0.9, 0.5, 0.42, 0.41, 0.405, 0.404]
    train = [0.4, 0.7, 0.85, 0.92, 0.95, 0.956]
    val = [0.4, 0.6, 0.65, 0.66, 0.664, 0.666]
    diagnosis = told(falling(6), flat, train, val)
    assert (diagnosis.kind, diagnosis.since) == ("overfitting", 3)
    expected = "sequence accuracy on training rows is 95.6%, on validation 66.6%"
    assert expected in diagnosis.text


def test_29_against_63_is_overfitting_though_training_is_poor():
    diagnosis = told(
        [2, 1.6, 1.3, 1.2, 1.19, 1.19],
        [2, 1.8, 1.75, 1.76, 1.75, 1.76],
        [0.1, 0.3, 0.5, 0.6, 0.63, 0.63],
        [0.1, 0.2, 0.27, 0.28, 0.29, 0.29],
        baselines=(("majority", {"sequence_accuracy": 0.05}),),
    )
    assert diagnosis.kind == "overfitting"


def test_a_rate_that_has_decayed_to_0_is_the_reason_for_a_flat_loss():
    cosine = [0.003, 0.0028, 0.0022, 0.0015, 0.0007, 0.0001, 0.0]
    flat = [1.4, 1.1, 0.95, 0.91, 0.905, 0.904, 0.904]
    accuracy = [0.55, 0.6, 0.66, 0.68, 0.69, 0.69, 0.69]
    diagnosis = told(flat, flat, accuracy, accuracy, cosine)
    assert diagnosis.kind == "underfitting"
    assert "learning rate to 0" in diagnosis.text
    assert diagnosis.command == "seqcli train --resume 'runs/a b' --epochs 40"
    assert "no longer falling" in told(flat, flat, accuracy, accuracy).text


@pytest.mark.parametrize(
    ("could_attend", "command"), [(False, "--hidden 128"), (True, "--attention")]
)
def test_only_a_model_that_has_no_attention_and_can_have_it_is_told_to_attend(
    could_attend, command
):
    flat = [1.4, 1.399, 1.4, 1.398, 1.4]
    diagnosis = told(flat, flat, [0.7] * 5, [0.7] * 5, could_attend=could_attend)
    assert diagnosis.kind == "underfitting"
    assert diagnosis.command == f"seqcli train --config 'runs/a b/config.yaml' {command}"


def test_at_chance_level_it_is_not_told_to_train_longer():
    flat = [0.6935, 0.6933, 0.6932, 0.6931, 0.6931]
    diagnosis = told(flat, flat, [0.51] * 5, [0.512] * 5)
    assert diagnosis.kind == "not better than the baseline"
    assert "51.2%, the baseline 'per-position majority' reaches 50.0%" in diagnosis.text
    assert diagnosis.command == "seqcli train --config 'runs/a b/config.yaml' --lr 0.001"


def test_a_slow_start_below_the_baseline_wants_more_epochs():
    diagnosis = told([2, 1.9, 1.8, 1.7], [2, 1.9, 1.8, 1.7], [0.1] * 4, [0.1] * 4)
    assert diagnosis.kind == "not better than the baseline"
    assert "still falling" in diagnosis.text
    assert "--resume" in diagnosis.command


def test_a_gap_to_the_baseline_within_two_standard_errors_is_none():
    flat = [0.5] * 5
    kinds = [told(flat, flat, [share] * 5, [share] * 5).kind for share in (0.53, 0.535)]
    assert kinds == ["not better than the baseline", "underfitting"]  # 1.6 points a standard error


def test_a_language_model_worse_than_a_bigram_table_is_told_so():
    baselines = (("chance", {"loss": 3.3}), ("bigram", {"loss": 2.45}))
    diagnosis = told([2.6] * 5, [2.6] * 5, baselines=baselines)
    assert diagnosis.kind == "not better than the baseline"
    assert "validation loss is 2.6000, the baseline 'bigram' reaches 2.4500" in diagnosis.text
    assert told([2.1] * 5, [2.1] * 5, baselines=baselines).kind == "good fit"


def test_a_memorized_training_set_is_overfitting_also_at_the_baseline():
    diagnosis = told(falling(6), [2.0, 2.2, 2.5, 2.9, 3.3, 3.6], [1] * 6, [0.5] * 6)
    assert (diagnosis.kind, diagnosis.since) == ("overfitting", 2)


@pytest.mark.parametrize(
    ("facts", "option"),
    [
        ({"drawn_rows": 1000}, "--train-rows 4000"),
        ({}, "--dropout 0.3"),
        ({"dropout": 0.4}, "--hidden 32"),
        ({"by_hand": True, "dropout": 0.0}, "--hidden 32"),
    ],
)
def test_overfitting_is_answered_by_rows_or_regularization(facts, option):
    diagnosis = told(falling(6), [2.0, 1.0, 0.8, 0.9, 1.1, 1.3], [1.0] * 6, [0.6] * 6, **facts)
    assert diagnosis.command.endswith(f"config.yaml' {option}")


def test_patience_would_end_the_longer_run_at_once_and_is_raised():
    rising = [0.6, 0.7, 0.75, 0.8]
    diagnosis = told(falling(4), falling(4), rising, rising, patience=5)
    assert diagnosis.command == "seqcli train --resume 'runs/a b' --epochs 40 --patience 10"


@pytest.mark.parametrize(("has_test", "split"), [(True, ""), (False, " --split val")])
def test_a_good_fit_is_to_be_evaluated(has_test, split):
    diagnosis = told([0.1, 0.01, 0.01], [0.1, 0.01, 0.01], [1] * 3, [1] * 3, has_test=has_test)
    assert diagnosis.text.endswith("; best baseline 'per-position majority': 50.0%.")
    assert diagnosis.command == f"seqcli eval 'runs/a b'{split}"


def curve(epochs, start, end, speed, noise, draw):
    """Return a loss that falls from ``start`` towards ``end``."""
    return [
        end + (start - end) * math.exp(-speed * epoch) + draw.gauss(0, noise)
        for epoch in range(epochs)
    ]


def generated(draw):
    """Return a run of each kind, with noise: (kind, losses and accuracies)."""
    epochs, speed = draw.randint(20, 40), draw.uniform(0.3, 0.6)
    train = curve(epochs, 2, 0.28, speed, 0.004, draw)
    val = curve(epochs, 2, 0.3, speed, 0.004, draw)
    rises = [loss + 0.04 * max(0, n - 10) for n, loss in enumerate(val)]
    share = [min(0.93, 0.1 * n) for n in range(epochs)]
    lower = [max(0.0, s - 0.02 * n) for n, s in enumerate(share)]
    low = [min(0.7, 0.1 * n) for n in range(epochs)]
    chance = [0.5 + draw.uniform(-0.01, 0.01) for _ in range(epochs)]
    flat = [0.69 + draw.gauss(0, 0.0005) for _ in range(epochs)]
    slow = curve(epochs, 4, 0, 0.05, 0.001, draw)
    yield "overfitting", (train, rises, share, lower)
    yield "overfitting", (train, val, share, lower)
    yield "good fit", (train, val, share, share)
    yield "underfitting", (train, val, low, low)
    yield "not better than the baseline", (flat, flat, chance, chance)
    yield "still improving", (slow, slow, low, low)


def test_generated_histories_of_each_kind_are_recognized():
    seen, right = Counter(), Counter()
    for seed in range(200):
        for kind, curves in generated(random.Random(seed)):
            seen[kind] += 1
            right[kind] += told(*curves).kind == kind
    assert {kind: right[kind] / seen[kind] >= 0.95 for kind in seen} == dict.fromkeys(seen, True)


def test_every_rule_speaks_for_some_history():
    flat, zero = [1.0] * 5, [0.0] * 5
    diagnosis = [
        told(falling(5), falling(5), [1] * 5, [1] * 5),
        told(falling(6), [2.0, 1.0, 0.8, 0.9, 1.1, 1.3], [1.0] * 6, [0.6] * 6),
        told(falling(5), flat, [0.9] * 5, [0.6] * 5),
        told(falling(5), falling(5), [0.1] * 5, [0.1] * 5),
        told(flat, flat, [0.1] * 5, [0.1] * 5),
        told(falling(5), falling(5), [0.8] * 5, [0.8] * 5),
        told(flat, flat, [0.8] * 5, [0.8] * 5, rates=zero),
        told(flat, flat, [0.8] * 5, [0.8] * 5),
        told(flat, flat, [0.95] * 5, [0.95] * 5),
    ]
    assert [one.kind for one in diagnosis] == [rule.kind for rule in RULES]
    assert len({one.text for one in diagnosis}) == len(RULES)
