"""What a comparison comes to when workers, schedulers and commands are killed; prints JSON.

Every scenario ends with the same comparison as a serial one that nothing disturbed: weights and
metrics (but times) of every run, and the conclusions.

- local: SIGKILL of a worker of ``compare --jobs 2`` at random moments.
- dask: the same with ``compare --on dask``.
- scheduler: a scheduler and two ``dask worker`` processes, joined by a scheduler file; the
  scheduler is killed and started again, and the command is typed again.
- deadly: one run kills its process whenever it starts; the others finish.
- plan: the commands of ``compare --plan``, run by ``xargs -P 2``, killed once each and run again.
- search: the learning rate that a search finds, beside the best one of grids, on two tasks. Its
  first five trials are a grid by construction; the check is that of eight trials and a grid of
  eight. The rates are chosen with one seed and judged with others, on the validation rows.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import measure
import numpy as np
import psutil

from seqcli.checkpoints import numpy_file

SEQCLI = [sys.executable, "-m", "seqcli"]
TIMES = ("seconds", "sequences_per_second")
TINY = (
    "--task reverse --length 2:4 --test-length 2:5 --vocab 6 --train-rows 400 --val-rows 24 "
    "--test-rows 40 --set model.hidden=8 --set model.embedding=8 --epochs {epochs} --batch-size 32 "
    "--match none --set train.save_every=0.1"
)
LONGEST = 1800  # seconds that a command may take
RATES, TRIALS, JUDGES = (1e-4, 1.0), 8, 3  # of a search; seeds that judge what it chose
TUNED = (
    "--length 2:4 --vocab 6 --train-rows 600 --val-rows 200 --test-rows 20 --batch-size 32 "
    "--set model.hidden=24 --set model.embedding=16 --epochs 6 --cells gru --match none --jobs 1"
)
DEADLY = '''
import os, signal
import torch
import seqcli

class Deadly(torch.optim.Adam):
    """Kills its process."""
    def __init__(self, *args, **options):
        os.kill(os.getpid(), signal.SIGKILL)

seqcli.register("optimizer", "deadly", Deadly)
'''


def compare(folder: Path, *more: str, epochs: int, cells: str = "rnn,gru") -> list[str]:
    """Return the command of a comparison of six tiny runs."""
    words = TINY.format(epochs=epochs).split()
    return [*SEQCLI, "compare", *words, "--cells", cells, "--out", str(folder), *more]


def start(words: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    """Start a command that is quiet, with one thread."""
    settings = {**measure.environment(1), **environment}
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a command; return its exit code, and what it wrote to stderr."""
    _, errors = process.communicate(timeout=LONGEST)
    return process.returncode, errors


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that train for a command."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


def kill_workers(
    process: subprocess.Popen[str], folder: Path, kills: int, draw: random.Random
) -> int:
    """Kill workers of a command at random moments; return how many were killed.

    Before each kill some run has a new checkpoint: a worker that never gets that far is given up.
    """
    done, saved = 0, saves(folder)
    while done < kills and process.poll() is None:
        time.sleep(0.05)
        if saves(folder) == saved:
            continue
        time.sleep(draw.uniform(0, 1))
        alive = workers(process) if process.poll() is None else []
        if alive:
            draw.choice(alive).kill()
            done, saved = done + 1, saves(folder)
    return done


def saves(folder: Path) -> dict[Path, int]:
    """Return the times of the last checkpoints."""
    found = {}
    for path in folder.glob("*/last.pt"):
        with contextlib.suppress(OSError):
            found[path] = path.stat().st_mtime_ns
    return found


def results(folder: Path) -> dict[str, Any]:
    """Return what every run came to, but for times."""
    found = {}
    for file in sorted(folder.glob("*/result.json")):
        result = json.loads(file.read_text())
        found[file.parent.name] = {k: v for k, v in result.items() if k not in TIMES}
    return found


def conclusions(folder: Path) -> list[str]:
    """Return the verdicts of a comparison."""
    document = json.loads((folder / "compare.json").read_text())
    return [*document["conclusions"], *map(str, document["differences"])]


def same_weights(folder: Path, other: Path, run: str) -> bool:
    """Return whether the best checkpoints of a run have the same weights."""
    paths = [place / run / "best.pt" for place in (folder, other)]
    if not all(path.exists() for path in paths):
        return False
    one, two = (numpy_file.load(path).weights for path in paths)
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def same(folder: Path, reference: Path) -> dict[str, Any]:
    """Compare a comparison with one that nothing disturbed."""
    expected = results(reference)
    return {
        "runs": len(expected),
        "equal_weights": sum(same_weights(folder, reference, run) for run in expected),
        "equal_metrics": results(folder) == expected,
        "equal_verdicts": conclusions(folder) == conclusions(reference),
    }


