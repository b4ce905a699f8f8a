"""Runs are named by position or with --ckpt; without a run, those that exist are listed."""

import os
from pathlib import Path

import pytest

from seqcli.cli import app, shell
from seqcli.errors import UsageError
from seqcli.runs import RunPaths


@pytest.fixture
def opened(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command and returns the models that it opens."""
    named = []

    def keep(ckpt, *_, **__):
        named.append([str(one) for one in ckpt])
        raise UsageError("opened", "")

    for verb in ("info", "export", "evaluate", "open_model", "open_predictor", "next_tokens"):
        monkeypatch.setattr(f"seqcli.api.{verb}", keep, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words):
        named.clear()
        code = shell.run(app, words)
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        return (named[0], err) if named else ([], err)

    return run


@pytest.mark.parametrize(
    ("words", "models"),
    [
        ("info runs/x", ["runs/x"]),
        ("info --ckpt runs/x", ["runs/x"]),
        ("export runs/x --to onnx --out o", ["runs/x"]),
        ("export --ckpt runs/x --to onnx --out o", ["runs/x"]),
        ("eval runs/x", ["runs/x"]),
        ("eval runs/x runs/y --beam 2", ["runs/x", "runs/y"]),
        ("eval --ckpt runs/y runs/x", ["runs/x", "runs/y"]),
        ("sample x.pt --n 3", ["x.pt"]),
        ("sample --next x.pt", ["x.pt"]),
        ("predict runs/x", ["runs/x"]),
        ("predict runs/x ab cd --nbest 2", ["runs/x"]),
        ("predict --ckpt runs/x runs/y", ["runs/x"]),  # --ckpt: all words are sources
        ("predict ab --ckpt runs/x --ckpt runs/y", ["runs/x", "runs/y"]),
    ],
)
def test_a_run_is_named_by_position_or_with_ckpt(opened, words, models):
    assert opened(*words.split())[0] == models


@pytest.mark.parametrize("words", ["info", "export --to onnx --out o", "sample", "predict"])
def test_without_a_run_those_nearby_are_listed(opened, words):
    assert opened(*words.split()) == (
        [],
        "error: no run is named\nhint: train first: seqcli train --task reverse\n",
    )
    for number, name in enumerate(("runs/a", "runs/comparison/b", "c", "runs/no_run")):
        Path(name).mkdir(parents=True)
        if name != "runs/no_run":
            RunPaths(Path(name)).config.write_text("")
        os.utime(name, (number, number))
    Path("runs/a/members/1").mkdir(parents=True)
    RunPaths(Path("runs/a/members/1")).config.write_text("")
    os.utime("runs/a", (0, 0))
    assert opened(*words.split())[1].endswith("hint: existing runs: c, runs/comparison/b, runs/a\n")


def test_texts_without_a_run_are_no_run(opened, monkeypatch, capsys):
    monkeypatch.undo()
    assert shell.run(app, ("predict", "3 1 4")) == 4
    err = capsys.readouterr().err
    assert err.startswith("error: 3 1 4: no such run or file\nhint: ")
