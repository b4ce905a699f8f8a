"""metrics.jsonl: appended epoch by epoch, and brought in line with the checkpoint on resuming."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import UsageError
from seqcli.runs.metrics_log import append_metrics, read_metrics, recover_metrics
from seqcli.training.progress import EpochRecord


def record(epoch, **metrics):
    return EpochRecord(epoch, epoch * 10, metrics or {"val_loss": 1 / epoch}, epoch == 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def logged(path, *epochs):
    for epoch in epochs:
        append_metrics(path, record(epoch))
    return path.read_bytes()


def recovered(path, epochs, last=None):
    last = record(epochs) if last is None and epochs else last
    return recover_metrics(path, path.with_name("damaged.jsonl"), last, epochs)


def epochs_in(path):
    return [row["epoch"] for row in read_metrics(path)]


def test_each_epoch_is_a_line(path):
    logged(path, 1, 2)
    lines = path.read_text().splitlines()
    expected = {"epoch": 1, "step": 10, "val_loss": 1.0, "improved": True}
    assert json.loads(lines[0]) == expected
    assert epochs_in(path) == [1, 2]


names = st.sampled_from(["train_loss", "val_loss", "learning_rate", "seconds"])


@settings(max_examples=50)
@given(st.lists(st.dictionaries(names, st.floats(allow_nan=False), min_size=1), max_size=4))
def test_floats_survive_the_round_trip(tmp_path_factory, epochs):
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    for epoch, metrics in enumerate(epochs, 1):
        append_metrics(path, record(epoch, **metrics))
    history, note = recover_metrics(path, path, None, len(epochs))
    assert (history, note) == (epochs, "")


def test_a_resumed_run_drops_what_came_after_its_checkpoint(path):
    logged(path, 1, 2, 3)
    history, note = recovered(path, 2)
    assert (history, note) == ([{"val_loss": 1.0}, {"val_loss": 0.5}], "")
    assert epochs_in(path) == [1, 2]


def test_a_new_run_has_an_empty_log(path):
    logged(path, 1, 2, 3)
    assert recovered(path, 0) == ([], "")
    assert path.read_bytes() == b""


def test_an_epoch_that_was_committed_but_not_logged_is_added(path):
    whole = logged(path, 1, 2)
    path.write_bytes(whole.splitlines(keepends=True)[0])
    assert recovered(path, 2)[1] == ""
    assert path.read_bytes() == whole


def test_the_checkpoint_is_right_about_its_last_epoch(path):
    logged(path, 1, 2)
    history, _ = recovered(path, 2, EpochRecord(2, 20, {"val_loss": 0.125}, True))
    assert history[1] == {"val_loss": 0.125}
    assert read_metrics(path)[1]["improved"] is True


@pytest.mark.parametrize("cut", range(1, 50))
def test_a_line_cut_short_by_a_kill_is_written_again(path, cut):
    whole = logged(path, 1, 2)
    path.write_bytes(whole[:-cut])
    assert epochs_in(path) == ([1, 2] if cut == 1 else [1])
    assert recovered(path, 2)[1] == ""
    assert path.read_bytes() == whole
    assert [one.name for one in path.parent.iterdir()] == ["metrics.jsonl"]


def test_a_file_that_is_as_it_should_be_is_not_written(path):
    logged(path, 1, 2)
    before = path.stat()
    recovered(path, 2)
    after = path.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_lost_file_costs_the_history_but_not_the_run(path):
    history, note = recovered(path, 3)
    assert history == [{}, {}, {"val_loss": 1 / 3}]
    assert "lacks 2 of 3 epochs" in note
    assert epochs_in(path) == [3]
    assert recovered(path, 0, None) == ([], "")


BAD_LINES = [
    b"x\n",
    b"[1]\n",
    b'{"loss": 1}\n',
    b'{"epoch": "1", "step": 1, "improved": true}\n',
    b'{"epoch": 2, "step": 1, "val_loss": "low", "improved": true}\n',
    b'{"epoch": -2, "step": 1, "improved": true}\n',
    b"\xff\xfe\n",
    b"\n",
    b"[" * 100_000 + b"\n",
    b"9" * 5000 + b"\n",
    b"x" * 3_000_000 + b"\n",
]


@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: repr(line[:12]))
def test_a_damaged_line_is_left_out_and_the_file_as_it_was_is_kept(path, line):
    one, _, three = logged(path, 1, 2, 3).splitlines(keepends=True)
    path.write_bytes(one + line + three)
    assert epochs_in(path) == [1, 3]
    history, note = recovered(path, 3)
    assert [bool(row) for row in history] == [True, False, True]
    assert "lacks 1 of 3 epochs (the damaged file is kept as damaged.jsonl)" in note
    assert path.with_name("damaged.jsonl").read_bytes() == one + line + three
    assert path.read_bytes() == one + three


def test_what_is_no_regular_file_has_no_rows(path, tmp_path):
    os.mkfifo(path)
    assert read_metrics(path) == []
    path.unlink()
    other = tmp_path / "other"
    other.write_text("mine")
    path.symlink_to(other)
    assert read_metrics(path) == []
    with pytest.raises(UsageError, match="cannot be written"):
        append_metrics(path, record(1))
    assert other.read_text() == "mine"
