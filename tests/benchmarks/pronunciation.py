"""Word error and time beside yoyodyne and JoeyNMT on one pronunciation set, in turn.

    python tests/benchmarks/pronunciation.py FOLDER --yoyodyne PYTHON --joeynmt PYTHON
        [--set ice] [--settings soft_attention_lstm ...] [--seed 0] [--clock cpu]

FOLDER holds the files of `published_results.SETS`. Every peer trains at the settings that it
documents (`documented.py`); of several settings of one peer the one with the lower validation error
counts. Then seqcli trains with its defaults, and with `--budget`: once for the time of the better
peer, and once for 0.4 of it. Everybody uses one thread, and is a process of its own.

One JSON line per training run: seconds, CPU seconds, error rates on validation and test rows in
percent, and the load of the machine before it; for seqcli also the seconds until its validation
error was first as low as that of the better peer. Where others use the machine, compare CPU
seconds; with `--clock cpu` the budgets of seqcli, which bound its seconds, are the peer's CPU
seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import measure
from documented import JoeyNMTSmall, YoyodyneIcelandic, YoyodyneTransformer
from ours import Seqcli
from published_results import LETTERS, SETS, seqcli
from work import GRU, Job, sequence_accuracy, truths

KINDS = {
    "yoyodyne": (YoyodyneIcelandic, YoyodyneTransformer),
    "joeynmt": (JoeyNMTSmall,),
}
CLOCKS = {"wall": "seconds", "cpu": "cpu_seconds"}
SHARES = (1.0, 0.4)  # of the time of the better peer
Peer = YoyodyneIcelandic | JoeyNMTSmall


def write_set(files: dict[str, Path], folder: Path, test: str) -> Path:
    """Write the splits with spaces between letters, as the peers read them.

    Args:
        files: train, val and test, each word TAB phones.
        test: the split that stands in for test.
    """
    folder.mkdir()
    for split, name in {"train": "train", "val": "val", "test": test}.items():
        rows = [line.split("\t") for line in files[name].read_text("utf-8").splitlines()]
        sources = [" ".join(word) for word, _ in rows]
        targets = [phones for _, phones in rows]
        pairs = [f"{source}\t{target}" for source, target in zip(sources, targets, strict=True)]
        for suffix, lines in ((".src", sources), (".trg", targets), (".tsv", pairs)):
            text = "".join(f"{line}\n" for line in lines)
            (folder / split).with_suffix(suffix).write_text(text, "utf-8")
    return folder


def train_peer(peer: Peer, job: Job, folders: dict[str, Path]) -> dict[str, Any]:
    """Train at the documented settings; return what was measured."""

    def error(split: str) -> float:
        own = replace(job, data=folders[split])
        trace = measure.watch(peer.decode_command(own, beam=1), job.threads)
        predictions = peer.predictions(own, beam=1, trace=trace)
        return round(100 - sequence_accuracy(predictions, truths(own.data)), 2)

    return record(peer.name, peer.settings, peer.train_command(job), error)


def train_seqcli(
    files: dict[str, Path], out: Path, options: Sequence[str], target: float
) -> dict[str, Any]:
    """Train into a run folder; return what was measured.

    Args:
        files: train, val and test.
        out: the run folder.
        options: of `seqcli train`, beside those that describe the files.
        target: the validation error whose time is wanted, in percent.
    """
    rows = [word for split, path in files.items() for word in (f"--{split}", str(path))]
    described = [*LETTERS, *rows, "--threads", "1", "--out", str(out), "--quiet"]
    command = [*Seqcli().help_command()[:-1], "train", *options, *described]

    def error(split: str) -> float:
        scores = seqcli("eval", "--ckpt", str(out), "--split", split, threads=1)
        return round(100 * scores["metrics"]["sequence_error_rate"], 2)

    return record("seqcli", " ".join(options), command, error, lambda: until(target, out))


def until(target: float, run: Path) -> dict[str, float | None]:
    """Return when the validation error of a run was first as low as ``target``.

    Returns:
        the error, the seconds of training until then, and their share of all seconds of training;
        None if it never was.
    """
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    epochs = [json.loads(line) for line in lines]
    seconds = list(accumulate(epoch["seconds"] for epoch in epochs))
    errors = [round(100 * (1 - epoch["val_sequence_accuracy"]), 2) for epoch in epochs]
    first = next((t for t, error in zip(seconds, errors, strict=True) if error <= target), None)
    share = None if first is None else round(first / seconds[-1], 3)
    return {"peer_error": target, "seconds_to_it": first, "share": share}


def record(
    program: str,
    settings: str,
    command: list[str],
    error: Callable[[str], float],
    more: Callable[[], dict[str, Any]] = dict,
) -> dict[str, Any]:
    """Run a training command, score the model and print one JSON line."""
    load = measure.load()
    trace = measure.watch(command, threads=1)
    document = {
        "program": program,
        "settings": settings,
        "seconds": round(trace.seconds, 1),
        "cpu_seconds": round(trace.cpu_seconds, 1),
        "val_error": error("val"),
        "test_error": error("test"),
        **more(),
        "load": load,
        "date": time.strftime("%Y-%m-%d %H:%M"),
    }
    print(json.dumps(document), flush=True)
    return document


def train_peers(
    options: argparse.Namespace, root: Path, folders: dict[str, Path]
) -> list[dict[str, Any]]:
    """Train every peer that is installed; return what was measured."""
    rows = len((folders["test"] / "train.src").read_text("utf-8").splitlines())
    results = []
    for name, kinds in KINDS.items():
        python = getattr(options, name)
        if python is None or not python.exists():
            measure.say(f"{name}: left out (give --{name} PYTHON)")
            continue
        for kind in kinds:
            if kind.settings in options.settings:
                folder = root / kind.__name__
                job = Job(folders["test"], folder, GRU, 1, epochs=0, checks=1, rows=rows)
                results.append(train_peer(kind(python), job, folders))
    return results


def main() -> None:
    """Print one JSON line per training run."""
    options = _options()
    names = ("train", "val", "test")
    paths = (options.folder / str(name) for name in SETS[options.set].files)
    files = dict(zip(names, paths, strict=True))
    with TemporaryDirectory() as temporary:
        root = Path(temporary)
        folders = {split: write_set(files, root / split, test=split) for split in ("val", "test")}
        measure.say(f"{options.set}: {len(truths(folders['test']))} test rows")
        results = train_peers(options, root, folders)
        if not results:
            raise SystemExit("no peer took part: there is no time to keep to")
        best = min(results, key=lambda result: float(result["val_error"]))
        budgets = [round(share * best[CLOCKS[options.clock]]) for share in SHARES]
        for name, words in {
            "default": [],
            **{f"{n}s": ["--budget", f"{n}s"] for n in budgets},
        }.items():
            seed = ["--seed", str(options.seed)]
            train_seqcli(files, root / name, [*words, *seed], best["val_error"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    for name in KINDS:
        parser.add_argument(f"--{name}", type=Path, metavar="PYTHON")
    parser.add_argument("--set", choices=("ice", "rum", "ita", "dut", "bul", "geo"), default="ice")
    known = [kind.settings for kinds in KINDS.values() for kind in kinds]
    parser.add_argument("--settings", nargs="+", choices=known, default=known, help="of the peers")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--seed", type=int, default=0, help="of seqcli; the peers use 0")
    return parser.parse_args()


if __name__ == "__main__":
    main()
