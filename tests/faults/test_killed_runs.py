"""Commands killed at random moments, start-up included: the state is the old one or the new one,
and the same command (or ``--resume``) ends with the weights of a run that nothing disturbed."""

from __future__ import annotations

import filecmp
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from thorough import THOROUGH, repeats

from seqcli.checkpoints import numpy_file
from seqcli.runs import RunPaths

ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}
SEQCLI = [sys.executable, "-m", "seqcli"]
SETTINGS = {
    "numpy": "--task names --backend numpy --cell gru --hidden 24 --train-rows 1500 --samples 0",
    "torch": "--task reverse --cell gru --attention --length 3:6 --vocab 8 --hidden 12 "
    "--embedding 8 --train-rows 300 --lr 5e-3 --dropout 0.1 --set train.target_accuracy=2",
}
SMALL = "--val-rows 60 --test-rows 20 --batch-size 32 --epochs 4 --threads 1 --quiet"
SAVES = ("--set", "train.save_every=0.03")
LONGEST = 240  # seconds that any command may take on a busy machine


def train(backend: str, out: Path, *more: str) -> list[str]:
    words = [*SETTINGS[backend].split(), *SMALL.split(), *SAVES, "--out", str(out), *more]
    return [*SEQCLI, "train", *words]


def resume(folder: Path) -> list[str]:
    return [*SEQCLI, "train", "--resume", str(folder), "--quiet"]


def finish(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, env=ALONE, timeout=LONGEST)
    assert done.returncode == 0, done.stderr


def kill_at(words: list[str], moment: float) -> bool:
    """Start a command and kill it after some seconds; return whether it was still at work."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ALONE)
    time.sleep(moment)
    process.kill()
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode == -signal.SIGKILL


@dataclass
class Reference:
    """Runs that nothing disturbed: an old one with a note of the user's, a new one, its time."""

    old: Path
    new: RunPaths
    seconds: float


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Reference]:
    """Return what makes the references of a backend, once."""

    @functools.cache
    def make(backend: str) -> Reference:
        root = tmp_path_factory.mktemp(backend)
        (root / "old").mkdir()
        finish(train(backend, root / "old" / "run.pt", "--seed", "5", "--epochs", "1"))
        (root / "old" / "run" / "notes.txt").write_text("mine")
        began = time.monotonic()
        finish(train(backend, root / "new.pt"))
        new = RunPaths(root / "new", root / "new.pt")
        return Reference(root / "old", new, time.monotonic() - began)

    return make


def same_weights(one: Path, other: Path) -> bool:
    ours, theirs = numpy_file.load(one).weights, numpy_file.load(other).weights
    return all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def check_done(run: RunPaths, reference: RunPaths) -> None:
    """Check that a run ended as the undisturbed one, and left nothing else behind."""
    assert same_weights(run.last, reference.last)
    assert same_weights(run.best, reference.best)
    assert run.extra_best is not None
    assert filecmp.cmp(run.best, run.extra_best, shallow=False)
    assert not list(run.folder.parent.rglob(".*.seqcli-*"))
    assert len(run.metrics.read_text().splitlines()) == 4


def is_old(run: RunPaths, old: Path) -> bool:
    """Return whether the old run is there; then check that it is whole."""
    if not filecmp.cmp(run.last, old / "run" / "last.pt", shallow=False):
        return False
    for path in old.rglob("*"):
        if path.is_file() and path.name != ".lock":
            there = run.folder.parent / path.relative_to(old)
            assert filecmp.cmp(path, there, shallow=False), there
    return True


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("backend", "kills"),
    [
        pytest.param("numpy", repeats(12, 2), marks=slow),
        pytest.param("torch", 5, marks=slow),
    ][: repeats(2, 1)],
)
def test_a_forced_run_that_is_killed_leaves_the_old_run_or_the_new_one(
    backend: str, kills: int, reference: Callable[[str], Reference], tmp_path: Path
) -> None:
    known, draw, hit = reference(backend), random.Random(kills), 0
    for number in range(kills):
        place = tmp_path / str(number)
        shutil.copytree(known.old, place)
        run = RunPaths(place / "run", place / "run.pt")
        words = train(backend, place / "run.pt", "--force")
        hit += kill_at(words, draw.uniform(0, 0.6 * known.seconds))
        finish(words if is_old(run, known.old) else resume(run.folder))
        check_done(run, known.new)
        assert (run.folder / "notes.txt").read_text() == "mine"
    assert hit or kills == 1


