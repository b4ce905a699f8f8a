"""A comparison whose training processes are killed ends as one that nothing disturbed."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from test_killed_runs import ALONE, COMPARE, LONGEST, SEQCLI, finish, same_weights
from thorough import repeats

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="POSIX signals"),
]
TIMES = ("seconds", "sequences_per_second")


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the processes that train for a command."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended a moment ago
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def results(folder: Path) -> dict[str, object]:
    """Return what the runs came to, but for times."""
    found = {}
    for file in sorted(folder.glob("*/result.json")):
        result = json.loads(file.read_text())
        found[file.parent.name] = {k: v for k, v in result.items() if k not in TIMES}
    return found


def test_runs_whose_processes_are_killed_end_with_the_same_bits(tmp_path: Path) -> None:
    never, killed = tmp_path / "never", tmp_path / "killed"
    finish([*SEQCLI, *COMPARE.split(), "--out", str(never)])
    words = [*SEQCLI, *COMPARE.replace("--quiet", "").split(), "--out", str(killed)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ALONE)
    kills = 0
    while kills < repeats(6, 2) and process.poll() is None:
        saved = {path: path.stat().st_mtime_ns for path in killed.glob("*/last.pt")}
        time.sleep(0.05)
        if saved != {path: path.stat().st_mtime_ns for path in killed.glob("*/last.pt")}:
            alive = workers(process)
            if alive:
                alive[kills % len(alive)].kill()
                kills += 1
    _, errors = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, errors.decode()
    assert errors.decode().count("its process was killed by SIGKILL") == kills >= 1
    assert results(killed) == results(never)
    for name in results(never):
        assert same_weights(killed / name / "best.pt", never / name / "best.pt")
