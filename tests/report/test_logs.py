"""The logs of a training run: the table of epochs, plain lines, and TensorBoard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seqcli.events import EpochEnded, Example, Finished, Progress
from seqcli.report.logs import Epoch, PlainLog, epoch_table
from seqcli.report.summary import TimeLeft, share_done, sparkline
from seqcli.report.tables import fit, plain_lines, width_of


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def play(out, events):
    with PlainLog(out, Clock()) as log:
        for event in events:
            log(event)
    return out.stderr.file.getvalue().splitlines()


def test_a_run_is_one_line_for_each_epoch(pipe, run_events):
    lines = play(pipe(), run_events(3))
    epochs = [line for line in lines if line.startswith("epoch ")]
    assert len(epochs) == 3
    assert epochs[1].startswith("epoch 2/3 train_loss=0.4 val_loss=0.5 ")
    assert epochs[1].endswith(" best")
    assert not epochs[2].endswith(" best")
    assert "val_sequence_accuracy=0.94" in epochs[0]


def test_the_start_tells_the_run_and_what_the_numbers_are(pipe, run_events):
    lines = play(pipe(), run_events(1))
    assert lines[0] == "reverse-gru in runs/reverse-gru"
    assert any("312,456 parameters" in line for line in lines)
    assert "note: 2 rows were repeats" in lines
    assert any("teacher forcing" in line and "greedy decoding" in line for line in lines)


def test_nothing_is_wrapped_colored_or_boxed(pipe, run_events):
    out = pipe()
    play(out, run_events(3))
    text = out.stderr.file.getvalue()
    assert "\x1b" not in text
    assert "─" not in text
    assert max(map(len, text.splitlines())) > 80


def test_the_end_shows_examples_with_errors_in_words_and_the_verdict(pipe, run_events):
    lines = play(pipe(), run_events(3))
    assert "wrong  1 2 3   3 2 1  3 7 1       2: 2 -> 7" in lines
    assert "finished 3 epochs in 4.5 s" in lines
    assert lines[-1].startswith(("Good", "Overfitting", "Underfitting"))


def test_data_goes_to_nobody(pipe, run_events):
    out = pipe()
    play(out, run_events(3))
    assert out.stdout.file.getvalue() == ""


def test_quiet_says_nothing(pipe, run_events):
    assert play(pipe(quiet=True), run_events(3)) == []


def test_a_long_epoch_shows_a_sign_of_life_at_intervals(pipe, started):
    out, clock = pipe(), Clock()
    log = PlainLog(out, clock)
    log(started)
    before = len(out.stderr.file.getvalue().splitlines())
    for second in range(61):
        clock.now = float(second)
        log(Progress(1, 2, second + 1, 100, 500.0))
    lines = out.stderr.file.getvalue().splitlines()[before:]
    assert len(lines) == 6  # at 2, 12, 22, 32, 42, 52 s
    assert lines[0] == "epoch 1/2 step 3/100, 500 seq/s, 3:17 left"


def test_a_resumed_run_says_so(pipe, started):

    lines = play(pipe(), [replace(started, epochs_done=2, steps_done=1234)])
    assert "resuming after epoch 2 (step 1,234)" in lines


def test_an_interrupted_run_ends_well(pipe, started):
    lines = play(pipe(), [started, Finished(0, 0, {}, "interrupted", 0.1)])
    assert "interrupted after 0 epochs in 0.1 s" in lines


def test_data_cannot_steer_the_terminal(pipe, run_events):
    lines = play(pipe(), run_events(1, Example("\x1b[2J", tuple("a\tb"), tuple("a\nb"), joiner="")))
    shown = next(line for line in lines if line.startswith("wrong"))
    assert "\\x1b[2J" in shown
    assert '2: "\\t" -> "\\n"' in shown


def test_share_done_counts_epochs_and_steps():
    assert share_done(Progress(1, 4, 0, 10, 1.0)) == 0.0
    assert share_done(Progress(3, 4, 5, 10, 1.0)) == 0.625
    assert share_done(Progress(4, 4, 2, 10, 1.0, "validate")) == 1.0
    assert share_done(Progress(1, 1, 0, 0, 1.0)) == 0.0


def test_time_left_counts_from_where_this_start_began():
    clock = Clock()
    pace = TimeLeft(clock)
    assert pace.estimate(Progress(6, 10, 0, 10, 1.0)) is None  # resumed half way
    clock.now = 10.0
    assert pace.estimate(Progress(7, 10, 0, 10, 1.0)) == pytest.approx(40.0)


def test_a_sparkline_goes_from_lowest_to_highest():
    assert sparkline([1, 2, 3, 8]) == "▁▂▃█"
    assert sparkline([2.0, 2.0]) == "▁▁"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)), width=40)) == 40


def test_what_a_language_model_invents_and_its_smoothed_loss_are_told(pipe):
    names = ("anna", "o | \x1b[2Jo")
    ended = EpochEnded(1, 2, 5, {"train_loss": 2.0}, True, samples=names)
    out, clock = pipe(), Clock()
    log = PlainLog(out, clock)
    clock.now = 3.0
    log(Progress(1, 2, 3, 5, 100.0, smoothed_loss=2.7182))
    log(ended)
    lines = out.stderr.file.getvalue().splitlines()
    assert "smoothed loss 2.7182" in lines[0]
    assert lines[2] == "  samples: anna | o | \\x1b[2Jo"


METRICS = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "val_sequence_accuracy": 0.5,
    "learning_rate": 0.002,
    "teacher_forcing": 1.0,
    "seconds": 1.0,
    "sequences_per_second": 5000.0,
}


def headers(table):
    return [" ".join(column.header.split()) for column in table.columns]


def test_only_known_metrics_have_a_column_and_only_changing_settings():
    table = epoch_table([Epoch(1, METRICS), Epoch(2, METRICS)], best=1)
    expected = ["epoch", "train loss", "val loss", "val seq. acc", "seconds", "seq/s"]
    assert headers(table) == expected


def test_a_learning_rate_that_changes_is_shown():
    changed = {**METRICS, "learning_rate": 0.001}
    assert "learning rate" in headers(epoch_table([Epoch(1, METRICS), Epoch(2, changed)], 1))


def test_the_best_epoch_is_marked():
    table = epoch_table([Epoch(1, METRICS), Epoch(2, METRICS)], best=2)
    assert [row[0] for row in table.rows] == ["1", "*2"]
    assert table.strong == {1}


def test_the_newest_epochs_are_shown_and_the_rest_counted():
    epochs = [Epoch(number, METRICS) for number in range(1, 11)]
    table = epoch_table(epochs, best=9, last=3)
    assert [row[0] for row in table.rows] == ["8", "*9", "10"]
    assert table.title == "... 7 earlier epochs"
    assert table.strong == {1}
    assert epoch_table(epochs, best=0, last=0).rows == ()


def test_columns_give_way_and_validation_stays_longest():
    epochs = [Epoch(1, METRICS)]
    for width in range(80, 14, -1):
        table = fit(epoch_table(epochs, best=1), width).table
        assert width_of(table) <= width
        assert "val seq. acc" in headers(table)


def test_the_caption_tells_teacher_forced_from_free_running():
    caption = plain_lines(epoch_table([Epoch(1, METRICS)], 1))[-1]
    assert "teacher forcing" in caption
    assert "greedy decoding" in caption


def test_a_metric_missing_in_one_epoch_leaves_a_gap():
    partial = {key: value for key, value in METRICS.items() if key != "val_loss"}
    table = epoch_table([Epoch(1, METRICS), Epoch(2, partial)], 1)
    assert table.rows[1][headers(table).index("val loss")] == ""