@pytest.mark.parametrize(
    ("backend", "kills"), [("numpy", repeats(10, 4)), ("torch", 6)][: repeats(2, 1)]
)
@slow
def test_a_new_run_that_is_killed_again_and_again_ends_with_the_same_bits(
    backend: str, kills: int, reference: Callable[[str], Reference], tmp_path: Path
) -> None:
    known, draw, hit = reference(backend), random.Random(kills), 0
    run = RunPaths(tmp_path / "run", tmp_path / "run.pt")
    new = train(backend, tmp_path / "run.pt")
    for _ in range(kills):
        words = resume(run.folder) if run.has_checkpoint() else new
        hit += kill_at(words, draw.uniform(0, 0.6 * known.seconds))
    finish(resume(run.folder) if run.has_checkpoint() else new)
    check_done(run, known.new)
    assert hit


COMPARE = (
    "compare --task reverse --length 2:4 --vocab 6 --train-rows 128 --val-rows 24 --test-rows 24 "
    "--set model.hidden=8 --set model.embedding=8 --epochs 3 --batch-size 32 --match none "
    "--cells rnn,gru --seeds 1 --jobs 2 --quiet --set train.save_every=0.03"
)


def free(folder: Path) -> None:
    """Wait until the workers of a killed comparison have noticed and ended."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        locks = [path.read_text() for path in folder.glob("*/.lock")]
        if not any(pid and Path(f"/proc/{pid}").exists() for pid in locks):
            return
        time.sleep(0.05)


@slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_comparison_that_is_killed_ends_with_the_same_bits(tmp_path: Path) -> None:
    words = [*SEQCLI, *COMPARE.split(), "--out"]
    began, draw, hit = time.monotonic(), random.Random(8), 0
    finish([*words, str(tmp_path / "never")])
    whole = time.monotonic() - began
    for _ in range(repeats(7, 2)):
        hit += kill_at([*words, str(tmp_path / "killed")], draw.uniform(0, 0.6 * whole))
        free(tmp_path / "killed")
    finish([*words, str(tmp_path / "killed")])
    names = [path.name for path in (tmp_path / "never").iterdir() if path.is_dir()]
    assert len(names) == 2
    for name in names:
        for file in ("last.pt", "best.pt"):
            one, other = (tmp_path / side / name / file for side in ("killed", "never"))
            assert same_weights(one, other), one
    assert hit >= repeats(3, 1)


@slow
@pytest.mark.skipif(not THOROUGH, reason="five comparisons; SEQCLI_THOROUGH=1 runs it")
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_forced_comparison_that_is_killed_keeps_the_old_runs_or_has_new_ones(
    tmp_path: Path,
) -> None:
    out = str(tmp_path / "compare")
    old = [*SEQCLI, *COMPARE.split(), "--set", "train.lr=1e-2", "--out", out]
    new = [*SEQCLI, *COMPARE.split(), "--force", "--out", out]
    draw = random.Random(9)
    finish(old)
    began = time.monotonic()
    finish([*new[:-1], str(tmp_path / "never")])
    whole = time.monotonic() - began
    for _ in range(repeats(4, 1)):
        kill_at(new, draw.uniform(0, whole))
        free(tmp_path / "compare")
        for folder in (tmp_path / "compare").glob("gru*"):
            assert numpy_file.load(folder / "last.pt").training is not None
    finish(new)
    folders = [path.parent for path in (tmp_path / "never").glob("*/last.pt")]
    assert len(folders) == 2
    for folder in folders:
        assert same_weights(tmp_path / "compare" / folder.name / "last.pt", folder / "last.pt")
