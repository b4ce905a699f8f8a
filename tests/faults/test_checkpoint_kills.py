"""Real SIGKILLs, a full disk and a read-only folder: what was on the disk stays whole."""

from __future__ import annotations

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

from seqcli.checkpoints import numpy_file, torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.files.atomic import remove_stale
from seqcli.runs import RunPaths, load_last, locked

ROOT = Path(__file__).parents[2]

# Saves number 1, 2, 3 ... for ever: every weight of a checkpoint is its number.
SAVER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from seqcli.checkpoints import {side} as files
from seqcli.files import atomic
from seqcli.checkpoints.content import Checkpoint
from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import Tokenizer
from seqcli.data.vocabulary import Vocabulary
from seqcli.runs import RunPaths
from seqcli.runs.paths import keep

run = RunPaths(Path(sys.argv[1]))
codec = Codec(Vocabulary(("a",)), Tokenizer("chars"))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def save(number):
    weights = {{"w": np.full(400_000, float(number), np.float32)}}
    keep(run.last, run.previous)
    files.save(run.last, Checkpoint({{}}, codec, weights, metrics={{"number": number}}))

{body}
"""
LOOP = """
for number in range(1, 10**9):
    save(number)
    print(number, flush=True)
"""
POINTS = {
    "before the first byte": "from seqcli.files import temporary\ntemporary.open_descriptor = die",
    "in the middle": "files.write_plain = lambda f, _: (f.write(bytes(9999)), f.flush(), die())",
    "before the file is synced": "os.fsync = die",
    "before it is put in place": "Path.replace = die",
    "after it is put in place": "atomic.sync_folder = die",
}


def saver(folder: Path, body: str, side: str = "numpy_file") -> subprocess.Popen[str]:
    script = SAVER.format(side=side, body=body)
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def whole(checkpoint: Checkpoint) -> int:
    """Check that a checkpoint is of one piece; return its number."""
    number = int(checkpoint.metrics["number"])
    assert np.all(np.asarray(checkpoint.weights["w"]) == number)
    return number


def killed_while_saving(folder: Path, side: str, wait: float) -> int:
    """Kill a saver at some moment after its first save; return the last number it told of."""
    with saver(folder, LOOP, side) as process:
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(wait)
        process.kill()
        numbers = process.stdout.read().split("\n")[:-1]
    return int(numbers[-1]) if numbers else told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "kills"), [("numpy_file", repeats(60, 10)), ("torch_file", repeats(12, 3))]
)
def test_a_file_loads_whatever_kills_its_writer(side: str, kills: int, tmp_path: Path) -> None:
    draw = random.Random(kills)
    run = RunPaths(tmp_path)
    for _ in range(kills):
        told = killed_while_saving(tmp_path, side, draw.uniform(0, 0.03))
        number = whole(numpy_file.load(run.last))
        assert number in (told, told + 1)
        if run.previous.exists():
            assert whole(torch_file.load(run.previous)) in (number, number - 1)
        with locked(run):
            assert not list(tmp_path.glob(".*.seqcli-*"))
        for path in (run.last, run.previous):
            path.unlink(missing_ok=True)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_each_point_of_a_save(point: str, tmp_path: Path) -> None:
    with saver(tmp_path, f"save(1)\nsave(2)\n{POINTS[point]}\nsave(3)") as process:
        assert process.wait() == -signal.SIGKILL
    run = RunPaths(tmp_path)
    newest = 3 if point.startswith("after") else 2
    assert whole(load_last(run, torch_file.load)[0]) == newest
    assert whole(numpy_file.load(run.previous)) in (newest, newest - 1)
    remove_stale(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "last.prev.pt"}


FULL = """
import resource
save(1)
save(2)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(3)
except Exception as error:
    print(type(error).__name__, error.exit_code.value, error)
"""


@pytest.mark.parametrize("side", ["numpy_file", pytest.param("torch_file", marks=pytest.mark.slow)])
def test_a_full_disk_leaves_the_old_file(side: str, tmp_path: Path) -> None:
    with saver(tmp_path, FULL, side) as process:
        said = process.communicate()[0]
    assert said == f"MachineError 6 {tmp_path / 'last.pt'} cannot be written: File too large\n"
    assert whole(numpy_file.load(tmp_path / "last.pt")) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "last.prev.pt"}


READ_ONLY = """
save(1)
run.folder.chmod(0o555)
try:
    save(2)
except Exception as error:
    print(type(error).__name__, error.exit_code.value, error)
run.folder.chmod(0o755)
"""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_leaves_the_old_file(tmp_path: Path) -> None:
    with saver(tmp_path, READ_ONLY) as process:
        said = process.communicate()[0]
    assert said.startswith("UsageError 2 ")
    assert whole(numpy_file.load(tmp_path / "last.pt")) == 1
