"""How long a command takes to start: until its help, and until its answer to one line.

The model is a GRU of 64 with additive attention, trained for two epochs on few rows; every program
trains its own. The other programs take part where they are installed (``--yoyodyne``,
``--joeynmt``), each in its own environment and in turn with seqcli. "answer to one line" is the
time to decode a file with one source, greedily, by the command that each documents for that.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers
from contender import Contender, trained
from work import GRU, Job, write_head, write_pairs

PYTHON = sys.executable
SIZES = replace(GRU, embedding=64, hidden=64)
ROWS = 2000  # of training
EPOCHS = 2


def commands(folder: Path) -> dict[str, list[str]]:
    """Return what to start, by name."""
    seqcli = [PYTHON, "-m", "seqcli"]
    data = ["gen-data", "--task", "reverse", "--out", str(folder / "pairs"), "--force"]
    return {
        "python": [PYTHON, "-c", ""],
        "import torch": [PYTHON, "-c", "import torch"],
        "import seqcli": [PYTHON, "-c", "import seqcli"],
        "seqcli --help": [*seqcli, "--help"],
        "seqcli train --help": [*seqcli, "train", "--help"],
        "seqcli tasks": [*seqcli, "tasks"],
        "seqcli gen-data": [*seqcli, *data],
    }


def answers(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Train a small model; return commands that use it, each with its standard input, by name."""
    seqcli, run = [PYTHON, "-m", "seqcli"], str(folder / "run")
    rows = ["--train-rows", "2000", "--val-rows", "20", "--test-rows", "20", "--epochs", "2"]
    model = ["--cell", "gru", "--attention", "--hidden", "64", "--out", run, "--quiet"]
    subprocess.run([*seqcli, "train", "--task", "reverse", *rows, *model], check=True)
    line = "3 1 4\n"
    return {
        "seqcli predict": ([*seqcli, "predict", "--ckpt", run], line),
        "seqcli predict --beam 5": ([*seqcli, "predict", "--ckpt", run, "--beam", "5"], line),
        "seqcli predict --backend torch": (
            [*seqcli, "predict", "--ckpt", run, "--backend", "torch"],
            line,
        ),
        "seqcli sample": ([*seqcli, "sample", "--ckpt", run], line),
        "seqcli info": ([*seqcli, "info", run], ""),
        "seqcli eval": ([*seqcli, "eval", "--ckpt", run], ""),
    }


def one_line(contenders: Sequence[Contender], folder: Path) -> dict[str, list[str]]:
    """Let every program train a small model; return the commands that decode one source."""
    data = write_pairs(folder / "one_line", train=ROWS, val=20, test=20)
    job = Job(data, folder, SIZES, threads=1, epochs=EPOCHS, rows=ROWS)
    source = write_head(data, folder / "source", rows=1)
    return {
        f"{one.name}, answer to one line": one.decode_command(
            replace(trained(one, job), data=source), beam=1
        )
        for one in contenders
    }


def in_turn(started: Mapping[str, tuple[Sequence[str], str]], rounds: int) -> dict[str, Any]:
    """Start each in turn; return CPU and wall seconds, and peak memory."""
    seen: dict[str, list[measure.Trace]] = {name: [] for name in started}
    for _ in range(rounds):
        for name, (command, text) in started.items():
            seen[name].append(measure.watch(command, threads=1, text=text))
    return {name: _told(traces) for name, traces in seen.items()}


def _told(traces: Sequence[measure.Trace]) -> dict[str, Any]:
    return {
        "cpu_seconds": measure.summary([trace.cpu_seconds for trace in traces]),
        "seconds": measure.summary([trace.seconds for trace in traces]),
        "peak_mib": round(max(trace.peak_mib for trace in traces)),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    peers.add_options(parser)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each command")
    parser.add_argument("--only", default="", metavar="TEXT", help="commands with this in the name")
    options = parser.parse_args()
    before = measure.load()
    contenders = peers.contenders(options)
    with TemporaryDirectory() as folder:
        started = {name: (command, "") for name, command in commands(Path(folder)).items()}
        started |= {f"{one.name} --help": (one.help_command(), "") for one in contenders}
        started |= {name: (row, "") for name, row in one_line(contenders, Path(folder)).items()}
        started |= answers(Path(folder))
        chosen = {name: one for name, one in started.items() if options.only in name}
        results = in_turn(chosen, options.rounds)
    measure.publish("startup", peers.settings(options, contenders), results, before)


if __name__ == "__main__":
    main()
