"""`train --ensemble`: one run folder with several members, used like a single model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import seqcli
from seqcli.api.trained_model import open_model
from seqcli.checkpoints import numpy_file
from seqcli.cli import app, shell
from seqcli.errors import CheckpointError, DivergedError, StoppedBySignal, UsageError
from seqcli.events import EnsembleFinished, EnsembleStarted, MemberEvent, RunStarted
from seqcli.runs import RunPaths

TINY = {"backend": "numpy", "hidden": 4, "threads": 1, "samples": 0, "epochs": 2}


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ensemble") / "names.txt"
    path.write_text("".join(f"{a}{b}{a}\n" for a in "abcdef" for b in "ghijkl"))
    return path


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    """Train one member after the other, in this process."""
    monkeypatch.setattr("seqcli.api.ensemble_training.default_jobs", lambda: 1)


@pytest.fixture(scope="module")
def ensemble(names):
    """Return the run of an ensemble and its events."""
    events = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqcli.api.ensemble_training.default_jobs", lambda: 1)
        out = names.parent / "run"
        run = seqcli.train(data=names, out=out, ensemble=2, seed=5, listen=events.append, **TINY)
    return run, events


def interrupt(monkeypatch, number: int) -> None:
    """Interrupt training when the member of that number starts."""
    from seqcli.api import ensemble_training

    original = ensemble_training.train_member

    def stop(job, folder, listen):
        if job.name == str(number):
            raise StoppedBySignal("stopped", "", shell.Exit(130))
        return original(job, folder, listen)

    monkeypatch.setattr(ensemble_training, "train_member", stop)


def test_members_have_consecutive_seeds_and_ordinary_run_folders(ensemble):
    run, _ = ensemble
    assert [member.seed for member in run.ensemble.members] == [5, 6]
    members = RunPaths(run.path).members
    assert [member.folder.name for member in members] == ["1", "2"]
    configs = [numpy_file.load(member.best).config["train"] for member in members]
    assert [(one["seed"], one["members"]) for one in configs] == [(5, 1), (6, 1)]
    assert "members: 2" in (run.path / "config.yaml").read_text()
    assert json.loads((run.path / "ensemble.json").read_text()) == {"members": ["1", "2"]}


def test_a_member_is_the_run_of_its_seed(ensemble, names, tmp_path):
    alone = seqcli.train(data=names, out=tmp_path / "alone", seed=6, **TINY)
    weights = [
        numpy_file.load(RunPaths(folder).best).weights
        for folder in (alone.path, ensemble[0].path / "members" / "2")
    ]
    for name, weight in weights[0].items():
        np.testing.assert_array_equal(weight, weights[1][name])


def test_events_name_the_members_and_end_with_validation_scores(ensemble):
    run, events = ensemble
    (started,) = (one for one in events if isinstance(one, EnsembleStarted))
    assert started.members == ("1", "2")
    begun = [
        e.member for e in events if isinstance(e, MemberEvent) and isinstance(e.event, RunStarted)
    ]
    assert begun == ["1", "2"]
    finished = events[-1]
    assert isinstance(finished, EnsembleFinished)
    folders = [run.path / "members" / name for name in "12"]
    for ckpt, scores in zip([*folders, run.path], finished.validation, strict=True):
        assert scores == seqcli.evaluate(ckpt, split="val").metrics


def test_the_run_folder_is_used_like_a_single_model(ensemble):
    path = ensemble[0].path
    model = open_model(path)
    assert len(model.members) == 2
    assert model.name == str(path)
    assert seqcli.evaluate(path).checkpoint == str(path)
    assert len(seqcli.sample(path, 3, seed=1).samples) == 3
    assert len(seqcli.info(path).members) == 2
    assert seqcli.info(path).next[0] == f"seqcli sample {path} --n 10"


def test_resuming_keeps_finished_members_and_trains_the_others(names, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(StoppedBySignal, match="1 of 2 members finished") as caught:
            seqcli.train(data=names, out=out, ensemble=2, **TINY)
    assert caught.value.hint == f"seqcli train --resume {out}"
    with pytest.raises(CheckpointError, match="1 of 2 members have a checkpoint"):
        open_model(out)
    best = RunPaths(out / "members" / "1").best
    before = best.stat().st_mtime_ns
    events = []
    run = seqcli.train(resume=out, listen=events.append)
    assert best.stat().st_mtime_ns == before
    begun = [
        e.member for e in events if isinstance(e, MemberEvent) and isinstance(e.event, RunStarted)
    ]
    assert begun == ["2"]
    assert len(open_model(run.path).members) == 2


def test_resuming_with_more_epochs_continues_every_member(names, tmp_path):
    out = tmp_path / "run"
    seqcli.train(data=names, out=out, ensemble=2, **TINY)
    run = seqcli.train(resume=out, epochs=3)
    assert [member.epochs for member in run.ensemble.members] == [3, 3]
    assert "epochs: 3" in (out / "config.yaml").read_text()
    with pytest.raises(UsageError, match=r"another train\.members"):
        seqcli.train(resume=out, ensemble=3)


def test_an_old_run_is_kept_until_a_new_member_is_finished(names, tmp_path, monkeypatch):
    out = tmp_path / "run"
    seqcli.train(data=names, out=out, **TINY)
    before = (out / "best.pt").read_bytes()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="already contains a run"):
        seqcli.train(data=names, out=out, ensemble=2, **TINY)
    with monkeypatch.context() as patch:
        interrupt(patch, 1)
        with pytest.raises(StoppedBySignal, match="is unchanged"):
            seqcli.train(data=names, out=out, ensemble=2, force=True, **TINY)
    assert (out / "best.pt").read_bytes() == before
    with monkeypatch.context() as patch:
        interrupt(patch, 2)
        with pytest.raises(StoppedBySignal, match="1 of 2"):
            seqcli.train(data=names, out=out, ensemble=2, force=True, **TINY)
    assert not (out / "best.pt").exists()
    assert (out / "notes.txt").read_text() == "mine"
    seqcli.train(resume=out)
    assert len(open_model(out).members) == 2


@pytest.mark.slow
def test_a_single_run_replaces_an_ensemble(names, tmp_path):
    out = tmp_path / "run"
    seqcli.train(data=names, out=out, ensemble=3, **TINY)
    seqcli.train(data=names, out=out, force=True, **TINY)
    assert not (out / "ensemble.json").exists()
    assert not (out / "members").exists()
    assert len(open_model(out).members) == 1


def test_what_cannot_be_an_ensemble_is_refused(names, tmp_path):
    with pytest.raises(UsageError, match="cannot be written to one file"):
        seqcli.train(data=names, out=tmp_path / "x.pt", ensemble=2, **TINY)
    with pytest.raises(UsageError, match="the seed of the last member"):
        seqcli.train(data=names, out=tmp_path / "x", ensemble=2, seed=2**32 - 1, **TINY)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_a_diverged_member_counts_with_its_best_checkpoint(names, tmp_path, monkeypatch):
    out = tmp_path / "run"
    seqcli.train(data=names, out=out, ensemble=2, **TINY)
    original = seqcli.api.train

    def diverge(*args, **options):
        original(*args, **options)
        raise DivergedError("the loss became NaN", "")

    monkeypatch.setattr("seqcli.api.train", diverge, raising=False)
    run = original(resume=out, epochs=3)
    assert {member.reason for member in run.ensemble.members} == {"diverged"}


@pytest.mark.parametrize("text", ["", "{}", '{"members": []}', '{"members": ["../x"]}'])
def test_a_damaged_list_of_members_gets_one_line(tmp_path, text):
    (tmp_path / "ensemble.json").write_text(text)
    with pytest.raises(CheckpointError, match="does not name the members"):
        open_model(tmp_path)


def test_the_command_shows_a_table_and_prints_json(names, tmp_path, capsys):
    words = ["train", "--data", str(names), "--ensemble", "2", "--backend", "numpy", "--json"]
    sizes = ["--hidden", "4", "--samples", "0", "--epochs", "1"]
    assert shell.run(app, [*words, *sizes, "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert [member["name"] for member in document["members"]] == ["1", "2"]
    assert document["validation"]["loss"] > 0
    assert document["members"][0]["validation"]["loss"] > 0
    assert "member 2 (2/2): 1 epoch" in err
    assert [
        line.split()[0] for line in err.splitlines() if line.startswith(("ensemble ", "member"))
    ]
    assert f"next: seqcli eval {tmp_path}/run" in err
