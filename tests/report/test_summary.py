"""The lines around a run: where it is written, how it went on, how it ended."""

from dataclasses import replace

import pytest

from seqcli.events import Finished
from seqcli.report.summary import end_lines, run_lines

SCORES = {"train_loss": 0.4, "val_loss": 0.5}


@pytest.mark.parametrize(
    ("folder", "file", "told"),
    [
        ("runs/reverse-gru", "", "reverse-gru in runs/reverse-gru"),
        ("reverse-gru", "", "reverse-gru"),
        (
            "x/names",
            "x/names.pt",
            "reverse-gru: best checkpoint in x/names.pt, run folder x/names/",
        ),
    ],
)
def test_the_first_line_says_where_it_is_written(started, folder, file, told):
    assert run_lines(replace(started, folder=folder, file=file))[0] == told


@pytest.mark.parametrize(
    ("before", "reason", "told"),
    [
        (0, "epochs", "finished 3 epochs in 4.0 s"),
        (2, "epochs", "finished 1 epoch in 4.0 s, 3 in total"),
        (3, "epochs", "nothing to do: the run is complete; train longer with --epochs N"),
        (3, "patience", "nothing to do: no improvement on validation (train.patience)"),
        (3, "interrupted", "interrupted after 0 epochs in 4.0 s, 3 in total"),
    ],
)
def test_a_run_that_went_on_tells_what_is_new(started, before, reason, told):
    finished = Finished(3, 1, SCORES, reason, 4.0, (SCORES,) * 3)
    assert end_lines(finished, finished.history, replace(started, epochs_done=before))[0] == told


def test_without_validation_there_is_no_best_epoch_to_tell():
    finished = Finished(1, 1, {"train_loss": 0.4}, "epochs", 4.0, ({"train_loss": 0.4},))
    assert not any("best epoch" in line for line in end_lines(finished, finished.history))
