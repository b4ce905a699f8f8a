import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.errors import DataError
from seqcli.events import EpochEnded
from seqcli.report.metrics_log import MetricsLog, read_metrics, truncate_metrics


def ended(epoch, metrics=None):
    return EpochEnded(epoch, 9, epoch * 10, metrics or {"val_loss": 1 / epoch}, epoch == 1)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def logged(path, started, epochs):
    log = MetricsLog(path)
    log(started)
    for epoch in epochs:
        log(ended(epoch))
    return log


def test_each_epoch_is_a_line(path, started):
    logged(path, started, [1, 2])
    lines = path.read_text().splitlines()
    expected = {"epoch": 1, "step": 10, "val_loss": 1.0, "improved": True}
    assert json.loads(lines[0]) == expected
    assert [row["epoch"] for row in read_metrics(path)] == [1, 2]


names = st.sampled_from(["train_loss", "val_loss", "learning_rate", "seconds"])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.dictionaries(names, st.floats(allow_nan=False)), max_size=4))
def test_floats_survive_the_round_trip(tmp_path_factory, epochs):
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    path.touch()
    log = MetricsLog(path)
    for epoch, metrics in enumerate(epochs, 1):
        log(EpochEnded(epoch, 9, epoch, metrics, False))
    rows = read_metrics(path)
    assert [
        {k: row[k] for k in metrics} for row, metrics in zip(rows, epochs, strict=True)
    ] == epochs


def test_a_resumed_run_drops_what_came_after_the_checkpoint(path, started):
    logged(path, started, [1, 2, 3])
    logged(path, replace(started, epochs_done=2), [3])
    assert [row["epoch"] for row in read_metrics(path)] == [1, 2, 3]
    assert len(path.read_text().splitlines()) == 3


def test_a_new_run_starts_with_an_empty_log(path, started):
    logged(path, started, [1, 2, 3])
    logged(path, started, [1])
    assert [row["epoch"] for row in read_metrics(path)] == [1]


@pytest.mark.parametrize("cut", range(1, 50))
def test_a_line_cut_short_by_a_kill_is_dropped(path, started, cut):
    logged(path, started, [1, 2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    rows = read_metrics(path)
    assert [row["epoch"] for row in rows] == ([1, 2] if cut == 1 else [1])
    logged(path, replace(started, epochs_done=1), [2])
    assert path.read_bytes() == whole


def test_truncating_leaves_no_other_file(path, started):
    logged(path, started, [1, 2])
    truncate_metrics(path, 1)
    assert [p.name for p in path.parent.iterdir()] == ["metrics.jsonl"]
    assert [row["epoch"] for row in read_metrics(path)] == [1]


def test_no_file_is_no_rows(path):
    truncate_metrics(path, 3)
    assert not path.exists()


@pytest.mark.parametrize("line", ["x", "[1]", '{"loss": 1}', '{"epoch": "1"}', ""])
def test_a_line_that_is_no_row_is_named(path, line):
    path.write_text('{"epoch": 1}\n' + line + '\n{"epoch": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        read_metrics(path)
