"""Throughput against model size, length and processes, and what 60 runs or 10^8 lines cost.

Every model is trained on `reverse` (batch 64, dropout 0.1) by one process with one thread, by one
process with all cores as threads, and by two processes of torchrun with one thread each; then the
model of the first one predicts greedily. Each measurement is a process of its own. Speeds are given
per second, and per CPU second of one process, which is steadier on a busy machine. The
latter, for two processes relative to one, bounds the speed-up on a quiet machine: waiting for each
other takes no CPU time.

The costs divide the work by the speed of one core, which is measured, and by the number of cores:
runs and parts of a file are independent. A comparison of 60 runs keeps at most 60 cores busy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure

MODELS = {
    "gru-64": ["model.cell=gru", "model.attention=additive", "model.hidden=64"],
    "gru-256": ["model.cell=gru", "model.attention=additive", "model.hidden=256"],
    "transformer-128": ["model.cell=transformer", "model.hidden=128", "model.layers=2"],
}
LENGTHS = (10, 40)
BATCH, STEPS, EPOCHS = 64, 20, 3
ALONE, PER_CPU_SECOND = "1 process, 1 thread", "sequences_per_cpu_second"
PREDICTED = 512  # lines
RUN_ROWS, RUN_EPOCHS, RUNS, LINES = 10_000, 20, 60, 10**8  # of the costs
CORES = (1, 2, 8, 64)


def main() -> None:
    """Measure and print one JSON document."""
    options = _options()
    if options.table:
        return print(tables(options.table))
    if options.worker:
        return work(options.worker, options.length, options.threads, options.predict)
    before, results = measure.load(), {}
    for model in options.models:
        for length in options.lengths:
            results[f"{model} length {length}"] = compared(model, length, options)
    settings = {**vars(options), "batch": BATCH, "steps": STEPS, "epochs": EPOCHS}
    return measure.publish("processes", settings, results, before)


def compared(model: str, length: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one model: one process, all cores as threads, and two processes."""
    job, all_cores = ["--worker", model, "--length", str(length)], measure.cores()
    here, several = [sys.executable], [sys.executable, "-m", "torch.distributed.run"]
    found = {ALONE: run([*here, __file__, *job, "--predict"], 1)}
    if not options.without_threads:
        found[f"1 process, {all_cores} threads"] = run([*here, __file__, *job], all_cores)
    command = [*several, "--nproc-per-node", "2", __file__, *job]
    found["2 processes, 1 thread"] = run(command, 1)
    document: dict[str, Any] = dict(found)
    for key in ("sequences_per_second", PER_CPU_SECOND):
        speeds = {name: one[key]["median"] for name, one in found.items()}
        document[f"times one process, {key}"] = measure.times(speeds, ALONE)
    return {**document, "hours": costs(found[ALONE])}


def tables(paths: list[Path]) -> str:
    """Return the results in documents of this benchmark as two Markdown tables."""
    documents = [json.loads(path.read_text())["results"] for path in paths]
    speeds = [["model", "length", "sequences/s", "with 2 processes", "predicted lines/s"]]
    hours = [["model", "length", "work", *(f"{n} core{'s' * (n > 1)}" for n in CORES)]]
    for name, found in (item for results in documents for item in results.items()):
        place, one = name.split(" length "), found[ALONE]
        times = found[f"times one process, {PER_CPU_SECOND}"]["2 processes, 1 thread"]
        speed, lines = one[PER_CPU_SECOND]["median"], one["lines_per_cpu_second"]
        speeds.append([*place, f"{speed:,.0f}", f"{times:.2f} times as many", f"{lines:,.0f}"])
        for work, cost in found["hours"].items():
            hours.append([*place, work, *(f"{value:.2g} h" for value in cost.values())])
    return f"{_markdown(speeds)}\n\n{_markdown(hours)}"


def _markdown(rows: list[list[str]]) -> str:
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def run(command: list[str], threads: int) -> dict[str, Any]:
    """Run a worker; return what it has measured."""
    trace = measure.watch([*command, "--threads", str(threads)], threads)
    found: dict[str, Any] = trace.first(_document)
    measure.say(f"{' '.join(command[1:])}: {found['sequences_per_second']['median']:.0f} seqs/s")
    return found


def _document(line: str) -> dict[str, Any] | None:
    return json.loads(line) if line.startswith("{") else None


def costs(one: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return the hours of comparisons and files on some numbers of cores, by CPU time."""
    sequences = RUNS * RUN_EPOCHS * RUN_ROWS
    hours = {
        f"{RUNS} runs": sequences / one[PER_CPU_SECOND]["median"] / 3600,
        f"{LINES:,} lines": LINES / one["lines_per_cpu_second"] / 3600,
    }
    return {
        what: {f"{n} cores": value / min(n, RUNS if "runs" in what else n) for n in CORES}
        for what, value in hours.items()
    }


def work(model: str, length: int, threads: int, predict: bool) -> None:
    """Train in this process, and with those of torchrun if there are some; print the speeds."""
    import seqcli
    from seqcli.events import EpochEnded

    stamps = []

    def listen(event: object) -> None:
        if isinstance(event, EpochEnded):
            stamps.append((time.process_time(), event.metrics["sequences_per_second"]))

    rows = BATCH * STEPS
    sets = [
        *("data.task=reverse", f"data.train={rows}", "data.val=2", f"data.test={PREDICTED}"),
        *(f"task.length={length}:{length}", "task.vocab=20", "train.recipe=none"),
        *(f"train.batch_size={BATCH}", f"train.epochs={EPOCHS}", f"train.threads={threads}"),
        *("train.target_accuracy=2", "train.device=cpu", *MODELS[model]),
    ]
    with TemporaryDirectory() as folder:
        run = seqcli.train(set=sets, out=Path(folder) / "run", listen=listen)
        if not stamps:  # another process of torchrun reports
            return
        cpu = [after[0] - before[0] for before, after in pairwise(stamps)]
        found: dict[str, Any] = {
            "sequences_per_second": measure.summary([speed for _, speed in stamps[1:]]),
            "sequences_per_cpu_second": measure.summary([rows / seconds for seconds in cpu]),
        }
        if predict:
            found["lines_per_cpu_second"] = predicted_per_cpu_second(run.path, length)
    print(json.dumps(found), flush=True)


def predicted_per_cpu_second(run: Path, length: int) -> float:
    """Return the lines that greedy decoding predicts in a CPU second, the start left out."""
    import seqcli

    lines = [" ".join(str(3 + (i * j) % 17) for j in range(length)) for i in range(PREDICTED)]

    def seconds(count: int) -> float:
        return _cpu_seconds(lambda: list(seqcli.predict(run, lines[:count], backend="torch")))

    seconds(8)
    return round(PREDICTED / statistics.median(seconds(PREDICTED) for _ in range(3)), 1)


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", choices=list(MODELS), nargs="+", default=list(MODELS))
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    told = "leave out one process with all cores as threads: on a busy machine it is very slow"
    parser.add_argument("--without-threads", action="store_true", help=told)
    told = "print documents of this benchmark as a Markdown table instead"
    parser.add_argument("--table", type=Path, nargs="+", metavar="JSON", help=told)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--length", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--predict", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
