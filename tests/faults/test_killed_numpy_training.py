"""Runs of the NumPy backend, really killed: what comes out is what would have come out."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from thorough import repeats

from seqcli.checkpoints import numpy_file

TRAIN = [sys.executable, "-m", "seqcli", "train", "--quiet"]
SMALL = (
    "--task names --backend numpy --train-rows 3000 --val-rows 100 --test-rows 20 --hidden 24 "
    "--epochs 6 --set train.save_every=0.02"
)
MODELS = {
    "rnn": "--cell rnn --schedule plateau",
    "lstm-sgd": "--cell lstm --optimizer sgd --lr 0.3 --set train.grad_clip_value=0.1",
}
TIMES = ("seconds", "sequences_per_second")
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(folder: Path, model: str) -> list[str]:
    return [*TRAIN, *SMALL.split(), *MODELS[model].split(), "--out", str(folder)]


def run(words: list[str]) -> float:
    """Run to the end; return how long it took."""
    began = time.monotonic()
    subprocess.run(words, check=True, capture_output=True, env=ALONE)
    return time.monotonic() - began


def killed_until_done(folder: Path, model: str, kills: int, seed: int, longest: float) -> int:
    """Kill and resume at random moments; return how many kills hit a run that had saved."""
    moments, hit, words = random.Random(seed), 0, command(folder, model)
    for _ in range(kills):
        process = subprocess.Popen(words, stderr=subprocess.PIPE, env=ALONE)
        if (folder / "last.pt").exists():
            time.sleep(moments.uniform(0.3, longest))
        else:  # the first kill comes soon after the first checkpoint
            while process.poll() is None and not (folder / "last.pt").exists():
                time.sleep(0.005)
            time.sleep(moments.uniform(0, 0.1))
        process.kill()
        _, errors = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), errors.decode()
        hit += process.returncode == -signal.SIGKILL and (folder / "last.pt").exists()
        if (folder / "config.yaml").exists():
            words = [*TRAIN, "--resume", str(folder)]
    run(words)
    return hit


def scores(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


def assert_same(ours: Path, reference: Path) -> None:
    for name in ("last.pt", "best.pt"):
        one, other = numpy_file.load(ours / name), numpy_file.load(reference / name)
        for key, weight in other.weights.items():
            np.testing.assert_array_equal(one.weights[key], weight, err_msg=f"{name}: {key}")
    assert scores(ours) == scores(reference)


@pytest.mark.parametrize(
    ("model", "kills"),
    [pytest.param(m, repeats(20, 4), marks=pytest.mark.slow) for m in MODELS],
)
def test_kills_change_not_a_bit(model: str, kills: int, tmp_path: Path) -> None:
    whole = run(command(tmp_path / "never", model))
    hit = killed_until_done(tmp_path / "killed", model, kills, seed=3, longest=whole)
    assert hit >= 1
    assert_same(tmp_path / "killed", tmp_path / "never")
