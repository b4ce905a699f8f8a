"""Whole comparisons of tiny models: kept, killed, resumed, collected, told, drawn."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
from thorough import THOROUGH

import seqcli
from seqcli import api
from seqcli.api.comparison_folder import check_as_planned
from seqcli.api.parameter_matching import TOLERANCE, count_parameters
from seqcli.comparison.plan_file import read_plan
from seqcli.comparison.run_result import FILE, read_result
from seqcli.config import load
from seqcli.config.yaml_file import to_yaml
from seqcli.data.build import corpus as build_corpus
from seqcli.errors import DataError, Exit, StoppedBySignal, UsageError

SETTINGS = {
    "data.task": "reverse",
    "task.length": "2:4",
    "task.test_length": "2:6",
    "task.vocab": 6,
    "data.train": 128,
    "data.val": 24,
    "data.test": 40,
    "model.hidden": 8,
    "model.embedding": 8,
    "model.feedforward": 16,
    "train.epochs": 2,
    "train.batch_size": 64,
    "train.save_every": 0.05,
}
CELLS = ("gru", "transformer")
TIMES = ("seconds", "sequences_per_second")


def tiny(out, **options):
    return seqcli.compare(SETTINGS, cells=CELLS, seeds=2, match="none", out=out, **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return the folder and the comparison of runs never disturbed, one after the other."""
    folder = tmp_path_factory.mktemp("never") / "compare-tiny"
    return folder, tiny(folder, jobs=1)


def results(folder: Path) -> dict[str, object]:
    """Return what the runs came to, but for the times it took."""
    found = {}
    for file in sorted(folder.glob(f"*/{FILE}")):
        result = json.loads(file.read_text())
        found[file.parent.name] = {k: v for k, v in result.items() if k not in TIMES}
    return found


def test_a_comparison_leaves_runs_a_table_plots_and_a_page(done):
    folder, comparison = done
    assert [one.arm for one in comparison.arms] == ["gru-attention", "transformer"]
    assert all(len(one.results) == 2 for one in comparison.arms)
    document = json.loads((folder / "compare.json").read_text())
    assert document["arms"][1]["positions"] == "sinusoidal"
    assert document["arms"][0]["steps"] == 4
    assert set(document["baselines"]) >= {"chance", "majority"}
    assert comparison.scopes == ("in_distribution", "out_of_distribution")
    assert {one.length for one in comparison.arms[0].by_length} == {2, 3, 4, 5, 6}
    for name in ("compare.md", "curves.svg", "loss.svg", "lengths.svg", "report.html"):
        assert (folder / name).stat().st_size > 200
    kept = comparison.arms[1].results[1].scores
    validation = comparison.arms[1].results[1].validation
    assert validation == api.evaluate(folder / "transformer-s1", split="val").metrics
    assert comparison.differing == {}
    given = api.evaluate(folder / "transformer-s1", oracle_length=True)
    assert all(len(row.prediction) == len(row.truth) for row in given.predictions)
    assert "reference length was given" in given.notes[0]
    assert kept == {
        **api.evaluate(folder / "transformer-s1").metrics,
        "oracle_length_sequence_accuracy": given.metrics["sequence_accuracy"],
    }


@pytest.mark.slow
def test_typed_again_everything_is_kept_and_other_settings_are_refused(done):
    folder, comparison = done
    told = []
    again = tiny(folder, watch=lambda run, event: told.append(type(event).__name__))
    assert told == ["RunResult"] * 4
    assert again == comparison
    with pytest.raises(UsageError, match=r"another comparison: train\.epochs is 2 there, not 3"):
        seqcli.compare(
            {**SETTINGS, "train.epochs": 3}, cells=CELLS, seeds=2, match="none", out=folder
        )


def test_collect_reads_what_train_left_and_names_what_is_missing(done, tmp_path):
    folder, comparison = done
    copy = tmp_path / "compare-tiny"
    shutil.copytree(folder, copy)
    (copy / "plan.json").unlink()
    (copy / "gru-attention-s0" / FILE).unlink()  # as seqcli train leaves it
    for file in ("best.pt", "last.pt", FILE):
        (copy / "transformer-s0" / file).unlink()
    found = api.collect(copy)
    assert found.missing == ("transformer-s0",)
    assert results(copy)["gru-attention-s0"] == results(folder)["gru-attention-s0"]
    assert found.arms[0].scores == comparison.arms[0].scores
    with pytest.raises(DataError, match="no finished run"):
        api.collect(tmp_path)