class Scenarios:
    """The scenarios, in one folder."""

    def __init__(self, root: Path, kills: int, epochs: int, seed: int) -> None:
        self.root, self.kills, self.epochs = root, kills, epochs
        self.draw = random.Random(seed)

    @cached_property
    def reference(self) -> Path:
        """The folder of the serial comparison that nothing disturbs."""
        folder = self.root / "reference"
        code, errors = finish(start(self.command(folder, "--jobs", "1")))
        assert code == 0, errors
        return folder

    def command(self, folder: Path, *more: str) -> list[str]:
        """Return the command of the comparison."""
        return compare(folder, "--seeds", "3", "--quiet", *more, epochs=self.epochs)

    def killed(self, name: str, *more: str) -> dict[str, Any]:
        """Kill workers of a comparison at random moments."""
        process = start(self.command(self.root / name, *more, "--jobs", "2"))
        kills = kill_workers(process, self.root / name, self.kills, self.draw)
        code, errors = finish(process)
        found = {"kills": kills, "exit_code": code, "stderr": errors[-500:]}
        return {**found, **same(self.root / name, self.reference)}

    def local(self) -> dict[str, Any]:
        """Kill local workers."""
        return self.killed("local")

    def dask(self) -> dict[str, Any]:
        """Kill workers of a local Dask cluster."""
        return self.killed("dask", "--on", "dask")

    def scheduler(self) -> dict[str, Any]:
        """Kill the scheduler of a cluster, start another one, and type the command again."""
        folder, file = self.root / "scheduler", self.root / "scheduler.json"
        words = self.command(folder, "--on", str(file))
        cluster = self._cluster(file)
        process = start(words)
        while not list(folder.glob("*/result.json")):
            time.sleep(0.05)
            assert process.poll() is None, process.communicate()
        finished = {path: path.stat().st_mtime_ns for path in folder.glob("*/result.json")}
        cluster[0].kill()
        began = time.monotonic()
        first, errors = finish(process)
        noticed = time.monotonic() - began
        for one in cluster:
            one.kill()
            one.wait()
        cluster = self._cluster(file)
        second, more = finish(start(words))
        for one in cluster:
            one.kill()
        kept = all(path.stat().st_mtime_ns == moment for path, moment in finished.items())
        return {
            "exit_code_after_kill": first,
            "seconds_until_noticed": round(noticed, 1),
            "stderr_after_kill": errors,
            "exit_code_typed_again": second,
            "stderr_typed_again": more,
            "finished_before_kill": len(finished),
            "finished_runs_kept": kept,
            **same(folder, self.reference),
        }

    def _cluster(self, file: Path) -> list[subprocess.Popen[str]]:
        """Start a scheduler and two workers."""
        file.unlink(missing_ok=True)
        join = ["--scheduler-file", str(file), "--no-dashboard"]
        settings = measure.environment(1)
        dask = [sys.executable, "-m"]
        quiet: dict[str, Any] = {"stderr": subprocess.DEVNULL, "env": settings, "cwd": self.root}
        made = [
            subprocess.Popen(
                [*dask, "distributed.cli.dask_scheduler", *join, "--port", "0"], **quiet
            )
        ]
        while not file.exists():
            time.sleep(0.1)
        for _ in range(2):
            words = [*dask, "distributed.cli.dask_worker", *join, "--nthreads", "1"]
            made.append(subprocess.Popen([*words, "--memory-limit", "0"], **quiet))
        return made

    def deadly(self) -> dict[str, Any]:
        """Let one run of three kill its process whenever it starts."""
        plugin, folder = self.root / "deadly.py", self.root / "deadly"
        plugin.write_text(DEADLY)
        grid = ("--grid", "train.optimizer=adam,adamw,deadly", "--attention", "off")
        found = {}
        for name, more in (("local", ()), ("dask", ("--on", "dask"))):
            options = ("--seeds", "1", *grid, "--jobs", "2", *more)
            words = compare(folder / name, *options, epochs=2, cells="gru")
            code, errors = finish(start(words, SEQCLI_PLUGINS=str(plugin)))
            document = json.loads((folder / name / "compare.json").read_text())
            found[name] = {
                "exit_code": code,
                "failed": document["failed"],
                "finished": [run["run"] for arm in document["arms"] for run in arm["runs"]],
                "last_lines": errors.splitlines()[-4:],
            }
        return found

    def plan(self) -> dict[str, Any]:
        """Kill every command of a plan once, and run all of them again."""
        folder = self.root / "plan"
        plan = subprocess.run(
            [*self.command(folder), "--plan"], capture_output=True, text=True, check=True
        )
        lines = [line.replace("seqcli", shlex.join(SEQCLI), 1) for line in plan.stdout.splitlines()]
        killing = [f"timeout -s KILL {self.draw.uniform(4, 12):.1f} {line}" for line in lines]
        first = self._xargs(killing)
        killed = len(lines) - len(list(folder.glob("*/curves.png")))
        second = self._xargs(lines)
        third = self._xargs(lines)
        collected = subprocess.run(
            [*SEQCLI, "compare", "--collect", str(folder), "--quiet"], check=True, env=os.environ
        )
        return {
            "commands": len(lines),
            "killed": killed,
            "exit_codes": [first, second, third, collected.returncode],
            **same(folder, self.reference),
        }

    def _xargs(self, lines: Sequence[str]) -> int:
        words = ["xargs", "-P", "2", "-d", "\n", "-n", "1", "sh", "-c"]
        text = "\n".join(lines)
        settings = measure.environment(1)
        done = subprocess.run(words, input=text, text=True, capture_output=True, env=settings)
        return done.returncode

    def search(self) -> dict[str, Any]:
        """Compare a search with grids of learning rates, on two tasks."""
        return {task: self._searched(task) for task in ("reverse", "sort")}

    def _searched(self, task: str) -> dict[str, Any]:
        """Choose a learning rate by a grid and by a search, and judge both with other seeds."""
        folder, (low, high) = self.root / task, RATES
        rates = np.geomspace(low, high, TRIALS)
        grid = f"train.lr={','.join(f'{rate:.4g}' for rate in rates)}"
        self._tune(task, folder / "grid", "--grid", grid, "--seeds", "1")
        words = ("--search", f"train.lr={low}..{high}:log", "--trials", str(TRIALS))
        self._tune(task, folder / "search", *words)
        of_grid, of_search = scores(folder / "grid"), trials(folder / "search")
        chosen = {
            f"grid of {TRIALS}": best(of_grid),
            "first 5 trials": best(dict(list(of_search.items())[:5])),
            f"{TRIALS} trials": best(of_search),
        }
        several = f"train.lr={','.join(dict.fromkeys(chosen.values()))}"
        others = ("--set", "train.seed=1", "--seeds", str(JUDGES))
        self._tune(task, folder / "judged", "--grid", several, *others)
        judged = judgements(folder / "judged")
        return {
            "grid": of_grid,
            "search, in order": of_search,
            "chosen": {
                way: {"rate": rate, "accuracy with other seeds": judged[rate]}
                for way, rate in chosen.items()
            },
        }

    def _tune(self, task: str, folder: Path, *more: str) -> None:
        words = [*SEQCLI, "compare", "--task", task, *TUNED.split(), *more]
        code, errors = finish(start([*words, "--out", str(folder), "--quiet"]))
        assert code == 0, errors


