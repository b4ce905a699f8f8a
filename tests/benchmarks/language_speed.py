"""Characters per second of training a model of names: seqcli and the plain loop, in turn.

    python tests/benchmarks/language_speed.py [--models rnn gru transformer] [--names FILE]

makemore's sizes: 64 wide, batch 32, AdamW 5e-4, no dropout; the Transformer has 4 layers and 4
heads. The plain loop is `names_loop.py`. seqcli's recurrent models read letters one-hot where the
loop has an embedding, so that at one width they have fewer parameters; they run at the width that
makes the parameters even, too. A character is a target: the stop symbol counts, padding does not.
Without --names 20,000 random names of the usual lengths are drawn.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import string
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
from ours import HERE, Seqcli
from stepping import Figures, Window, train_for_a_while

BATCH, WIDTH = 32, 64
EVEN = {"rnn": 82, "gru": 78}  # widths at which seqcli has the loop's parameters, 26 letters


@dataclass(frozen=True)
class Program:
    """A contender: its name and the command that trains and tells its steps."""

    name: str
    command: list[str]


def ours(model: str, names: Path, folder: Path, width: int) -> list[str]:
    """Return the command that trains with seqcli."""
    settings = {
        "data.path": str(names),
        "model.cell": model,
        "model.hidden": width,
        "model.dropout": 0,
        "train.batch_size": BATCH,
        "train.epochs": 1000,
        "train.lr": 5e-4,
        "train.schedule": "constant",
        "train.weight_decay": 0.01,
        "train.grad_clip": 0,
        "train.samples": 0,
        "train.threads": 1,
        "train.device": "cpu",
    }
    if model == "transformer":
        sizes = {"layers": 4, "heads": 4, "feedforward": 256, "positions": "learned"}
        settings |= {f"model.{key}": value for key, value in sizes.items()}
    return [sys.executable, str(HERE / "ours_steps.py"), str(folder), json.dumps(settings)]


def programs(model: str, names: Path, folder: Path) -> list[Program]:
    """Return who takes part."""
    loop = [sys.executable, str(HERE / "names_loop.py"), str(names), model]
    found = [
        Program("loop", loop),
        Program("seqcli", ours(model, names, folder / "same-width", WIDTH)),
    ]
    if model in EVEN:
        even = ours(model, names, folder / "even", EVEN[model])
        found.append(Program("seqcli, parameters even", even))
    return found


def in_turn(model: str, names: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Let the contenders train in turn, A B A B ..., and return what was seen."""
    window = Window(options.warmup, options.window, options.windows)
    lengths = [len(name) + 1 for name in names.read_text().split()]
    per_step = BATCH * statistics.mean(lengths)
    seen: dict[str, Figures] = {}
    for turn in range(options.rounds):
        with TemporaryDirectory() as folder:
            for program in programs(model, names, Path(folder)):
                readers = (Seqcli().steps, Seqcli().parameters)
                figures = train_for_a_while(program.command, 1, per_step, window, *readers)
                seen.setdefault(program.name, Figures()).add(figures)
                speed = statistics.median(figures.cpu_speeds)
                told = f"{program.name} {speed:.0f} characters per CPU second"
                measure.say(f"{model}, round {turn + 1}: {told}")
    return _results(seen)


def _results(seen: dict[str, Figures]) -> dict[str, Any]:
    results: dict[str, Any] = {name: one.told("characters") for name, one in seen.items()}
    for key, pick in (("", lambda one: one.speeds), ("_in_cpu_time", lambda one: one.cpu_speeds)):
        medians = {name: statistics.median(pick(one)) for name, one in seen.items()}
        results[f"times_the_loop{key}"] = measure.times(medians, "loop")
    return results


def write_names(path: Path, count: int = 20_000) -> Path:
    """Write random names, 2 to 15 letters, and return the path."""
    drawn = random.Random(0)
    lengths = [min(15, max(2, round(drawn.gauss(6.1, 1.4)))) for _ in range(count)]
    names = ["".join(drawn.choices(string.ascii_lowercase, k=length)) for length in lengths]
    path.write_text("\n".join(names) + "\n")
    return path


def main() -> None:
    """Measure and print one JSON document."""
    options = _options()
    before = measure.load()
    with TemporaryDirectory() as folder:
        names = options.names or write_names(Path(folder) / "names.txt")
        results = {model: in_turn(model, names, options) for model in options.models}
    settings = {**vars(options), "names": str(options.names or "random"), "threads": 1}
    measure.publish("language_speed", settings, results, before)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = ["rnn", "gru", "transformer"]
    parser.add_argument("--models", choices=kinds, nargs="+", default=kinds)
    parser.add_argument("--names", type=Path, help="a file of names, one a line, letters alone")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each contender")
    parser.add_argument("--warmup", type=int, default=30, help="steps before the clock counts")
    parser.add_argument("--window", type=int, default=50, help="least steps in a window")
    parser.add_argument("--windows", type=int, default=6, help="windows in a turn")
    return parser.parse_args()


if __name__ == "__main__":
    main()
