"""Command lines to try: every option and key, taken from the program, with values nobody wants."""

from __future__ import annotations

import random
from collections.abc import Iterator

import typer

from seqcli import config
from seqcli.cli import app

VALUES = (
    "", " ", "-1", "0", "1", "2", "0.5", "-0.0", "1e-300", "1e-45", "1e300", "-1e300", "1e999",
    "nan", "inf", "-inf", "9" * 30, "9" * 5000, "a" * 300, "é", "日本語", "\u202e\x1b[2J", "a\0b",
    "\udcff", "５", "012", "a=b", "a,b", ",", "=", "[", "{a: 1}", "!!python/object:x {}", "5:", ":",
    "9:1", "1:99999999999999999999", "true", "None", "*", "%s", "\n", "~", "-", ".", "/dev/null",
    "names.txt", "pairs.tsv",
)  # fmt: skip
SMALL = ("--epochs", "1", "--hidden", "4", "--threads", "1")
ROWS = ("--train-rows", "9", "--val-rows", "3", "--test-rows", "3", "--embedding", "4")
# A line of each kind that succeeds; {out} is a new name in the folder.
BASES = {
    "tasks": ["tasks", "copy"],
    "examples": ["examples", "smoke", "--out", "{out}"],
    "gen-data": [
        "gen-data",
        "--task",
        "copy",
        "--out",
        "{out}",
        "--train",
        "5",
        "--val",
        "2",
        "--test",
        "2",
    ],
    "train": ["train", "--data", "pairs.tsv", "--embedding", "4", "--out", "{out}", *SMALL],
    "train names": ["train", "--data", "names.txt", "--backend", "numpy", "--out", "{out}", *SMALL],
    "train task": ["train", "--task", "copy", "--out", "{out}", *ROWS, *SMALL],
    "eval": ["eval", "--ckpt", "pairs"],
    "eval names": ["eval", "--ckpt", "names", "--data", "names.txt"],
    "eval file": ["eval", "--score", "answers.tsv"],
    "compare": ["compare", "--data", "pairs.tsv", "--out", "{out}", "--seeds", "1", "--plan"],
    "info": ["info", "names"],
    "export": ["export", "names", "--to", "safetensors", "--out", "{out}"],
    "predict": ["predict", "--ckpt", "pairs", "ab"],
    "sample": ["sample", "--ckpt", "names", "--n", "2"],
    "sample next": ["sample", "--ckpt", "names", "--next"],
    "sample pairs": ["sample", "--ckpt", "pairs", "--input", "names.txt"],
}
COMMANDS = typer.main.get_command(app).commands
TASK_KEYS = ("task.length", "task.vocab", "task.test_length", "task.x", "task.", "", "no.such.key")


def options(command: str) -> list[tuple[str, bool]]:
    """Return (spelling, takes a value) of every option of a command, and "" for its arguments."""
    found = []
    for param in COMMANDS[command].params:
        names = [name for name in param.opts if name.startswith("--")]
        spelling = max(names, key=len) if names else ""
        found.append((spelling, not getattr(param, "is_flag", False)))
    return [one for one in found if one[0] != "--help"]


def with_option(base: list[str], option: str, value: str) -> list[str]:
    """Return a base line with one option set, in place of the base's own."""
    words = list(base)
    if option in words:
        at = words.index(option)
        del words[at : at + 2]
    return [*words, option, value] if option else [*words, value]


def every_line() -> Iterator[list[str]]:
    """Yield every base line with every option or key set to every value."""
    for base in BASES.values():
        for option, valued in options(base[0]):
            for value in VALUES if valued else ():
                yield with_option(base, option, value)
            if not valued:
                yield [*base, option]
    keys = (*config.schema.keys(), *TASK_KEYS)
    for key in keys:
        for name in ("train", "train names", "train task", "compare"):
            for value in VALUES:
                yield [*BASES[name], "--set", f"{key}={value}"]


def some_lines(count: int, seed: int) -> list[list[str]]:
    """Return ``count`` different lines, the same for the same seed."""
    return random.Random(seed).sample(list(every_line()), count)
