"""The list of runs: what each was trained on, whether it is finished, and its scores."""

import json
import os
import shutil
from pathlib import Path

import pytest

from seqcli import api
from seqcli.cli import app, shell
from seqcli.errors import UsageError
from seqcli.files.lock import hold
from seqcli.runs import RunPaths


def test_runs_are_listed_with_data_model_state_and_scores(runs, tmp_path):
    shutil.copytree(runs["gru"], tmp_path / "comparison" / "gru")
    shutil.copytree(runs["names"], tmp_path / "names")
    for number, name in enumerate(("comparison/gru", "names")):
        for path in (tmp_path / name).glob("*"):
            os.utime(path, (number, number))
    names, gru = api.list_runs(tmp_path)
    assert (gru.path, gru.data, gru.state) == (f"{tmp_path}/comparison/gru", "copy", "finished")
    assert gru.model == "gru, additive attention, 1 x 16"
    assert (gru.epoch, gru.reason, gru.modified) == (1, "epochs", 0)
    assert "val_loss" in gru.metrics
    assert (names.data, names.model) == ("names", "lstm, 1 x 16")
    assert api.list_runs(tmp_path / "names") == [names]


def test_states(runs, tmp_path, monkeypatch):
    run = RunPaths(tmp_path / "run")
    shutil.copytree(runs["gru"], run.folder)

    def state():
        (found,) = api.list_runs(tmp_path)
        return found.state

    assert state() == "finished"
    with hold(run.lock):
        assert state() == "running"
    monkeypatch.setattr("seqcli.api.run_list.finish_reason", lambda folder: "")
    assert state() == "interrupted"
    run.last.unlink()  # an exported model: it cannot be resumed
    assert state() == "finished"
    run.best.write_bytes(b"damaged")
    assert state() == "damaged"
    run.best.unlink()
    assert state() == "no checkpoint"


def test_the_command_shows_a_table_or_json(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shell.run(app, ("runs",)) == 2
    assert "runs: there is no such folder" in capsys.readouterr().err
    Path("runs").mkdir()
    assert shell.run(app, ("runs",)) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "runs has no runs\nnext: seqcli train --task reverse\n")
    shutil.copytree(runs["gru"], "runs/gru")
    assert shell.run(app, ("runs",)) == 0
    out, err = capsys.readouterr()
    assert [word in out for word in ("runs/gru", "copy", "finished", "accuracy")] == [True] * 4
    assert err == "next: seqcli info runs/gru\n"
    assert shell.run(app, ("runs", "--json")) == 0
    (found,) = json.loads(capsys.readouterr().out)["runs"]
    assert (found["path"], found["state"]) == ("runs/gru", "finished")


def test_a_file_is_no_folder_of_runs(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        api.list_runs(tmp_path / "x")
