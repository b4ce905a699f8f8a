"""Every call that changes the disk is killed once, and fails once with ENOSPC and EACCES.

After each of them the state is the old one or the new one, other files are untouched, the command
ended as documented, and the same command then succeeds and leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from thorough import repeats

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")

OUTPUTS = (
    "gen-data --force",
    "gen-data",
    "predict --out --force",
    "predict --out FILE.gz",
    "export --force",
    "eval --predictions",
    "cache",
)


def reports(*argv: str) -> dict[str, Any]:
    """Enumerate the points of some scenarios in a process of its own; return the figures."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("crash_points.py")), *argv],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_nothing_lost(found: dict[str, Any]) -> None:
    for name, report in found.items():
        faults = ", ".join(f"{count} {fault}" for fault, count in report["faults"].items())
        print(f"{name}: {report['points']} points; {faults}; states {report['states']}")
    problems = [f"{name}: {one}" for name, found in found.items() for one in found["problems"]]
    assert not problems, "\n".join(problems)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_points_of_every_output() -> None:
    pytest.importorskip("safetensors")
    found = reports(*OUTPUTS, "--every", str(repeats(1, 16)))
    assert_nothing_lost(found)
    assert {"open", "write", "fsync", "exchange"} <= set(found["gen-data --force"]["calls"])
    assert all(report["points"] >= 5 for report in found.values())


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "every"),
    [("train", repeats(8, 80)), ("train --force", repeats(8, 80)), ("compare", repeats(8, 150))],
)
def test_points_of_runs(name: str, every: int) -> None:
    assert_nothing_lost(reports(name, "--every", str(every)))
