"""CPU seconds until a command has told its help: what everybody pays before anything happens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers

PYTHON = sys.executable


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


def in_turn(started: Mapping[str, Sequence[str]], rounds: int) -> dict[str, Any]:
    """Start each in turn; return CPU and wall seconds, and peak memory."""
    seen: dict[str, list[measure.Trace]] = {name: [] for name in started}
    for _ in range(rounds):
        for name, command in started.items():
            seen[name].append(measure.watch(command, threads=1))
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
    options = parser.parse_args()
    before = measure.load()
    contenders = peers.contenders(options)
    with TemporaryDirectory() as folder:
        started = commands(Path(folder))
        started |= {f"{one.name} --help": one.help_command() for one in contenders}
        results = in_turn(started, options.rounds)
    measure.publish("startup", peers.settings(options, contenders), results, before)


if __name__ == "__main__":
    main()
