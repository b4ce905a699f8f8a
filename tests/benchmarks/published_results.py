"""Error rates of the recipes on data sets with published results.

    python tests/benchmarks/published_results.py FOLDER [dut ice ...] [--split test]
        [--seeds 0 1 2] [--threads 2] [--out DIR] [-- --recipe best]

FOLDER holds the files that `SETS` names. Every set is trained by the same command; only the options
that describe its columns and tokens differ. Arguments after `--` are passed to `seqcli train`.
Settings are chosen on validation rows (``--split val``, the default), and the test rows are scored
once for each claim: with ``--out DIR``, runs that are already there are scored again without being
trained again. One JSON line per set: the error rate of every seed with its 95% interval, mean
and standard deviation, the error rate of all seeds together as one ensemble, the published figures
and the seconds of each training run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import measure

LETTERS = ("--target-tokens", "words")


@dataclass(frozen=True)
class DataSet:
    """A data set and its published results.

    Args:
        files: training, validation and test rows, relative to the folder. Without validation rows
            the last epoch is kept.
        options: describe the files; the same for every model.
        published: system -> sequence error rate in percent.
    """

    files: tuple[str, str | None, str]
    options: tuple[str, ...] = LETTERS
    published: dict[str, float] = field(default_factory=dict)


def _pronunciation(name: str, *options: str, **published: float) -> DataSet:
    train, val, test = (f"g2p/{name}_{split}.tsv" for split in ("train", "dev", "test"))
    return DataSet((train, val, test), (*LETTERS, *options), published)


def _spelling(name: str, **published: float) -> DataSet:
    """Return a pronunciation set with its columns swapped: phones to letters."""
    options = ("--columns", "target=1,source=2", "--source-tokens", "words")
    return DataSet(_pronunciation(name).files, options, published)


SETS = {  # published: SIGMORPHON 2021 task 1; one Transformer, and the best system, an ensemble
    "bul": _pronunciation("bul", transformer=20.1, ensemble=18.3),
    "dut": _pronunciation("dut", transformer=16.9, ensemble=14.7),
    "geo": _pronunciation("geo", transformer=0.1, ensemble=0.0),
    "kor": _pronunciation("kor", "--normalize", "nfd", transformer=30.2, ensemble=16.3),
    "vie_hanoi": _pronunciation("vie_hanoi", transformer=6.0, ensemble=2.5),
    "ice": _pronunciation("ice", ensemble=11.0),
    "ita": _pronunciation("ita", ensemble=19.0),
    "rum": _pronunciation("rum", ensemble=10.0),
    "dut_letters": _spelling("dut", transformer=23.0),
    "geo_letters": _spelling("geo", transformer=0.5),
    "inflection": DataSet(
        ("inflection/train.tsv", "inflection/dev.tsv", "inflection/test.tsv"),
        ("--columns", "source,target,features"),
        {"pointer-generator": 10.6, "transformer": 23.5, "lstm": 15.9},
    ),
    "tamil": DataSet(
        tuple(
            f"transliteration/ta.translit.sampled.{split}.tsv" for split in ("train", "dev", "test")
        ),
        ("--columns", "target=1,source=2,count=3"),
        {"students": 39.0},
    ),
    "scan": DataSet(
        ("scan/train_simple.tsv", None, "scan/test_simple.tsv"),
        ("--source-tokens", "words", "--target-tokens", "words"),
        {"lstm": 1.1},
    ),
    "surnames": DataSet(
        ("surnames/train.tsv", "surnames/dev.tsv", "surnames/test.tsv"),
        ("--target-tokens", "whole"),
    ),
}


def seqcli(*arguments: str, threads: int) -> Any:
    """Run a command; return the JSON document that it prints."""
    command = [sys.executable, "-m", "seqcli", *arguments, "--json", "--quiet"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, env=measure.environment(threads), check=True
    )
    return json.loads(done.stdout)


def one_run(
    name: str, folder: Path, out: Path, options: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """Train one seed and score it."""
    one = SETS[name]
    run, began = str(out / f"{name}-s{seed}"), time.monotonic()
    files = [*one.options]
    for option, file in zip(("--train", "--val", "--test"), one.files, strict=True):
        files += [option, str(folder / file)] if file else []
    passed = [*options.arguments, "--seed", str(seed), "--threads", str(options.threads)]
    trained = Path(run, "best.pt").exists()
    if not trained:
        seqcli("train", *files, *passed, "--out", run, threads=options.threads)
    seconds = time.monotonic() - began
    return {
        "seed": seed,
        **score([run], options),
        "seconds": None if trained else round(seconds),
    }


def score(runs: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Score one run, or several as an ensemble; errors in percent."""
    checkpoints = [word for run in runs for word in ("--ckpt", run)]
    scores = seqcli("eval", *checkpoints, "--split", options.split, threads=options.threads)
    per_source = scores.get("per_source") or {}
    error = per_source.get("sequence_error_rate", scores["metrics"]["sequence_error_rate"])
    interval = scores["intervals"]["sequence_error_rate"]
    others = {
        name: round(100 * scores["metrics"][name], 2)
        for name in ("token_accuracy", "macro_f1")
        if name in scores["metrics"]
    }
    return {
        "error": round(100 * error, 2),
        "interval": [round(100 * bound, 2) for bound in interval],
        **others,
    }


def main() -> None:
    """Print one JSON line per data set."""
    arguments = sys.argv[1:]
    passed = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("sets", nargs="*", choices=[[], *SETS], metavar="SET")
    parser.add_argument("--split", choices=("val", "test"), default="val")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="keep the run folders here")
    options = parser.parse_args(arguments[: len(arguments) - len(passed) - ("--" in arguments)])
    options.arguments = passed
    with TemporaryDirectory() as temporary:
        out = options.out or Path(temporary)
        for name in options.sets or SETS:
            if not (options.folder / SETS[name].files[0]).exists():
                print(f"{name}: {options.folder} has no {SETS[name].files[0]}", file=sys.stderr)
                continue
            runs = [one_run(name, options.folder, out, options, seed) for seed in options.seeds]
            errors = [run["error"] for run in runs]
            document = {
                "set": name,
                "split": options.split,
                "arguments": passed,
                "mean_error": round(fmean(errors), 2),
                "sd": round(stdev(errors), 2) if len(errors) > 1 else None,
                "runs": runs,
                "ensemble": score([str(out / f"{name}-s{seed}") for seed in options.seeds], options)
                if len(runs) > 1
                else None,
                "published_errors": SETS[name].published,
                "date": time.strftime("%Y-%m-%d"),
            }
            print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main()