Score: TypeAlias = tuple[float, float]  # accuracy and loss on the validation rows


def scores(folder: Path) -> dict[str, Score]:
    """Return rate -> score of the runs with seed 0, in the order of the rates."""
    found = {}
    for file in folder.glob("*-s0/result.json"):
        rate = file.parent.name.rpartition("=")[2].removesuffix("-s0")
        found[rate] = _score(json.loads(file.read_text())["metrics"]["val"])
    return dict(sorted(found.items(), key=lambda item: float(item[0])))


def trials(folder: Path) -> dict[str, Score]:
    """Return rate -> score of the trials of a search, in their order."""
    (model,) = json.loads((folder / "search.json").read_text())["models"]
    return {f"{one['values']['train.lr']:g}": _score(one["metrics"]) for one in model["trials"]}


def _score(metrics: Mapping[str, float]) -> Score:
    return metrics["sequence_accuracy"], round(metrics["loss"], 4)


def best(found: Mapping[str, Score]) -> str:
    """Return the rate with the highest accuracy; the loss decides between equal ones."""
    return max(found, key=lambda rate: (found[rate][0], -found[rate][1]))


def judgements(folder: Path) -> dict[str, float]:
    """Return rate -> mean accuracy of the seeds that judge it."""
    found: dict[str, list[float]] = {}
    for file in folder.glob("*/result.json"):
        rate = file.parent.name.rpartition("=")[2].rpartition("-s")[0]
        accuracy, _ = _score(json.loads(file.read_text())["metrics"]["val"])
        found.setdefault(rate, []).append(accuracy)
    return {rate: round(sum(values) / len(values), 4) for rate, values in found.items()}


NAMES = ("local", "dask", "scheduler", "deadly", "plan", "search")


def main() -> None:
    """Run the scenarios and print what they came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenarios = Scenarios(Path(folder), options.kills, options.epochs, options.seed)
        found: dict[str, Any] = {}
        for name in options.only:
            run: Callable[[], dict[str, Any]] = getattr(scenarios, name)
            began = time.monotonic()
            found[name] = {**run(), "seconds": round(time.monotonic() - began, 1)}
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    print(json.dumps({"settings": vars(options), "machine": measure.machine(), **found}, indent=1))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