def test_collect_names_runs_that_were_not_trained_as_planned(done, tmp_path):
    copy = tmp_path / "compare-tiny"
    shutil.copytree(done[0], copy)
    plan = json.loads((copy / "plan.json").read_text())
    plan["runs"]["gru-attention-s0"]["config"]["train"]["lr"] = 0.5
    plan["runs"]["gru-attention-s0"]["config"]["train"]["threads"] = 7  # of no account
    (copy / "plan.json").write_text(json.dumps(plan))
    (copy / "transformer-s1" / "best.pt").write_bytes(b"damaged")
    shutil.copytree(copy / "transformer-s0", copy / "gru-s7")
    found = api.collect(copy)
    assert found.left_out["gru-attention-s0"] == "was not trained as planned: train.lr differs"
    assert "best.pt" in found.left_out["transformer-s1"]
    assert {run.run for one in found.arms for run in one.results} == {
        "gru-attention-s1",
        "transformer-s0",
    }
    assert "not part of this comparison: gru-s7" in found.notes
    shutil.rmtree(copy / "gru-attention-s1")
    shutil.rmtree(copy / "transformer-s0")
    with pytest.raises(DataError, match="no run can be used: gru-attention-s0 was not trained"):
        api.collect(copy)
    with pytest.raises(UsageError, match=r"gru-attention-s0 was trained with another train\.lr"):
        check_as_planned(read_plan(copy).runs.values(), copy)


def test_without_a_plan_only_runs_of_the_same_data_and_budget_are_collected(tmp_path):
    def begin(run, **settings):
        folder = tmp_path / run
        folder.mkdir()
        made = load({**SETTINGS, "model.cell": run.partition("-")[0], **settings})
        (folder / "config.yaml").write_text(to_yaml(made))

    begin("gru-s0")
    begin("lstm-s0", **{"train.lr": 0.1, "train.seed": 1})
    with pytest.raises(DataError, match="no finished run"):
        api.collect(tmp_path)
    begin("rnn-s0", **{"data.train": 127, "train.epochs": 7})
    with pytest.raises(DataError, match=r"differ in data\.train, train\.epochs") as refused:
        api.collect(tmp_path)
    assert "gru-s0 and rnn-s0 are not comparable" in refused.value.message
    shutil.rmtree(tmp_path / "rnn-s0")
    begin("gru-s1", **{"train.lr": 0.1, "train.seed": 1})
    with pytest.raises(DataError, match="gru-s0 and gru-s1 are not comparable"):
        api.collect(tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.pt")}


@pytest.mark.slow
def test_force_keeps_every_run_until_another_takes_its_place(done, tmp_path):
    folder, victim = tmp_path / "compare-tiny", tmp_path / "victim"
    shutil.copytree(done[0], folder)
    shutil.copytree(done[0] / "transformer-s0", victim)
    before, outside = files(folder), files(victim)
    plan = json.loads((folder / "plan.json").read_text())
    other = {**SETTINGS, "train.epochs": 1, "model.positions": "none"}
    options = {"cells": ("gru",), "seeds": 2, "match": "none", "jobs": 1, "out": folder}
    with pytest.raises(UsageError, match="another comparison"):
        seqcli.compare(other, **options)
    with pytest.raises(UsageError):
        seqcli.compare(other, **{**options, "cells": ("nope",)}, force=True)
    stop = StoppedBySignal("stopped", "", Exit.SIGINT)
    stopped = mock.patch("seqcli.api.job_pool.run_all", side_effect=stop)
    with stopped, pytest.raises(StoppedBySignal, match="0 of 2 runs"):
        seqcli.compare(other, **options, force=True)
    assert files(folder) == before
    with pytest.raises(DataError, match="no finished run"):
        api.collect(folder)  # what is there belongs to the comparison that is replaced
    found = seqcli.compare(other, **options)  # continues
    assert [len(one.results) for one in found.arms] == [2]
    assert all(run.epochs == 1 for run in found.arms[0].results)
    assert not (folder / "transformer-s0" / "best.pt").exists()
    assert read_plan(folder).replaced == ()
    plan["runs"]["../victim"] = plan["runs"].pop("transformer-s0")
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(DataError, match="cannot be the name of a folder"):
        api.collect(folder)
    seqcli.compare(other, **options, force=True)
    assert files(victim) == outside


@pytest.mark.slow
def test_more_seeds_join_the_runs_that_are_there(done, tmp_path):
    copy = tmp_path / "compare-tiny"
    shutil.copytree(done[0], copy)
    found = seqcli.compare(SETTINGS, cells=("gru",), seeds=1, match="none", out=copy)
    assert [(one.arm, len(one.results)) for one in found.arms] == [
        ("gru-attention", 2),
        ("transformer", 2),
    ]


def test_files_without_test_rows_are_scored_on_validation(tmp_path):
    for name in ("train", "val"):
        rows = [f"{a}{b}\t{b}{a}" for a in "abcde" for b in "vwxyz"[: 4 if name == "train" else 5]]
        (tmp_path / f"{name}.tsv").write_text("\n".join(rows) + "\n")
    found = seqcli.compare(
        {key: SETTINGS[key] for key in ("model.hidden", "model.embedding")},
        cells=("gru",),
        seeds=1,
        epochs=1,
        jobs=1,
        out=tmp_path / "runs",
        train=str(tmp_path / "train.tsv"),
        val=str(tmp_path / "val.tsv"),
    )
    run = found.arms[0].first
    assert (found.split, run.split, set(run.metrics)) == ("val", "val", {"val"})
    assert set(run.rows) == {"val"}
    assert run.scores == run.validation


def command(folder: Path) -> list[str]:
    words = [sys.executable, "-m", "seqcli", "compare", "--cells", ",".join(CELLS), "--seeds", "2"]
    words += ["--match", "none"]
    for key, value in SETTINGS.items():
        words += ["--set", f"{key}={value}"]
    return [*words, "--jobs", "1", "--quiet", "--out", str(folder)]


def begun(folder: Path) -> bool:
    """Say whether one run is finished and the next one has been saved."""
    return any(folder.glob(f"*/{FILE}")) and len(list(folder.glob("*/last.pt"))) > 1


@pytest.mark.slow
def test_killed_and_typed_again_it_ends_the_same(done, tmp_path):
    folder = tmp_path / "killed"
    process = subprocess.Popen(command(folder))
    while process.poll() is None and not begun(folder):
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    before = {path: path.stat().st_mtime_ns for path in folder.glob(f"*/{FILE}")}
    comparison = tiny(folder, jobs=1)
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    assert results(folder) == results(done[0])
    assert comparison.tests == done[1].tests


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="many comparisons; SEQCLI_THOROUGH=1 runs it")
def test_many_kills_change_nothing(done, tmp_path):
    folder, moments, hit = tmp_path / "killed", random.Random(3), 0
    for _ in range(20):
        process = subprocess.Popen(command(folder))
        time.sleep(moments.uniform(1.0, 9.0))
        process.kill()
        hit += process.wait() == -signal.SIGKILL
    subprocess.run(command(folder), check=True)
    assert hit >= 5
    assert results(folder) == results(done[0])


