"""Seconds to decode the test sources, greedy and with beam 5, start-up included and without it.

Each contender first trains for some epochs (not measured) so that it knows where an answer ends;
then they decode the same sources in turn. Start-up is what a handful of sources takes. The
accuracy beside each time is that of what was written: nobody is fast by being wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers
from contender import Contender, trained
from work import GRU, Job, sequence_accuracy, truths, write_head, write_pairs

HANDFUL = 4  # sources


@dataclass
class Figures:
    """Seconds of one contender at one beam width, and how much of its output was right (%)."""

    seconds: list[float] = field(default_factory=list)
    start_up: list[float] = field(default_factory=list)
    accuracy: float = 0.0

    @property
    def decoding(self) -> float:
        """Seconds without start-up."""
        return min(self.seconds) - min(self.start_up)

    def told(self) -> dict[str, Any]:
        """Return the figures as a mapping."""
        return {
            "seconds": measure.summary(self.seconds),
            "start_up": measure.summary(self.start_up),
            "decoding": round(self.decoding, 2),
            "sequence_accuracy": self.accuracy,
        }


def decode(contender: Contender, job: Job, handful: Path, beam: int, figures: Figures) -> None:
    """Decode a handful, then everything, and take down what was seen."""
    few = replace(job, data=handful)
    start_up = measure.watch(contender.decode_command(few, beam), job.threads)
    trace = measure.watch(contender.decode_command(job, beam), job.threads)
    figures.start_up.append(start_up.seconds)
    figures.seconds.append(trace.seconds)
    figures.accuracy = sequence_accuracy(contender.predictions(job, beam, trace), truths(job.data))
    measure.say(f"beam {beam}: {contender.name} {trace.seconds:.1f} s")


def in_turn(
    contenders: Sequence[Contender],
    jobs: Mapping[str, Job],
    handful: Path,
    beam: int,
    rounds: int,
) -> dict[str, Any]:
    """Let the contenders decode in turn, and return what was seen."""
    seen = {contender.name: Figures() for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            decode(contender, jobs[contender.name], handful, beam, seen[contender.name])
    results: dict[str, Any] = {name: figures.told() for name, figures in seen.items()}
    if "seqcli" in seen:
        seconds = {name: min(figures.seconds) for name, figures in seen.items()}
        decoding = {name: figures.decoding for name, figures in seen.items()}
        results["times_as_long_as_seqcli"] = measure.times(seconds, "seqcli")
        results["times_as_long_without_start_up"] = measure.times(decoding, "seqcli")
    return results


def main() -> None:
    """Measure and print one JSON document."""
    options = _options()
    before = measure.load()
    contenders = peers.contenders(options)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        data = write_pairs(root / "pairs", test=options.rows)
        handful = write_head(data, root / "handful", HANDFUL)
        job = Job(data, root, GRU, options.threads, options.epochs)
        jobs = {one.name: trained(one, job) for one in contenders}
        results = {
            f"beam {beam}": in_turn(contenders, jobs, handful, beam, options.rounds)
            for beam in options.beams
        }
    measure.publish("decoding_speed", peers.settings(options, contenders), results, before)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    peers.add_options(parser)
    parser.add_argument("--rows", type=int, default=2000, help="test sources")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--epochs", type=int, default=3, help="of training beforehand")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
