"""One checkpoint for both: each backend scores, samples and resumes what the other wrote."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import seqcli
from seqcli import registry
from seqcli.api.trained_model import open_model
from seqcli.arrays.ragged import Ragged
from seqcli.checkpoints import numpy_file
from seqcli.config.schema import keys
from seqcli.config.sections import SamplingConfig
from seqcli.data.corpus import Pairs
from seqcli.decoding.search import Search
from seqcli.errors import CheckpointError, StoppedBySignal, UsageError
from seqcli.events import EpochEnded, Progress, RunStarted
from seqcli.numpy_backend.optimizers import Optimizer

SMALL = {
    "task": "names",
    "train_rows": 300,
    "val_rows": 60,
    "test_rows": 60,
    "hidden": 12,
    "dropout": 0.0,
    "batch_size": 16,
    "lr": 5e-3,
    "threads": 1,
    "device": "cpu",
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
ROWS = Ragged.from_rows([[5, 6, 7, 8], [], [30, 4, 4], list(range(4, 31))])


def trained(folder: Path, backend: str, listen=None, set=(), **more):
    return seqcli.train(
        {}, set=set, out=folder, backend=backend, listen=listen, **{**SMALL, "epochs": 2, **more}
    )


@pytest.mark.parametrize("precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", ["torch", pytest.param("numpy", marks=pytest.mark.slow)])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_both_say_the_same_of_one_checkpoint(tmp_path, cell, backend, precision):
    run = trained(tmp_path / "run", backend, cell=cell, set=[f"train.precision={precision}"])
    ours, theirs = (open_model(run.path, backend=one) for one in ("numpy", "torch"))
    close = {"atol": TOLERANCE[precision], "rtol": TOLERANCE[precision]}
    np.testing.assert_allclose(
        ours.log_likelihoods(Pairs(ROWS)), theirs.log_likelihoods(Pairs(ROWS)), **close
    )
    for how in (SamplingConfig(), SamplingConfig(0.7, 5, 0.9)):
        np.testing.assert_allclose(
            ours.next_token([5], how), theirs.next_token([5], how), atol=1e-5
        )
    for width in (1, 4):
        mine, others = (
            model.decode(Search(width, 0.0, min(2, width)), [5, 9], 20) for model in (ours, theirs)
        )
        assert [row.tolist() for row in map(mine.__getitem__, range(len(mine)))] == [
            row.tolist() for row in map(others.__getitem__, range(len(others)))
        ]
    kind = {"float32": torch.float32, "float64": torch.float64}[precision]
    opened = torch.load(run.path / "best.pt", weights_only=True)["weights"]
    assert {weight.dtype for weight in opened.values()} == {kind}


@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=pytest.mark.slow)])
def test_evaluations_are_the_same_numbers(tmp_path, backend):
    run = trained(tmp_path / "run", backend, cell="gru")
    ours, theirs = (seqcli.evaluate(run.path, backend=one) for one in ("numpy", "torch"))
    assert ours.metrics == pytest.approx(theirs.metrics, rel=1e-5)
    assert ours.baselines == theirs.baselines
    assert run.finished.history[-1]["val_loss"] == pytest.approx(
        seqcli.evaluate(run.path, split="val").metrics["loss"], rel=1e-5
    )


def test_both_draw_the_same_texts_from_a_seed(tmp_path):
    run = trained(tmp_path / "run", "torch", cell="gru", set=["train.precision=float64"])
    for more in ({}, {"temperature": 0.5, "top_k": 5, "prefix": "a"}):
        drawn = [seqcli.sample(run.path, 50, seed=1, backend=one, **more) for one in BACKENDS]
        assert drawn[0].samples == drawn[1].samples


BACKENDS = ("numpy", "torch")
OPTIMIZERS = {
    "adamw": ("train.weight_decay=0.01",),
    "adam": ("train.weight_decay=0.01",),
    "sgd": ("train.momentum=0.9", "train.lr=0.1"),
}


@pytest.mark.parametrize(
    "optimizer",
    ["adamw", *(pytest.param(one, marks=pytest.mark.slow) for one in OPTIMIZERS if one != "adamw")],
)
@pytest.mark.parametrize(
    ("first", "then"), [("numpy", "torch"), pytest.param("torch", "numpy", marks=pytest.mark.slow)]
)
def test_a_run_goes_on_with_the_other_backend_as_it_would_have(tmp_path, first, then, optimizer):
    """Moments, position, schedule and history are handed over: in float64 the rest is rounding."""
    set = (
        *OPTIMIZERS[optimizer],
        "train.precision=float64",
        "train.grad_clip=0.3",
        "train.grad_clip_value=0.05",
        "train.schedule=plateau",
    )
    common = {"cell": "lstm", "optimizer": optimizer, "set": set}
    trained(tmp_path / "start", first, epochs=2, **common)
    alone = seqcli.train(resume=_copy(tmp_path, "alone"), epochs=4)
    told: list[object] = []
    both = seqcli.train(resume=_copy(tmp_path, "both"), epochs=4, backend=then, listen=told.append)
    assert [row["val_loss"] for row in both.finished.history] == pytest.approx(
        [row["val_loss"] for row in alone.finished.history], rel=1e-9
    )
    assert both.finished.history[-1]["smoothed_loss"] == pytest.approx(
        alone.finished.history[-1]["smoothed_loss"], rel=1e-9
    )
    started = next(event for event in told if isinstance(event, RunStarted))
    assert (started.epochs_done, started.steps_done) == (2, 38)
    assert any(f"previously trained with {first}" in note for note in started.notes)
    weights = [numpy_file.load(run.path / "last.pt").weights for run in (alone, both)]
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, rtol=1e-7, atol=1e-10)


def _copy(folder: Path, name: str) -> Path:
    return Path(shutil.copytree(folder / "start", folder / name))


def test_a_run_that_goes_on_with_its_own_backend_needs_no_note(tmp_path):
    trained(tmp_path / "start", "numpy", cell="rnn")
    told: list[object] = []
    seqcli.train(resume=tmp_path / "start", epochs=3, listen=told.append)
    assert not any("so far" in note for note in told[0].notes)


def test_the_number_of_threads_reaches_blas(tmp_path):
    with threadpool_limits(user_api="blas"):
        trained(tmp_path / "run", "numpy", cell="rnn", epochs=1, threads=2)
        counts = {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}
    assert 2 in counts


def test_the_events_tell_of_learning_and_of_names(tmp_path):
    told: list[object] = []
    run = trained(tmp_path / "run", "numpy", told.append, cell="rnn", epochs=6, samples=3)
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert [event.epoch for event in ended] == list(range(1, 7))
    assert all(len(event.samples) == 3 for event in ended)
    falling = [event.metrics["smoothed_loss"] for event in ended]
    assert all(later < earlier for earlier, later in pairwise(falling))
    assert all(event.smoothed_loss > 0 for event in told if isinstance(event, Progress))
    files = {path.name for path in run.path.iterdir()}
    assert {"best.pt", "last.pt", "config.yaml", "metrics.jsonl", "curves.png", "tb"} <= files


def test_steps_are_optimizer_steps_in_all(tmp_path):
    told: list[object] = []
    run = trained(tmp_path / "run", "numpy", told.append, cell="rnn", steps=25)
    assert (run.finished.reason, run.finished.epochs) == ("steps", 2)
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert [event.step for event in ended] == [19, 25]
    assert {event.epochs for event in ended} == {2}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"cell": "transformer"}, "model.cell"),
        ({"layers": 2}, "model.layers"),
        ({"dropout": 0.1}, "model.dropout"),
        ({"init": "orthogonal"}, "model.init"),
        ({"device": "cuda"}, "train.device"),
        ({"set": ["train.label_smoothing=0.1"]}, "train.label_smoothing"),
        ({"set": ["train.precision=bf16"]}, "train.precision"),
        ({"set": ["model.activation=relu"]}, "model.activation"),
        ({"task": "reverse"}, "sources"),
    ],
)
def test_what_it_cannot_do_is_refused(tmp_path, more, word):
    with pytest.raises(UsageError) as caught:
        trained(tmp_path / "run", "numpy", **{"cell": "rnn", **more})
    assert word in caught.value.message
    assert "--backend" in caught.value.hint


class Sign(Optimizer):
    """Move by the sign of the gradient."""

    def update_one(self, p, g, *buffers):
        p -= self.lr * np.sign(g)


@pytest.fixture
def fresh_keys():
    """Let the configuration's keys be read from the registry again, before and after a test."""
    keys.cache_clear()
    yield
    keys.cache_clear()


