"""Real runs, really killed: what comes out must be what would have come out."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from thorough import repeats

from seqcli.checkpoints import torch_file
from seqcli.cli import app, shell

TRAIN = [sys.executable, "-m", "seqcli", "train"]
SMALL = [
    "--task",
    "reverse",
    "--length",
    "3:6",
    "--vocab",
    "8",
    "--train-rows",
    "400",
    "--val-rows",
    "60",
    "--test-rows",
    "60",
    "--hidden",
    "12",
    "--embedding",
    "8",
    "--epochs",
    "6",
    "--threads",
    "1",
    "--lr",
    "5e-3",
    "--batch-size",
    "16",
    "--quiet",
    "--set",
    "train.save_every=0.05",
    "--set",
    "train.target_accuracy=2",
    "--schedule",
    "constant",
    "--warmup",
    "0",
    "--dropout",
    "0.1",
]
MODELS = {
    "gru-attention": ["--cell", "gru", "--attention"],
    "lstm-mixed": ["--cell", "lstm", "--set", "train.teacher_forcing=0.7"],
    "transformer": ["--cell", "transformer", "--heads", "2", "--schedule", "cosine"],
    "rnn-plateau": ["--cell", "rnn", "--schedule", "plateau", "--optimizer", "sgd"],
}
TIMES = ("seconds", "sequences_per_second")


def command(folder: Path, model: str) -> list[str]:
    return [*TRAIN, *SMALL, *MODELS[model], "--out", str(folder)]


def resume(folder: Path) -> list[str]:
    return [*TRAIN, "--resume", str(folder), "--quiet"]


def scores(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def assert_same(ours: Path, reference: Path) -> None:
    for name in ("last.pt", "best.pt"):
        one, other = torch_file.load(ours / name), torch_file.load(reference / name)
        for key, weight in other.weights.items():
            assert torch.equal(one.weights[key], weight), f"{name}: {key} differs"
    assert scores(ours) == scores(reference)
    assert not list(ours.glob(".*.seqcli-*"))


def killed_until_done(folder: Path, model: str, kills: int, seed: int, longest: float) -> int:
    """Kill and resume at random moments; return how many kills hit a living process."""
    moments, hit = random.Random(seed), 0
    todo = command(folder, model)
    for _ in range(kills):
        process = subprocess.Popen(todo, stderr=subprocess.PIPE)
        time.sleep(moments.uniform(0.2, longest))
        process.kill()
        _, errors = process.communicate()
        hit += process.returncode == -signal.SIGKILL
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        if (folder / "config.yaml").exists():
            todo = resume(folder)
    subprocess.run(todo, check=True, capture_output=True)
    return hit


@pytest.mark.slow
@pytest.mark.parametrize("model", list(MODELS)[: repeats(4, 1)])
def test_many_kills_change_nothing(model: str, tmp_path: Path) -> None:
    began = time.monotonic()
    subprocess.run(command(tmp_path / "never", model), check=True, capture_output=True)
    longest = 0.8 * (time.monotonic() - began)  # a kill after the end hits nothing
    hit = killed_until_done(tmp_path / "killed", model, repeats(20, 2), seed=2, longest=longest)
    assert hit >= repeats(5, 1)
    assert_same(tmp_path / "killed", tmp_path / "never")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_a_signal_saves_and_says_how_to_go_on(number: int, code: int, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = ["--epochs", "200", "--set", "train.save_every=1000"]
    process = subprocess.Popen(
        [*command(folder, "gru-attention"), *settings], stderr=subprocess.PIPE, text=True
    )
    while not (folder / "last.pt").exists():
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"seqcli train --resume {folder}" in errors
    saved = torch_file.load(folder / "last.pt")
    assert saved.training is not None
    assert saved.training["progress"]["step"] > 0


def here(*words: object) -> int:
    """Run a command line in this process; return its exit code."""
    return shell.run(app, list(map(str, words)))


@pytest.mark.slow
def test_resume_with_more_epochs_and_another_rate_but_not_another_model(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert here(*command(folder, "gru-attention")[3:], "--epochs", 1) == 0
    assert here("train", "--resume", folder, "--hidden", 24, "--lr", 1e-4) == 2
    assert "another model.hidden" in capfd.readouterr().err
    assert here("train", "--resume", folder, "--quiet", "--epochs", 2, "--lr", 1e-4) == 0
    assert [row["epoch"] for row in scores(folder)] == [1, 2]
    assert scores(folder)[1]["learning_rate"] == 1e-4


def test_a_diverging_run_stops_with_5_and_leaves_the_best(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    settings = [*command(folder, "gru-attention")[3:], "--optimizer", "sgd", "--epochs", 2]
    assert here(*settings) == 0
    before = (folder / "best.pt").read_bytes()
    assert here("train", "--resume", folder, "--epochs", 9, "--lr", 1e9) == 5
    told = capfd.readouterr().err
    assert "at step" in told
    assert "learning rate 1e+09" in told
    assert (folder / "best.pt").read_bytes() == before
