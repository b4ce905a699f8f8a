"""The rows a model is evaluated on are those it was trained with."""

from __future__ import annotations

import pytest

import seqcli
from seqcli.errors import DataError
from seqcli.tasks.names import Names

SMALL = {"backend": "numpy", "hidden": 8, "epochs": 1, "samples": 0, "cell": "rnn"}
ROWS = {"train_rows": 40, "val_rows": 8, "test_rows": 8}


def test_rows_of_another_version_of_the_task_are_refused(tmp_path, monkeypatch):
    run = seqcli.train({}, task="names", out=tmp_path / "run", **ROWS, **SMALL)
    assert seqcli.evaluate(run.path).rows == 8
    version = Names.version
    monkeypatch.setattr(Names, "version", version + 1)
    with pytest.raises(DataError, match=f"version {version} of this task; it is {version + 1}"):
        seqcli.evaluate(run.path)


def test_files_of_an_older_version_of_the_task_stay_usable(tmp_path, monkeypatch):
    sizes = {"train": 40, "val": 8, "test": 8}
    seqcli.gen_data("names", tmp_path / "data", **sizes)
    run = seqcli.train({}, data=tmp_path / "data", out=tmp_path / "run", **SMALL)
    monkeypatch.setattr(Names, "version", Names.version + 1)
    assert seqcli.evaluate(run.path).rows == 8


def test_a_changed_folder_is_refused(tmp_path):
    sizes = {"train": 40, "val": 8, "test": 8}
    seqcli.gen_data("names", tmp_path / "data", **sizes)
    run = seqcli.train({}, data=tmp_path / "data", out=tmp_path / "run", **SMALL)
    seqcli.gen_data("names", tmp_path / "data", seed=1, force=True, **sizes)
    with pytest.raises(DataError, match="not the data that the model was trained on"):
        seqcli.evaluate(run.path)
