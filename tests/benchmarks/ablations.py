"""Gain of single settings over a base, on several data sets and seeds.

    python tests/benchmarks/ablations.py FOLDER [CHANGE ...] [--sets dut bul kor inflection]
        [--seeds 0 1 2] [--rows 1000] [--val-rows 500] [--out DIR]

The sets are those of `published_results.py` in FOLDER. Every change is trained on evenly spaced
rows of each set and scored on such validation rows; test rows are never read. A base is a small
model with few updates, so that a run takes half a minute; `CHANGES` names the base of each change.
One JSON line per change: its sequence error minus the base's for each set (mean over the seeds,
negative is better), the mean over all sets and seeds with its 95% interval (paired by set and
seed, Student's t), and the decision rule's outcome: "helps" or "harms" if the interval excludes 0.
With ``--out DIR``, runs that are already there are scored again without being trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from published_results import SETS, seqcli

from seqcli.statistics import mean_interval

TRAINING = ("--steps", "800", "--set", "train.epoch_steps=200", "--beam", "1")
SMALL = ("--hidden", "64", "--embedding", "64", "--batch-size", "32", *TRAINING)
ADDITIVE = ("--set", "model.attention=additive")
BASES = {  # the recipe chooses the rest
    "attention": (*SMALL, "--cell", "gru", *ADDITIVE),
    "plain": (*SMALL, "--cell", "gru", "--set", "model.feed_context=false"),
    "Transformer": (
        *(*TRAINING, "--cell", "transformer"),
        *("--set", "model.convolution=0", "--set", "model.mark_ends=false"),
    ),
}


class Change(NamedTuple):
    """Options that differ from a base.

    Attributes:
        options: of `seqcli train`; none for a change of decoding, which scores the base's runs.
        base: a key of `BASES`.
        decoding: options of `seqcli eval`.
    """

    options: tuple[str, ...] = ()
    base: str = "attention"
    decoding: tuple[str, ...] = ()


CHANGES = {
    "no label smoothing": Change(("--set", "train.label_smoothing=0")),
    "tied embeddings": Change(("--set", "model.tied_embeddings=true")),
    "layer norm": Change(("--set", "model.layer_norm=true")),
    "monotonic attention": Change(("--set", "model.attention=monotonic")),
    "dropout by position": Change(("--set", "model.embedding_dropout=position")),
    "beam 5": Change(decoding=("--beam", "5")),
    "beam 5, no length penalty": Change(decoding=("--beam", "5", "--length-penalty", "0")),
    "dropout 0.1": Change(("--dropout", "0.1")),
    "two layers": Change(("--layers", "2")),
    "lstm": Change(("--cell", "lstm")),
    "fed context": Change(("--set", "model.feed_context=true"), base="plain"),
    "marked ends": Change(("--set", "model.mark_ends=true"), base="Transformer"),
    "marked ends and convolution": Change(
        ("--set", "model.mark_ends=true", "--set", "model.convolution=3"), base="Transformer"
    ),
    "convolution": Change(("--set", "model.convolution=3"), base="Transformer"),
    "Transformer, batches of 128, half the updates": Change(
        ("--batch-size", "128", "--steps", "400", "--set", "train.epoch_steps=100"),
        base="Transformer",
    ),
    "Transformer, no label smoothing": Change(
        ("--set", "train.label_smoothing=0"), base="Transformer"
    ),
    "Transformer, tied embeddings": Change(
        ("--set", "model.tied_embeddings=true"), base="Transformer"
    ),
}


def cut(file: Path, rows: int, out: Path) -> Path:
    """Write about as many rows of a file, evenly spaced: files are often sorted."""
    lines = file.read_text("utf-8").splitlines(keepends=True)
    out.write_text("".join(lines[:: max(1, len(lines) // rows)]), "utf-8")
    return out


def error(change: str, name: str, seed: int, options: argparse.Namespace) -> float:
    """Train one run, unless it is there, and score it; return its sequence error in percent.

    ``change`` is a key of `CHANGES` or `BASES`.
    """
    one, files = CHANGES.get(change, Change(base=change)), SETS[name]
    label = change if one.options else f"base {one.base}"
    run = options.out / f"{label.replace(' ', '-')}-{name}-s{seed}"
    if not (run / "best.pt").exists():
        train = cut(
            options.folder / files.files[0], options.rows, options.out / f"{name}-train.tsv"
        )
        val = cut(
            options.folder / str(files.files[1]), options.val_rows, options.out / f"{name}.tsv"
        )
        words = ["--train", str(train), "--val", str(val), *files.options]
        words += [*BASES[one.base], *one.options]  # the last option of a kind counts
        words += ["--seed", str(seed), "--threads", "1", "--out", str(run)]
        seqcli("train", *words, threads=1)
    scores = seqcli("eval", "--ckpt", str(run), "--split", "val", *one.decoding, threads=1)
    return 100 * float(scores["metrics"]["sequence_error_rate"])


def errors(change: str, options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the errors on all sets, one for each seed."""
    return {
        name: [error(change, name, seed, options) for seed in options.seeds]
        for name in options.sets
    }


def summary(change: str, found: dict[str, list[float]], base: dict[str, list[float]]) -> object:
    """Return the differences of a change from its base, in percentage points."""
    paired = {
        name: [one - other for one, other in zip(found[name], base[name], strict=True)]
        for name in found
    }
    all_pairs = [one for differences in paired.values() for one in differences]
    low, high = mean_interval(np.array(all_pairs), np.ones(len(all_pairs))) or (-np.inf, np.inf)
    return {
        "change": change,
        "options": " ".join(CHANGES[change].options + CHANGES[change].decoding),
        "base": CHANGES[change].base,
        "base_error": {name: round(fmean(values), 1) for name, values in base.items()},
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
        bases: dict[str, dict[str, list[float]]] = {}
        for change in options.changes or CHANGES:
            base = CHANGES[change].base
            if base not in bases:
                bases[base] = errors(base, options)
            print(json.dumps(summary(change, errors(change, options), bases[base])), flush=True)


if __name__ == "__main__":
    main()
