"""Nats per character on test, for every language model of both backends, on makemore's names.

    python tests/benchmarks/names_quality.py FOLDER [--models gru transformer] [--files names]

FOLDER holds names_train.txt and names_test.txt (makemore's own split of names.txt), and the same
without repeats, names_uniq_train.txt and names_uniq_test.txt. 1,000 rows drawn from the training
file are kept apart as validation, on which the best epoch of a run is chosen. The test rows are
scored once, at the end. About half an hour on one core for all of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure

ROOT = Path(__file__).resolve().parents[2]
KEPT_APART = 1000
TORCH = ["--config", str(ROOT / "examples" / "names_recurrent.yaml")]
NUMPY = ["--backend", "numpy"]
CLASSICAL = [
    "--lr",
    "5e-3",
    "--batch-size",
    "32",
    "--warmup",
    "0",
]  # the recipe of the NumPy backend
MODELS = {
    "transformer": ["--config", str(ROOT / "examples" / "names_transformer.yaml")],
    "gru": TORCH,
    "lstm": [*TORCH, "--cell", "lstm", "--hidden", "207", "--dropout", "0.2"],
    "rnn": [*CLASSICAL, "--cell", "rnn", "--hidden", "100", "--dropout", "0", "--epochs", "30"],
    "numpy-rnn": [*NUMPY, "--epochs", "30"],
    "numpy-gru": [*NUMPY, "--cell", "gru"],
    "numpy-lstm": [*NUMPY, "--cell", "lstm"],
}


def write_splits(source: Path, name: str, folder: Path) -> Path:
    """Write train.tsv, val.tsv (drawn from the training file) and test.tsv; return the folder."""
    train = (source / f"{name}_train.txt").read_text("utf-8").splitlines()
    apart = set(random.Random(0).sample(range(len(train)), KEPT_APART))
    splits = {
        "train": [line for i, line in enumerate(train) if i not in apart],
        "val": [train[i] for i in sorted(apart)],
        "test": (source / f"{name}_test.txt").read_text("utf-8").splitlines(),
    }
    folder.mkdir()
    for split, lines in splits.items():
        (folder / f"{split}.tsv").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def trained(data: Path, model: str, run: Path) -> dict[str, Any]:
    """Train and score one model."""
    seqcli = [sys.executable, "-m", "seqcli"]
    command = [*seqcli, "train", *MODELS[model], "--data", str(data), "--out", str(run)]
    trace = measure.watch([*command, "--threads", "1"], threads=1)
    scored = measure.watch([*seqcli, "eval", "--ckpt", str(run), "--json", "--quiet"], threads=1)
    document = json.loads("\n".join(line.text for line in scored.lines))
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    told = {
        "nats_on_test": round(document["metrics"]["loss"], 4),
        "nats_on_validation": round(min(epoch["val_loss"] for epoch in epochs), 4),
        "novelty": document["novelty"],
        "cpu_seconds": round(trace.cpu_seconds),
    }
    measure.say(f"{data.name} {model}: {told}")
    return told


def main() -> None:
    """Train, score and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the files of names are")
    parser.add_argument("--models", nargs="+", choices=sorted(MODELS), default=list(MODELS))
    parser.add_argument("--files", nargs="+", default=["names", "names_uniq"])
    options = parser.parse_args()
    missing = [name for name in options.files if not (options.folder / f"{name}_test.txt").exists()]
    if missing:
        measure.say(f"{options.folder} has no {missing[0]}_test.txt: nothing is measured")
        return
    before = measure.load()
    results: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name in options.files:
            data = write_splits(options.folder, name, Path(folder) / name)
            runs = Path(folder) / "runs"
            results[name] = {
                model: trained(data, model, runs / f"{name}-{model}") for model in options.models
            }
    settings = {**vars(options), "folder": str(options.folder), "threads": 1}
    measure.publish("names_quality", settings, results, before)


if __name__ == "__main__":
    main()