@pytest.mark.usefixtures("fresh_keys")
def test_an_optimizer_from_outside_needs_one_definition_and_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.OPTIMIZERS, "sign", "torch.optim:SGD")
    more = {"cell": "rnn", "set": ["train.optimizer=sign"], "lr": 5e-3}
    with pytest.raises(UsageError) as caught:
        trained(tmp_path / "run", "numpy", **more)
    assert caught.value.message == "the numpy backend has no train.optimizer sign"
    assert "adamw or adam or sgd" in caught.value.hint
    monkeypatch.setitem(registry.NUMPY_OPTIMIZERS, "sign", f"{__name__}:Sign")
    run = trained(tmp_path / "run", "numpy", **more)
    assert run.finished.history[1]["val_loss"] < run.finished.history[0]["val_loss"] < np.log(30)


def test_models_it_cannot_train_are_refused(tmp_path):
    run = trained(tmp_path / "run", "torch", cell="transformer", heads=4)
    with pytest.raises(UsageError, match=r"model\.cell transformer"):
        seqcli.train(resume=run.path, epochs=3, backend="numpy")


@pytest.mark.slow
def test_a_stop_between_steps_is_resumed_bit_for_bit(tmp_path, monkeypatch):
    def stop(event):
        if isinstance(event, Progress):
            signal.raise_signal(signal.SIGINT)

    whole = trained(tmp_path / "whole", "numpy", cell="gru", epochs=3)
    monkeypatch.setattr("seqcli.training.loop.REPORT_EVERY", 0.0)
    with pytest.raises(StoppedBySignal):
        trained(tmp_path / "parts", "numpy", stop, cell="gru", epochs=3)
    parts = seqcli.train(resume=tmp_path / "parts")
    one, other = (numpy_file.load(run.path / "last.pt") for run in (whole, parts))
    for name, array in one.weights.items():
        np.testing.assert_array_equal(other.weights[name], array)
    losses = [[row["val_loss"] for row in run.finished.history] for run in (whole, parts)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_weights_that_do_not_fit_are_refused_before_memory_is_asked_for(tmp_path, backend):
    run = trained(tmp_path / "run", "numpy", cell="gru", epochs=1)
    path = run.path / "best.pt"
    checkpoint = numpy_file.load(path)
    config = {**checkpoint.config, "model": {**checkpoint.config["model"], "hidden": 13}}
    numpy_file.save(path, replace(checkpoint, config=config))
    with pytest.raises(CheckpointError, match=r"best\.pt: the weights do not fit"):
        seqcli.sample(path, 1, backend=backend)
