"""Good runs to make hostile files of, and every command that reads a checkpoint, measured."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("hostile_child.py")
HANGS_AFTER = 280.0  # seconds of a single command: far more than a slow machine needs
SMALL = ["--hidden", "8", "--embedding", "8", "--epochs", "1", "--threads", "1", "--quiet"]
SMALL += ["--set", "data.train=120", "--set", "data.val=20", "--set", "data.test=20"]
SMALL += ["--set", "train.samples=0"]
RUNS = {
    "pairs": ["--task", "reverse", "--attention", "--set", "task.length=2:4"],
    "names": ["--task", "names", "--cell", "rnn", "--backend", "numpy"],
}
_ASK = {
    "pairs": [
        ["info", "bad.pt"],
        ["info", "bad.pt", "--json"],
        ["predict", "--ckpt", "bad.pt", "3 1 4"],
        ["sample", "--ckpt", "bad.pt", "--input", "in.txt", "--n", "2", "--seed", "1"],
        ["eval", "--ckpt", "bad.pt"],
    ],
    "names": [
        ["info", "bad.pt"],
        ["predict", "--ckpt", "bad.pt", "a"],
        ["sample", "--ckpt", "bad.pt", "--n", "3", "--seed", "1", "--novel"],
        ["sample", "--ckpt", "bad.pt", "--n", "3", "--seed", "1", "--backend", "torch"],
        ["eval", "--ckpt", "bad.pt"],
    ],
}
_LAST = [
    ["export", "bad.pt", "--to", "safetensors", "--out", "out.safetensors"],
    ["train", "--resume", "run", "--epochs", "2", "--quiet"],
]
COMMANDS = {run: [*asked, *_LAST] for run, asked in _ASK.items()}


@dataclass
class Found:
    """What became of the commands on one file."""

    name: str
    answers: list[dict[str, Any]]
    dead: str = ""  # how the process ended, where it did not answer
    outside: list[str] = field(default_factory=list)

    def faults(self, cpu: float = float("inf"), peak: float = float("inf")) -> list[str]:
        """Return what is wrong with the answers, one line for each."""
        found = [f"{self.name}: {self.dead}"] if self.dead else []
        found += [f"{self.name}: outside its folder: {path}" for path in self.outside]
        for one in self.answers:
            what = f"{self.name}: {' '.join(one['argv'])}: exit {one['code']}"
            if one["code"] == 1 or "Traceback" in one["said"]:
                found.append(f"{what}: traceback: {one['said'].strip()[-300:]}")
            trained = one["argv"][0] == "train" and one["code"] == 0  # which takes what it takes
            if one["cpu"] > cpu and not trained:
                found.append(f"{what}: {one['cpu']:.1f} s of CPU")
            if one["peak"] > peak:
                found.append(f"{what}: {one['peak'] >> 20} MB")
        return found


class Child:
    """A process that runs command lines; a new one takes the place of one that died."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def ask(self, folder: Path, commands: list[list[str]]) -> tuple[list[dict[str, Any]], str]:
        """Return the answers, and how the process ended if it did not answer."""
        answers: list[dict[str, Any]] = []
        for command in commands:  # one at a time, to know which one it was
            found, dead = self._ask({"folder": str(folder), "commands": [command]})
            if dead:
                return answers, f"{' '.join(command)}: {dead}"
            answers += found
        return answers, ""

    def _ask(self, job: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], HANGS_AFTER)
        line = process.stdout.readline() if ready else ""
        if line:
            return json.loads(line), ""
        self.close()
        return [], f"ended by signal {-process.returncode}" if ready else "hangs"

    def _started(self) -> subprocess.Popen[str]:
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), str(self.folder / "said.txt")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"},
            )
        return self.process

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@contextlib.contextmanager
def child(folder: Path) -> Iterator[Child]:
    """Give a process to ask, and end it."""
    made = Child(folder)
    try:
        yield made
    finally:
        made.close()


def good_runs(asked: Child, root: Path) -> None:
    """Train a small run of each kind below ``root``."""
    commands = [
        ["train", *options, *SMALL, "--out", str(root / run)] for run, options in RUNS.items()
    ]
    answers, dead = asked.ask(root, commands)
    assert not dead
    assert [one["code"] for one in answers] == [0] * len(RUNS), answers


def case_folder(root: Path, run: str, bad: Path) -> Path:
    """Make a folder with a hostile file as a checkpoint and as both checkpoints of a run."""
    folder = root / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / run, folder / "run")
    bad.rename(folder / "bad.pt")
    (folder / "in.txt").write_text("3 1 4\n")
    for name in ("best.pt", "last.pt"):
        (folder / "run" / name).unlink()
        (folder / "run" / name).hardlink_to(folder / "bad.pt")
    (folder / "run" / "last.prev.pt").unlink(missing_ok=True)
    return folder


def contents(root: Path) -> dict[str, int]:
    """Return the files beside the case's folder, and when they were changed."""
    paths = [path for path in root.rglob("*") if (root / "case") not in (path, *path.parents)]
    return {str(path): path.lstat().st_mtime_ns for path in paths if path.name != "said.txt"}


def outcome(asked: Child, root: Path, run: str, name: str, bad: Path) -> Found:
    """Return what every command makes of a hostile file."""
    folder = case_folder(root, run, bad)
    before = contents(root)
    answers, dead = asked.ask(folder, COMMANDS[run])
    after = contents(root)
    outside = sorted(path for path, _ in before.items() ^ after.items())
    return Found(f"{name} ({run})", answers, dead, outside)
