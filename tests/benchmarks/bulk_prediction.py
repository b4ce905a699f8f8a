"""Bulk prediction under SIGKILL: the same bytes as one process, few repeated parts, flat memory.

A small model predicts the lines of a gzip file three times: with `predict --out FILE`, with one
worker process, and with several worker processes that are killed at random moments. The calls are
logged by a plugin, and the memory of all processes is sampled from /proc.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure

SEQCLI = [sys.executable, "-m", "seqcli"]
PLUGIN = """
import functools, os
from pathlib import Path
from seqcli.api import bulk_parts

plain, log = bulk_parts.answer_part, Path(__file__).with_name("calls.txt")

@functools.wraps(plain)
def answer_part(job, folder, part):
    with log.open("a") as file:
        file.write(f"{os.getpid()} {part.index}\\n")
    return plain(job, folder, part)

bulk_parts.answer_part = answer_part
"""
EARLY = 0.3  # of the time
TRAIN = "train --task reverse --cell gru --hidden 16 --embedding 8 --recipe none --steps 400"
ROWS = "--train-rows 4000 --val-rows 100 --test-rows 100 --threads 1 --out model --quiet"


def write_lines(path: Path, lines: int, seed: int) -> None:
    """Write random sources of the task, of 4 to 10 tokens."""
    draw = random.Random(seed)
    with gzip.open(path, "wt", compresslevel=1) as file:
        for _ in range(lines):
            tokens = draw.choices(range(1, 10), k=draw.randint(4, 10))
            file.write(" ".join(map(str, tokens)) + "\n")


def memory(pid: int) -> float:
    """Return the resident memory of a process in MiB; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def workers_of(calls: Path) -> list[int]:
    """Return the workers that answered parts and are alive, in the order of their last calls."""
    lines = calls.read_text().splitlines() if calls.exists() else []
    pids = dict.fromkeys(int(line.split()[0]) for line in reversed(lines))
    return [pid for pid in pids if memory(pid)]


def predicted(folder: Path, words: Sequence[str], kills: Sequence[float] = ()) -> dict[str, Any]:
    """Run `predict`, and kill a random worker at each of these fractions of the parts.

    Returns:
        seconds, kills, and the memory of the command and of its largest worker, in MiB: at first
        (after 30% of the time) and at most.
    """
    calls, draw, left = folder / "calls.txt", random.Random(1), list(kills)
    calls.unlink(missing_ok=True)
    command = [*SEQCLI, "predict", "--ckpt", "model", "--input", "lines.gz", "--backend", "numpy"]
    command += words
    samples = list[tuple[float, float, float]]()
    environment = {**measure.environment(1), "SEQCLI_PLUGINS": str(folder / "plugin.py")}
    start = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=environment) as process:
        while process.poll() is None:
            workers = workers_of(calls)
            largest = max(map(memory, workers), default=0.0)
            samples.append((time.monotonic() - start, memory(process.pid), largest))
            if left and workers and samples[-1][0] > left[0]:
                os.kill(draw.choice(workers), signal.SIGKILL)
                left.pop(0)
            time.sleep(0.05)
    assert process.returncode == 0, process.returncode
    lines = calls.read_text().splitlines() if calls.exists() else []
    answered = Counter(line.split()[1] for line in lines)
    early = [one for one in samples if one[0] > samples[-1][0] * EARLY][:1] or samples[-1:]
    return {
        "seconds": round(samples[-1][0], 1),
        "kills": len(kills) - len(left),
        "parts": len(answered),
        "most_calls_for_one_part": max(answered.values(), default=0),
        "parts_answered_twice_or_more": sum(times > 1 for times in answered.values()),
        "command_mib": {"early": round(early[0][1]), "peak": round(max(s[1] for s in samples))},
        "worker_mib": {"early": round(early[0][2]), "peak": round(max(s[2] for s in samples))},
    }


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--part-size", type=int, default=5000)
    given, load = parser.parse_args(), measure.load()
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_lines(folder / "lines.gz", given.lines, seed=1)
        subprocess.run(
            [*SEQCLI, *TRAIN.split(), *ROWS.split()],
            cwd=folder,
            env=measure.environment(1),
            check=True,
        )
        (folder / "plugin.py").write_text(PLUGIN)
        size = ["--part-size", str(given.part_size)]
        filtered = predicted(folder, ["--out", "file.tsv"])
        one = predicted(folder, ["--out", "one/", "--jobs", "1", *size])
        draw = random.Random(2)
        moments = sorted(draw.uniform(0.1, 0.9) * one["seconds"] / 2 for _ in range(given.kills))
        several = predicted(folder, ["--out", "two/", "--jobs", str(given.jobs), *size], moments)
        files = [
            folder / path for path in ("file.tsv", "one/predictions.tsv", "two/predictions.tsv")
        ]
        plain, alone, killed = (path.read_bytes() for path in files)
    for figures in (filtered, one, several):
        figures["lines_per_second"] = round(given.lines / figures["seconds"])
    results = {"predict --out FILE": filtered, "1 worker": one, f"{given.jobs} workers": several}
    equal = {"equal_to_1_worker": killed == alone, "equal_to_predict_out_file": killed == plain}
    settings = {"lines": given.lines, "part_size": given.part_size, "jobs": given.jobs}
    measure.publish("bulk_prediction", settings, {**equal, **results}, load)


if __name__ == "__main__":
    main()
