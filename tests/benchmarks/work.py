"""The work all contenders do: the same pairs, the same sizes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

SPLITS = ("train", "val", "test")
SYMBOLS = 20
LENGTH = 10


@dataclass(frozen=True)
class Sizes:
    """Model and training sizes; ``cell`` is gru (with additive attention) or transformer."""

    cell: str = "gru"
    embedding: int = 128
    hidden: int = 256
    layers: int = 1
    heads: int = 4
    feedforward: int = 512
    dropout: float = 0.2
    batch: int = 64
    learning_rate: float = 0.001
    clip: float = 1.0


GRU = Sizes()
TRANSFORMER = replace(GRU, cell="transformer", embedding=128, hidden=128, layers=2)
SEQCLI_DEFAULTS = replace(GRU, embedding=64, hidden=64, dropout=0.0, batch=32, learning_rate=0.003)


@dataclass(frozen=True)
class Job:
    """One training: data, sizes, a folder of its own, and how long.

    Args:
        data: folder with the pairs, see `write_pairs`.
        folder: where the contender keeps its files.
        checks: validations in an epoch; 0 leaves validation out where the contender can.
    """

    data: Path
    folder: Path
    sizes: Sizes
    threads: int
    epochs: int
    checks: int = 0
    rows: int = 10_000

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return -(-self.rows // self.sizes.batch)


def write_pairs(folder: Path, train: int = 10_000, val: int = 1_000, test: int = 1_000) -> Path:
    """Write pairs of `reverse` with seqcli, and beside them one file per side; return the folder.

    ``train.tsv`` ("3 1 4<TAB>4 1 3") becomes ``train.src`` and ``train.trg`` too, and so on.
    """
    rows = {"train": train, "val": val, "test": test}
    counts = [word for split, n in rows.items() for word in (f"--{split}", str(n))]
    task = ["--task", "reverse", "--length", str(LENGTH), "--vocab", str(SYMBOLS + 1)]
    command = [sys.executable, "-m", "seqcli", "gen-data", "--out", str(folder), *task, *counts]
    subprocess.run(command, check=True, capture_output=True, text=True)
    for split in SPLITS:
        _split_columns(folder / f"{split}.tsv")
    return folder


def _split_columns(path: Path) -> None:
    pairs = [line.split("\t") for line in path.read_text().splitlines()]
    for column, suffix in enumerate((".src", ".trg")):
        path.with_suffix(suffix).write_text("".join(f"{pair[column]}\n" for pair in pairs))


def write_head(data: Path, folder: Path, rows: int) -> Path:
    """Write the first rows of every file of pairs to ``folder`` and return it."""
    folder.mkdir()
    for path in sorted(data.glob("*.*")):
        lines = path.read_text().splitlines(keepends=True)
        (folder / path.name).write_text("".join(lines[:rows]))
    return folder


def truths(data: Path) -> list[str]:
    """Return the targets of the test split."""
    return (data / "test.trg").read_text().splitlines()


def sequence_accuracy(predictions: list[str], truth: list[str]) -> float:
    """Return the share of predictions equal to the truth, in percent."""
    if len(predictions) != len(truth):
        raise ValueError(f"{len(predictions)} predictions for {len(truth)} rows")
    same = sum(a == b for a, b in zip(predictions, truth, strict=True))
    return round(100 * same / len(truth), 2)
