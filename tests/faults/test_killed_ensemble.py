"""An ensemble that is killed or interrupted continues where it stopped, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from thorough import repeats

import seqcli
from seqcli.checkpoints import numpy_file
from seqcli.runs import RunPaths

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="POSIX signals"),
]
TINY = ["--backend", "numpy", "--hidden", "4", "--threads", "1", "--samples", "0"]
EPOCHS = 15


def start(folder: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "seqcli", "train", *words]
    return subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(path: Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT][: repeats(2, 1)])
def test_it_resumes_to_the_members_of_uninterrupted_training(tmp_path, number):
    path = tmp_path / "names.txt"
    path.write_text("".join(f"{a}{b}{a}\n" for a in "abcdef" for b in "ghijkl"))
    run, epochs = tmp_path / "run", str(EPOCHS)
    words = ["--data", str(path), *TINY, "--epochs", epochs, "--ensemble", "2", "--out", str(run)]
    process = start(tmp_path, *words)
    wait_for(run / "members" / "1" / "best.prev.pt", process)
    if number == signal.SIGKILL:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=120)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "of 2 members finished" in err
        assert f"seqcli train --resume {run}" in err
    resumed = start(tmp_path, "--resume", str(run))
    _, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, err
    for seed, member in enumerate(RunPaths(run).members):
        alone = seqcli.train(
            data=path, backend="numpy", hidden=4, threads=1, samples=0, epochs=EPOCHS, seed=seed,
            out=tmp_path / f"alone-{seed}",
        )  # fmt: skip
        expected = numpy_file.load(RunPaths(alone.path).last).weights
        found = numpy_file.load(member.last).weights
        for name, weight in expected.items():
            np.testing.assert_array_equal(found[name], weight)
