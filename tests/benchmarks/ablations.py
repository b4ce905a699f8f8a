"""Gain of single settings over a base, on several data sets and seeds.

    python tests/benchmarks/ablations.py FOLDER [CHANGE ...] [--sets dut bul kor inflection]
        [--seeds 0 1 2] [--rows 1000] [--val-rows 500] [--out DIR]

The sets are those of `published_results.py` in FOLDER. Every change is trained on evenly spaced
rows of each set and scored on such validation rows; test rows are never read. The base is the
recipe's model at a quarter of its width and updates, so that a run takes half a minute.
One JSON line per change: its sequence error minus the base's for each set (mean over the seeds,
negative is better), the mean over all sets and seeds with its 95% interval (paired by set and
seed, Student's t), and the decision rule's outcome: "helps" or "harms" if the interval excludes 0.
With ``--out DIR``, runs that are already there are scored again without being trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np
from published_results import SETS, seqcli

from seqcli.statistics import mean_interval

BASE = ("--hidden", "64", "--embedding", "64", "--steps", "800", "--batch-size", "32")
BASE = (*BASE, "--set", "train.epoch_steps=200", "--beam", "1", "--set", "model.attention=additive")
CHANGES = {
    "base": (),
    "no label smoothing": ("--set", "train.label_smoothing=0"),
    "tied embeddings": ("--set", "model.tied_embeddings=true"),
    "layer norm": ("--set", "model.layer_norm=true"),
    "restarts": ("--set", "train.schedule=cosine_restarts"),
    "monotonic attention": ("--set", "model.attention=monotonic"),
    "dropout by position": ("--set", "model.embedding_dropout=position"),
    "dropout 0.1": ("--dropout", "0.1"),
    "two layers": ("--layers", "2"),
    "lstm": ("--cell", "lstm"),
}


def cut(file: Path, rows: int, out: Path) -> Path:
    """Write about as many rows of a file, evenly spaced: files are often sorted."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    out.write_text("".join(lines[:: max(1, len(lines) // rows)]), "utf-8")
    return out


def error(change: str, name: str, seed: int, options: argparse.Namespace) -> float:
    """Train one run, unless it is there; return its sequence error in percent."""
    one = SETS[name]
    run = options.out / f"{change.replace(' ', '-')}-{name}-s{seed}"
    if not (run / "best.pt").exists():
        train = cut(options.folder / one.files[0], options.rows, options.out / f"{name}.train.tsv")
        val = cut(options.folder / str(one.files[1]), options.val_rows, options.out / f"{name}.tsv")
        words = ["--train", str(train), "--val", str(val), *one.options, *BASE, *CHANGES[change]]
        words += ["--seed", str(seed), "--threads", "1", "--out", str(run)]
        seqcli("train", *words, threads=1)
    scores = seqcli("eval", "--ckpt", str(run), "--split", "val", threads=1)
    return 100 * float(scores["metrics"]["sequence_error_rate"])


def summary(change: str, errors: dict[str, list[float]], base: dict[str, list[float]]) -> object:
    """Return the differences of a change from the base, in percentage points."""
    paired = {
        name: [one - other for one, other in zip(errors[name], base[name], strict=True)]
        for name in errors
    }
    all_pairs = [one for differences in paired.values() for one in differences]
    low, high = mean_interval(np.array(all_pairs), np.ones(len(all_pairs))) or (-np.inf, np.inf)
    return {
        "change": change,
        "options": " ".join(CHANGES[change]),
        "base": {name: round(fmean(values), 1) for name, values in base.items()},
        "difference": {name: round(fmean(values), 1) for name, values in paired.items()},
        "mean": round(fmean(all_pairs), 2),
        "interval": [round(low, 2), round(high, 2)],
        "verdict": "helps" if high < 0 else "harms" if low > 0 else "no difference",
        "runs": len(all_pairs),
        "date": time.strftime("%Y-%m-%d"),
    }


def main() -> None:
    """Print one JSON line per change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("changes", nargs="*", choices=[[], *CHANGES], metavar="CHANGE")
    parser.add_argument("--sets", nargs="+", default=["dut", "bul", "kor", "inflection"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--val-rows", type=int, default=500)
    parser.add_argument("--out", type=Path, help="keep the run folders here")
    options = parser.parse_args()
    with TemporaryDirectory() as temporary:
        options.out = options.out or Path(temporary)
        options.out.mkdir(parents=True, exist_ok=True)
        base: dict[str, list[float]] = {}
        for change in dict.fromkeys(["base", *(options.changes or CHANGES)]):
            errors = {
                name: [error(change, name, seed, options) for seed in options.seeds]
                for name in options.sets
            }
            base = base or errors
            if change != "base":
                print(json.dumps(summary(change, errors, base)), flush=True)
            else:
                print(f"base: {errors}", file=sys.stderr)


if __name__ == "__main__":
    main()