def test_parameters_are_matched(tmp_path):
    plan = api.plan({**SETTINGS, "model.hidden": 32}, attention="both", seeds=1, out=tmp_path)
    corpus = build_corpus(plan.runs[0].config.data, plan.runs[0].config.task)
    counts = {run.arm: count_parameters(run.config, corpus) for run in plan.runs}
    assert len(counts) == 7
    assert max(counts.values()) / min(counts.values()) < (1 + TOLERANCE) ** 2
    goal = counts["transformer"]
    assert all(abs(count - goal) <= TOLERANCE * goal for count in counts.values())
    free = api.plan(SETTINGS, match="none", seeds=1, out=tmp_path)
    assert {run.config.model.hidden for run in free.runs} == {8}


@pytest.mark.slow
def test_names_are_compared_by_bits(tmp_path):
    settings = {"data.task": "names", "data.train": 60, "data.val": 20, "data.test": 20}
    settings |= {"model.hidden": 8, "train.epochs": 1, "train.samples": 0}
    found = seqcli.compare(settings, cells=("rnn", "gru"), seeds=1, jobs=1, out=tmp_path / "n")
    assert found.metric.name == "bits_per_character"
    rows = found.arms[0].first.rows["test"]
    bits = found.arms[0].first.metrics["test"]["bits_per_character"]
    assert sum(rows.score) / sum(rows.weight) == pytest.approx(bits, abs=1e-5)
    assert "bits per character" in (tmp_path / "n" / "compare.md").read_text()
    assert found.arms[0].first.samples


def test_a_damaged_result_is_made_again(done, tmp_path):
    (tmp_path / FILE).write_text('{"format": 1, "run": "x"}')
    assert read_result(tmp_path) is None
    assert read_result(done[0] / "transformer-s0") is not None
