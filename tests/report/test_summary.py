"""The lines around a run: where it is written, how it went on, how it ended."""

from dataclasses import replace

import pytest

from seqcli.events import Finished, Progress
from seqcli.report.summary import end_lines, epoch_number, run_lines, share_done

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
        (3, "budget", "nothing to do: the run is complete; train longer with --budget N"),
        (0, "budget", "stopped after 3 epochs in 4.0 s: time budget (train.budget), 90 updates"),
        (3, "patience", "nothing to do: no improvement on validation (train.patience)"),
        (3, "interrupted", "interrupted after 0 epochs in 4.0 s, 3 in total"),
    ],
)
def test_a_run_that_went_on_tells_what_is_new(started, before, reason, told):
    finished = Finished(3, 1, SCORES, reason, 4.0, (SCORES,) * 3, updates=90)
    assert end_lines(finished, finished.history, replace(started, epochs_done=before))[0] == told


def test_a_budget_that_was_too_short_is_noted(started):
    finished = Finished(1, 1, SCORES, "budget", 4.0, (SCORES,), updates=1)
    assert sum("raise --budget" in line for line in end_lines(finished, (SCORES,), started)) == 1
    longer = replace(finished, updates=2)
    assert not any("raise --budget" in line for line in end_lines(longer, (SCORES,), started))


def test_what_the_recipe_chose_comes_first_and_what_attention_would_add_last(started):
    chosen = "recipe auto: hidden 256, 6,000 updates"
    assert run_lines(replace(started, recipe=chosen))[1] == chosen
    facts = replace(started.facts, attention_hint="add --attention: more")
    finished = Finished(1, 1, SCORES, "epochs", 4.0, (SCORES,))
    assert "add --attention: more" in end_lines(finished, (SCORES,), replace(started, facts=facts))
    assert not any("--attention" in line for line in end_lines(finished, (SCORES,), started))


def test_a_run_without_a_number_of_epochs_has_a_share_by_its_time():
    timed = Progress(3, 0, 5, 50, 100.0, share=0.25)
    assert (epoch_number(timed), share_done(timed)) == ("3", 0.25)
    counted = Progress(3, 4, 25, 50, 100.0)
    assert (epoch_number(counted), share_done(counted)) == ("3/4", 0.625)


def test_without_validation_there_is_no_best_epoch_to_tell():
    finished = Finished(1, 1, {"train_loss": 0.4}, "epochs", 4.0, ({"train_loss": 0.4},))
    assert not any("best epoch" in line for line in end_lines(finished, finished.history))


def test_a_training_on_several_processes_says_so(started):
    lines = run_lines(replace(started, processes=2))
    assert any(line.endswith("cpu, 2 threads in each of 2 processes") for line in lines)
    lines = run_lines(replace(started, device="cuda:0", processes=2))
    assert any(line.endswith("tokens; cuda in each of 2 processes") for line in lines)
