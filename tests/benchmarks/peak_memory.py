"""Peak memory of a training run: the largest resident set of the process (and of its children)."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
import peers
from contender import Contender
from work import GRU, Job, write_pairs


def trained(contender: Contender, data: Path, folder: Path, epochs: int) -> dict[str, Any]:
    """Train with one thread, validating once an epoch; return peak memory and time."""
    job = Job(data, folder, GRU, threads=1, epochs=epochs, checks=1)
    trace = measure.watch(contender.train_command(job), job.threads)
    measure.say(f"{contender.name}: {trace.peak_mib:.0f} MiB")
    return {
        "peak_mib": round(trace.peak_mib),
        "seconds": round(trace.seconds, 1),
        "cpu_seconds": round(trace.cpu_seconds, 1),
    }


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    peers.add_options(parser)
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    before = measure.load()
    contenders = peers.contenders(options)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        data = write_pairs(root / "pairs")
        results = {
            one.name: trained(one, data, root / one.name, options.epochs) for one in contenders
        }
    measure.publish("peak_memory", peers.settings(options, contenders), results, before)


if __name__ == "__main__":
    main()
