"""predict, sample, info and eval where torch cannot be imported, and both backends agree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import seqcli

ROWS = {"train_rows": 40, "val_rows": 8, "test_rows": 12, "epochs": 1, "threads": 1}
SETTINGS = {"hidden": 12, "dropout": 0.0, "seed": 3}
SIZES = ["model.embedding=8", "model.feedforward=16", "model.heads=2", "train.lr=0.02"]
BIDIRECTIONAL = ["model.layers=2", "model.bidirectional=true"]
PAIRS = {
    "gru-additive": {"cell": "gru", "attention": "additive"},
    "lstm-dot": {"cell": "lstm", "attention": "dot", "set": BIDIRECTIONAL},
    "transformer-rotary": {"cell": "transformer", "set": ["model.positions=rotary"]},
    **{
        f"transformer-{kind}": {"cell": "transformer", "set": [f"model.positions={kind}"]}
        for kind in ("sinusoidal", "learned", "none")
    },
    "rnn": {"cell": "rnn"},
    "gru-general": {"cell": "gru", "attention": "general"},
}
TEXTS = {"lstm": {"cell": "lstm"}, "transformer": {"cell": "transformer"}}
TEXTS |= {"gru": {"cell": "gru"}, "rnn": {"cell": "rnn", "backend": "numpy"}}
QUICK_PAIRS, IN_ENSEMBLE = ("gru-additive",), ("gru-additive", "transformer-rotary")
LINES = ["3 1 4 1 5", "2 7", "9"]
# Log-probabilities in nats of the two backends: sums of about ten float32 numbers.
TOLERANCE = 1e-4


def cases(table, quick):
    slow = pytest.mark.slow
    return [pytest.param(name, marks=() if name in quick else slow) for name in table]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return a function that trains a small model once and returns its run folder."""
    folder, runs = tmp_path_factory.mktemp("without-torch"), {}

    def run(kind: str, name: str) -> Path:
        if (kind, name) not in runs:
            options = dict({"pairs": PAIRS, "texts": TEXTS}[kind][name])
            task = {"task": "reverse", "length": "2:8"} if kind == "pairs" else {"task": "names"}
            options["set"] = [*SIZES, *options.get("set", ())]
            if options.get("backend") == "numpy":
                options["set"] = ["train.lr=0.02"]
            out = folder / f"{kind}-{name}"
            runs[kind, name] = seqcli.train({}, out=out, **ROWS, **SETTINGS, **task, **options).path
        return runs[kind, name]

    return run


@pytest.fixture(scope="session")
def no_torch(tmp_path_factory):
    """Return the environment of a process that cannot import torch."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "torch.py").write_text('raise ImportError("torch was imported")\n', "utf-8")
    return {**os.environ, "PYTHONPATH": str(folder)}


def command(environment, *arguments, lines=()):
    done = subprocess.run(
        [sys.executable, "-m", "seqcli", *map(str, arguments)],
        input="\n".join(lines),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", cases(PAIRS, QUICK_PAIRS))
def test_a_model_of_pairs_needs_no_torch(trained, no_torch, name):
    run = trained("pairs", name)
    attends = name != "rnn"
    greedy = command(no_torch, "predict", "--ckpt", run, lines=LINES)
    assert len(greedy.splitlines()) == 3
    more = ("--beam", 5, "--nbest", 3, "--json", *("--attention",) * attends)
    document = json.loads(command(no_torch, "predict", "--ckpt", run, *more, lines=LINES))
    assert [len(one["candidates"]) for one in document["predictions"]] == [3, 3, 3]
    drawn = command(no_torch, "sample", "--ckpt", run, "--n", 2, "--seed", 1, lines=LINES)
    assert len(drawn.splitlines()) == 3
    scores = json.loads(command(no_torch, "eval", "--ckpt", run, "--json"))
    assert scores["rows"] == 12


@pytest.mark.slow
def test_an_ensemble_needs_no_torch(trained, no_torch):
    runs = [trained("pairs", name) for name in IN_ENSEMBLE]
    ckpt = [word for run in runs for word in ("--ckpt", run)]
    more = ("--beam", 5, "--nbest", 3, "--json", "--attention")
    document = json.loads(command(no_torch, "predict", *ckpt, *more, lines=LINES))
    assert [len(one["candidates"]) for one in document["predictions"]] == [3, 3, 3]
    pattern = f"{runs[0]}*"
    scores = json.loads(command(no_torch, "eval", "--ckpt", pattern, *ckpt[2:], "--json"))
    assert scores["members"] == [f"{run}/best.pt" for run in runs]
    assert "ensemble of" in command(no_torch, "info", *runs)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEXTS)
def test_a_language_model_needs_no_torch(trained, no_torch, name):
    run = trained("texts", name)
    drawn = command(no_torch, "sample", "--ckpt", run, "--n", 3, "--seed", 1, "--logprob")
    assert len(drawn.splitlines()) == 3
    assert command(no_torch, "sample", "--ckpt", run, "--beam", 4, "--n", 2)
    assert json.loads(command(no_torch, "eval", "--ckpt", run, "--json"))["rows"] == 12
    assert "language model" in command(no_torch, "info", run)


@pytest.mark.parametrize("name", cases(PAIRS, QUICK_PAIRS))
def test_both_backends_predict_the_same(trained, name):
    """Predictions differ only where two hypotheses tie within rounding."""
    run = trained("pairs", name)
    for more in ({}, {"beam": 5, "nbest": 3}, {"attention": name != "rnn"}):
        ours, theirs = (
            list(seqcli.predict(run, LINES, backend=one, **more)) for one in ("numpy", "torch")
        )
        for mine, other in zip(ours, theirs, strict=True):
            assert_same_candidates(mine.candidates, other.candidates)
            if mine.attention is not None and mine.attention.target == other.attention.target:
                assert mine.attention.weights == pytest.approx(other.attention.weights, abs=1e-5)


def assert_same_candidates(ours, theirs):
    assert [one.score for one in ours] == pytest.approx(
        [one.score for one in theirs], abs=TOLERANCE
    )
    for mine, other in zip(ours, theirs, strict=True):
        if mine.text != other.text:  # a tie, which either may resolve
            assert mine.log_probability == pytest.approx(other.log_probability, abs=TOLERANCE)


@pytest.mark.parametrize("name", cases(PAIRS, QUICK_PAIRS))
def test_both_backends_evaluate_and_sample_the_same(trained, name):
    run = trained("pairs", name)
    ours, theirs = (seqcli.evaluate(run, backend=one) for one in ("numpy", "torch"))
    assert ours.metrics["loss"] == pytest.approx(theirs.metrics["loss"], rel=1e-5)
    given = [seqcli.evaluate(run, backend=one, oracle_length=True) for one in ("numpy", "torch")]
    for one, other in ((ours, theirs), given):
        for mine, others in zip(one.predictions, other.predictions, strict=True):
            assert mine.source == others.source
    drawn = [
        seqcli.sample(run, 5, lines=LINES, seed=1, logprob=True, backend=one).samples
        for one in ("numpy", "torch")
    ]
    assert [one.text for one in drawn[0]] == [one.text for one in drawn[1]]
    assert [one.log_probability for one in drawn[0]] == pytest.approx(
        [one.log_probability for one in drawn[1]], abs=TOLERANCE
    )
