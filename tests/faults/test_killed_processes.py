"""One training on two processes of torchrun: the results of one process, whatever is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import seqcli
from seqcli.checkpoints import torch_file
from seqcli.cli import app, shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc"),
    pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="needs Gloo"),
]
TRAIN = [
    *("train", "--task", "reverse", "--length", "3:6", "--vocab", "8", "--recipe", "none"),
    *("--train-rows", "400", "--val-rows", "60", "--test-rows", "60", "--threads", "1"),
    *("--cell", "gru", "--attention", "--hidden", "12", "--embedding", "8", "--dropout", "0"),
    *("--set", "train.batch_size=57"),  # the last batch has one row
    *("--set", "train.teacher_forcing=0.7", "--set", "train.save_every=0.2"),
]
EPOCHS = 6
LOSSES = ("train_loss", "smoothed_loss", "val_loss")


def torchrun(*words: object, restarts: int = 0) -> subprocess.Popen[str]:
    """Start two processes, which are restarted if one of them ends."""
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--max-restarts={restarts}"]
    command = [*launcher, "--nproc-per-node=2", "-m", "seqcli", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder: Path) -> list[float]:
    return [row[name] for row in rows(folder) for name in LOSSES]


def process_of(launcher: subprocess.Popen[str], rank: int) -> int:
    """Return the id of the process of a rank."""
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    wanted = f"LOCAL_RANK={rank}".encode()
    environments = {int(pid): Path(f"/proc/{pid}/environ").read_bytes() for pid in children}
    (found,) = [pid for pid, text in environments.items() if wanted in text.split(b"\0")]
    return found


def kill(launcher: subprocess.Popen[str], rank: int, run: Path) -> None:
    """Kill the process of a rank after the first epoch."""
    path = run / "metrics.jsonl"
    while not (path.exists() and rows(run)):
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.02)
    os.kill(process_of(launcher, rank), signal.SIGKILL)
    assert len(rows(run)) < EPOCHS


def here(*words: object) -> None:
    """Run a command line in this process."""
    assert shell.run(app, list(map(str, words))) == 0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    here(*TRAIN, "--epochs", EPOCHS, "--quiet", "--out", folder)
    return folder


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an undisturbed run of two processes, after a look at what they write."""
    folder = tmp_path_factory.mktemp("together") / "run"
    launcher = torchrun(*TRAIN, "--epochs", EPOCHS, "--json", "--out", folder)
    output, errors = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, errors
    assert json.loads(output)["run"] == str(folder)
    assert errors.count(f"finished {EPOCHS} epochs") == 1
    return folder


def test_losses_are_those_of_one_process(alone: Path, together: Path) -> None:
    assert losses(together) == pytest.approx(losses(alone), rel=1e-5)


def test_it_resumes_with_one_process(alone: Path, together: Path, tmp_path: Path) -> None:
    for name, run in (("alone", alone), ("together", together)):
        shutil.copytree(run, tmp_path / name)
        seqcli.train(resume=tmp_path / name, epochs=EPOCHS + 1)
    resumed = losses(tmp_path / "together")
    assert len(resumed) == (EPOCHS + 1) * len(LOSSES)
    assert resumed == pytest.approx(losses(tmp_path / "alone"), rel=1e-5)


def test_a_kill_and_the_restart_by_torchrun_change_nothing(together: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [*TRAIN, "--epochs", EPOCHS, "--quiet", "--resume", "auto", "--out", run]
    launcher = torchrun(*words, restarts=1)
    kill(launcher, 0, run)
    _, errors = launcher.communicate(timeout=240)
    assert launcher.returncode == 0, errors
    for name in ("last.pt", "best.pt"):
        one, other = (torch_file.load(folder / name).weights for folder in (run, together))
        assert all(torch.equal(one[key], weight) for key, weight in other.items())
    assert losses(run) == losses(together)
