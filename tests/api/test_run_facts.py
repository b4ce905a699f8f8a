"""The diagnosis of a real run knows its baselines, and its commands can be run as they are."""

import shlex
from dataclasses import replace

import pytest

import seqcli
from seqcli.cli import app, shell
from seqcli.runs.fit_diagnosis import RULES
from seqcli.runs.fit_evidence import Evidence

SMALL = {"train_rows": 40, "val_rows": 20, "test_rows": 20, "threads": 1, "hidden": 8}
FLAT = [{"train_loss": 1.0, "val_loss": 1.0, "learning_rate": 0.003} for _ in range(5)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("facts") / "a run"
    events = []
    made = seqcli.train(
        task="copy", length="2:4", cell="rnn", epochs=1, out=folder, listen=events.append, **SMALL
    )
    return made, next(event for event in events if type(event).__name__ == "RunStarted")


def test_it_knows_the_baselines_of_validation(run):
    made, started = run
    scored = seqcli.evaluate(made.path, split="val").baselines
    for name, scores in started.facts.baselines:
        assert {metric: scored[name][metric] for metric in scores} == pytest.approx(scores)
    assert started.facts.val_rows == 20
    assert started.facts.could_attend
    assert started.facts.attention_hint.startswith("add --attention: ")
    assert made.diagnosis.command == f"seqcli train --resume '{made.path}' --epochs 2"


@pytest.mark.slow
def test_every_command_of_the_diagnosis_runs(run, tmp_path, monkeypatch, capsys):
    _, started = run
    monkeypatch.chdir(tmp_path)
    facts = replace(started.facts, doubled_limit="--epochs 2")
    variants = [facts, replace(facts, could_attend=False, drawn_rows=0)]
    commands = {rule.advise(Evidence(FLAT, one)) for rule in RULES for one in variants}
    assert len(commands) == 7
    for command in sorted(commands):
        words = shlex.split(command)
        extra = ["--set", "train.epochs=1"] if "--config" in words else []
        assert shell.run(app, [*words, *extra, "--quiet"]) == 0, command
    capsys.readouterr()
