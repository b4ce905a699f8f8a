"""Seconds from typing the command to 99% sequence accuracy on `reverse`, start-up included.

The clock starts with the process and stops when the program itself tells a validation at or above
the goal. seqcli runs with its defaults; the peers have no defaults for such data, so each runs
with the sizes of the published comparison and with those that seqcli takes by default, and the
best of all counts. They validate twice an epoch, which serves them: they may stop sooner.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers
from contender import Contender
from ours import Seqcli
from work import GRU, SEQCLI_DEFAULTS, Job, Sizes, write_pairs

PEER_SIZES = {"embedding 128, hidden 256": GRU, "embedding 64, hidden 64": SEQCLI_DEFAULTS}
PEER_CHECKS = 2  # validations in an epoch


@dataclass(frozen=True)
class Entry:
    """One way in which a contender takes part."""

    label: str
    sizes: Sizes
    command: Callable[[Job], list[str]]


def entries(contender: Contender) -> list[Entry]:
    """Return the ways in which a contender takes part."""
    if isinstance(contender, Seqcli):
        return [Entry("defaults", SEQCLI_DEFAULTS, contender.default_command)]
    return [Entry(name, sizes, contender.train_command) for name, sizes in PEER_SIZES.items()]


def race(
    contender: Contender, command: Sequence[str], threads: int, goal: float
) -> dict[str, float | None]:
    """Run until the goal is told; return seconds and CPU seconds (None: never), and accuracy."""

    def enough(line: measure.Line) -> bool:
        return (contender.accuracy(line.text) or 0.0) >= goal

    trace = measure.watch(command, threads, enough)
    told = [seen for line in trace.lines if (seen := contender.accuracy(line.text)) is not None]
    last = trace.lines[-1] if trace.stopped else None
    found = {
        "seconds": round(last.seconds, 1) if last else None,
        "cpu_seconds": round(last.cpu_seconds, 1) if last else None,
        "sequence_accuracy": told[-1] if told else None,
    }
    measure.say(f"{contender.name}: {found}")
    return found


def run_all(
    contenders: Sequence[Contender], data: Path, threads: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Let everybody run in turn; return every time, the best of each and the ratios."""
    seen: dict[str, list[dict[str, Any]]] = {one.name: [] for one in contenders}
    for _ in range(options.rounds):
        for one in contenders:
            for entry in entries(one):
                with TemporaryDirectory() as folder:
                    job = Job(data, Path(folder), entry.sizes, threads, options.epochs, PEER_CHECKS)
                    found = race(one, entry.command(job), threads, options.goal)
                seen[one.name].append({"sizes": entry.label, **found})
    best = {name: _best(runs) for name, runs in seen.items()}
    reached = {name: seconds for name, seconds in best.items() if seconds is not None}
    results: dict[str, Any] = {"runs": seen, "best": best}
    if "seqcli" in reached:
        results["times_as_long_as_seqcli"] = measure.times(reached, "seqcli")
    return results


def _best(runs: Sequence[dict[str, Any]]) -> float | None:
    return min((run["seconds"] for run in runs if run["seconds"] is not None), default=None)


def main() -> None:
    """Measure and print one JSON document."""
    options = _options()
    before = measure.load()
    contenders = peers.contenders(options)
    with TemporaryDirectory() as folder:
        data = write_pairs(Path(folder) / "pairs")
        results = {f"threads {n}": run_all(contenders, data, n, options) for n in options.threads}
    measure.publish("time_to_accuracy", peers.settings(options, contenders), results, before)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    peers.add_options(parser)
    parser.add_argument("--goal", type=float, default=99.0, help="percent")
    parser.add_argument("--threads", type=int, nargs="+", default=measure.thread_counts())
    parser.add_argument("--epochs", type=int, default=10, help="give up after these")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each contender")
    return parser.parse_args()


if __name__ == "__main__":
    main()
