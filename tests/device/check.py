"""Check seqcli on a GPU: the numbers of the CPU first, then how fast.

Each check prints one JSON object: its name, whether it is ``ok``, and what was measured. Checks
that do not fit into ``--seconds`` are listed as skipped. The exit code is the number of checks that
failed (at most 99). ``--device cpu`` runs the same code with tiny sizes, to test the script itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

import seqcli
from seqcli import config as configuration
from seqcli.api.checkpoint_config import limits_of
from seqcli.api.members import load_torch
from seqcli.api.trained_model import open_model
from seqcli.data.build import corpus as build_corpus
from seqcli.decoding import inference
from seqcli.decoding.loop import Frontier, decode
from seqcli.decoding.search import Search
from seqcli.decoding.strategies import BeamSearch, Greedy
from seqcli.errors import Exit
from seqcli.models.base import TorchBackend
from seqcli.models.build import make_model
from seqcli.training.torch_trainer import TorchTrainer
from seqcli.training.trainer import TrainingStep

ROWS = ["data.train=512", "data.val=64", "data.test=64", "task.length=3:12", "task.vocab=12"]
TINY = ["model.hidden=32", "model.embedding=16", "train.threads=1", "train.epochs=1"]
PAIR_MODELS: Mapping[str, list[str]] = {
    **{f"{cell}": [f"model.cell={cell}"] for cell in ("rnn", "gru", "lstm")},
    **{
        f"{cell}-{kind}": [f"model.cell={cell}", f"model.attention={kind}"]
        for cell in ("rnn", "gru", "lstm")
        for kind in ("additive", "dot", "general")
    },
    "gru-monotonic": ["model.cell=gru", "model.attention=monotonic"],
    "gru-copy": ["model.cell=gru", "model.attention=additive", "model.copy=true"],
    "gru-layer-norm": ["model.cell=gru", "model.attention=additive", "model.layer_norm=true"],
    "gru-2-layers": ["model.cell=gru", "model.attention=additive", "model.layers=2"],
    "transformer-copy": ["model.cell=transformer", "model.copy=true"],
    "lstm-2-layers-dot": ["model.cell=lstm", "model.attention=dot", "model.layers=2"],
    **{
        f"transformer-{kind}": ["model.cell=transformer", f"model.positions={kind}"]
        for kind in ("sinusoidal", "learned", "rotary", "none")
    },
}
LANGUAGE_MODELS = {cell: [f"model.cell={cell}"] for cell in ("rnn", "gru", "lstm", "transformer")}
LOSS_TOLERANCE = 2e-4  # nats per row, relative, float32
GRADIENT_TOLERANCE = 2e-3  # of the norm of all gradients, relative, float32

Check = Callable[[], Mapping[str, Any]]


def main() -> int:
    """Run all checks; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "mps", "cpu"))
    parser.add_argument("--quick", action="store_true", help="correctness only")
    parser.add_argument("--only", default="", help="run only checks whose name contains this")
    parser.add_argument("--seconds", type=float, default=280, help="start no check after this time")
    parser.add_argument("--data", type=Path, help="also time training on this file of pairs")
    options = parser.parse_args()
    began, failed, skipped = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory() as name:
        checks = correctness(Path(name), options.device)
        if not options.quick:
            checks |= speed(Path(name), options.device, options.data)
        checks = {title: check for title, check in checks.items() if options.only in title}
        print(json.dumps({"check": "machine", **machine(options.device)}), flush=True)
        for title, check in checks.items():
            if time.monotonic() - began > options.seconds:
                skipped.append(title)
            else:
                failed += not report(title, check)
    seconds = round(time.monotonic() - began, 1)
    end = {"failed": failed, "skipped": skipped, "of": len(checks), "seconds": seconds}
    print(json.dumps({"check": "all", **end}), flush=True)
    return min(failed, 99)


def machine(device: str) -> dict[str, Any]:
    """Return what the checks run on."""
    card = torch.cuda.get_device_name() if device == "cuda" else device
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    return {"card": card, **versions, "seqcli": seqcli.__version__}


def report(title: str, check: Check) -> bool:
    """Run one check and print what it found; return whether it passed."""
    began = time.perf_counter()
    try:
        found = {"ok": True, **check()}
    except Exception as error:
        trace = traceback.format_exc(limit=-3)
        found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:500], "trace": trace}
    print(json.dumps({"check": title, **found, "seconds": round(time.perf_counter() - began, 2)}))
    sys.stdout.flush()
    return bool(found["ok"])


def correctness(folder: Path, device: str) -> dict[str, Check]:
    """Return the checks that the accelerator computes what the CPU computes."""
    checks: dict[str, Check] = {}
    for name, sets in PAIR_MODELS.items():
        job = ["data.task=reverse", *ROWS, *TINY, *sets]
        checks[f"step {name}"] = lambda job=job: step_agrees(job, device)
        if device == "cuda":
            checks[f"no waiting {name}"] = lambda job=job: step_does_not_wait(job)
            checks[f"no waiting to decode {name}"] = lambda job=job: decoding_does_not_wait(job)
        checks[f"run {name}"] = lambda job=job, name=name: run_agrees(job, folder / name, device)
    for name, sets in LANGUAGE_MODELS.items():
        job = ["data.task=names", "data.train=512", "data.val=64", "data.test=64", *TINY, *sets]
        out = folder / f"names-{name}"
        checks[f"names {name}"] = lambda job=job, out=out: names_agree(job, out, device)
    attentive = ["data.task=reverse", *ROWS, *TINY, "model.cell=gru", "model.attention=additive"]
    checks["resume"] = lambda: resume_agrees(attentive, folder, device)
    checks["bf16"] = lambda: bf16_learns(attentive, folder / "bf16", device)
    checks["export"] = lambda: export_works(attentive, folder / "export", device)
    checks["out of memory"] = lambda: out_of_memory(folder / "oom", device)
    return checks


def first_batch(settings: configuration.Config) -> tuple[Any, Any, Any]:
    """Return corpus, limits and the first training batch of a configuration."""
    from seqcli.data.batches import BatchStream

    corpus = build_corpus(settings.data, settings.task)
    limits = limits_of(corpus.provenance, corpus.codec, Path("check"))
    stream = BatchStream(corpus.splits["train"], settings.train.batch_size, 0)
    return corpus, limits, next(stream.epoch(0))


def step_agrees(sets: list[str], device: str) -> dict[str, Any]:
    """Compare loss and gradients of one batch, dropout off, on the CPU and on the device."""
    settings = configuration.load(None, [*sets, "model.dropout=0"])
    corpus, limits, batch = first_batch(settings)
    found = {}
    for place in ("cpu", device):
        torch.manual_seed(0)
        model = make_model(settings, corpus.codec, limits).to(place)
        trainer = TorchTrainer(model, corpus, settings, limits)
        model.train()
        from seqcli.training.torch_batches import to_device

        data = to_device(batch, model.device)
        objective, _ = trainer.loss(data)
        objective.backward()
        trainer.parameters.gather_gradients()
        flat = torch.cat([one.grad.flatten().cpu() for one in trainer.parameters.trained])
        found[place] = objective.item(), flat
    (loss, gradient), (other, others) = found["cpu"], found[device]
    off = abs(loss - other) / abs(loss)
    away = float((gradient - others).norm() / gradient.norm())
    return {
        "ok": off < LOSS_TOLERANCE and away < GRADIENT_TOLERANCE,
        "loss": off,
        "gradient": away,
    }


def step_does_not_wait(sets: list[str]) -> dict[str, Any]:
    """Make training steps while PyTorch refuses to wait for the GPU."""
    settings = configuration.load(None, [*sets, "model.dropout=0.1"])
    corpus, limits, batch = first_batch(settings)
    model = make_model(settings, corpus.codec, limits).to("cuda")
    trainer = TorchTrainer(model, corpus, settings, limits)
    step = TrainingStep(batch, 1e-3, 0.0)
    for _ in range(2):  # the first steps initialize libraries
        trainer.training_step(step)
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = trainer.training_step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return {"loss": float(result.loss)}


def decoding_does_not_wait(sets: list[str]) -> dict[str, Any]:
    """Decode while PyTorch refuses to wait for the GPU, except for the flags of the step before."""
    settings = configuration.load(None, sets)
    corpus, limits, batch = first_batch(settings)
    model = make_model(settings, corpus.codec, limits).to("cuda").eval()
    found = {}
    for name, strategy in (("greedy", Greedy()), ("beam", BeamSearch(4, 1.0, 1))):
        with torch.inference_mode():
            source, lengths = TorchBackend(model).sources(batch)
            decode(model, frontier_of(model, source, lengths), 8, strategy)  # initializes libraries
            first = frontier_of(model, source, lengths)
            torch.cuda.set_sync_debug_mode("error")
            try:
                decode(model, first, 8, strategy)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        found[name] = len(strategy.hypotheses())
    return found


def frontier_of(model: Any, source: torch.Tensor, lengths: torch.Tensor) -> Frontier:
    """Return the first hypotheses of sources (B, S)."""
    rows = torch.arange(len(source), device=source.device)  # (B,)
    return Frontier.first(rows, model.start(source, lengths))


def run_agrees(sets: list[str], out: Path, device: str) -> dict[str, Any]:
    """Train on the device, then compare losses, greedy and beam answers with the CPU's."""
    seqcli.train(set=[*sets, f"train.device={device}"], out=out)
    trained = open_model(out)
    model = load_torch(trained.opened).model
    pairs = build_corpus(trained.config.data, trained.config.task).splits["test"]
    greedy_search, beam_search = trained.search(beam=1), trained.search(beam=4)
    scored = {}
    for place in ("cpu", device):
        backend = TorchBackend(model.to(place))
        nats = inference.row_nats(backend, pairs, 64)
        greedy, _ = inference.predictions(backend, pairs, trained.limits, greedy_search, 64)
        beam, _ = inference.predictions(backend, pairs, trained.limits, beam_search, 64)
        scored[place] = nats, rows_of(greedy, len(pairs)), rows_of(beam, len(pairs))
    (nats, greedy, beam), (nats_there, greedy_there, beam_there) = scored["cpu"], scored[device]
    off = float((abs(nats - nats_there) / abs(nats)).max())
    same = [
        sum(a == b for a, b in zip(x, y, strict=True)) / len(x)
        for x, y in ((greedy, greedy_there), (beam, beam_there))
    ]
    list(seqcli.predict(out, ["3 1 4"], nbest=2, beam=3))
    return {
        "ok": off < LOSS_TOLERANCE and min(same) > 0.95,
        "loss": off,
        "greedy": same[0],
        "beam": same[1],
    }


def rows_of(ragged: Any, count: int) -> list[tuple[int, ...]]:
    """Return the rows of a ragged array."""
    return [tuple(ragged[i].tolist()) for i in range(count)]


def names_agree(sets: list[str], out: Path, device: str) -> dict[str, Any]:
    """Train a language model on the device, score it, draw from it."""
    seqcli.train(set=[*sets, f"train.device={device}"], out=out)
    score = seqcli.evaluate(out).metrics
    drawn = list(seqcli.sample(out, n=5, seed=1).samples)
    return {"ok": len(drawn) == 5, "loss": score["loss"]}


def resume_agrees(sets: list[str], folder: Path, device: str) -> dict[str, Any]:
    """Train two epochs at once, and one epoch and then another: the same weights?"""
    there = [*sets, f"train.device={device}"]
    seqcli.train(set=[*there, "train.epochs=2", "train.schedule=constant"], out=folder / "once")
    seqcli.train(set=[*there, "train.epochs=1", "train.schedule=constant"], out=folder / "twice")
    seqcli.train(resume=folder / "twice", set=["train.epochs=2"])
    from seqcli.checkpoints import torch_file

    one = torch_file.load(folder / "once" / "last.pt").weights
    two = torch_file.load(folder / "twice" / "last.pt").weights
    away = max(float((one[name] - two[name]).abs().max()) for name in one)
    return {"ok": away < 1e-3, "bit_equal": away == 0, "largest_difference": away}


def bf16_learns(sets: list[str], out: Path, device: str) -> dict[str, Any]:
    """Train in bfloat16: the loss falls and is finite."""
    run = seqcli.train(
        set=[*sets, "train.epochs=3", "train.precision=bf16", f"train.device={device}"], out=out
    )
    losses = [row["train_loss"] for row in run.finished.history]
    return {"ok": losses[-1] < losses[0], "losses": losses}


def export_works(sets: list[str], out: Path, device: str) -> dict[str, Any]:
    """Train on the device and write the model for other programs."""
    seqcli.train(set=[*sets, f"train.device={device}"], out=out)
    seqcli.export(out, to="safetensors", out=out.with_suffix(".safetensors"))
    seqcli.export(out, to="onnx", out=out.with_name("exported-onnx"))
    return {}


def out_of_memory(out: Path, device: str) -> dict[str, Any]:
    """Ask for more memory than any card has: one clear line, not a traceback."""
    if device == "cpu":
        return {"skipped": "the CPU would swap"}
    huge = [
        "data.task=reverse",
        "data.train=200000",
        "data.val=10",
        "data.test=10",
        "task.length=180:200",
        "model.cell=gru",
        "model.attention=additive",
        "model.hidden=2048",
        "train.batch_size=100000",
        "train.threads=1",
        "train.epochs=1",
        f"train.device={device}",
    ]
    sets = [part for one in huge for part in ("--set", one)]
    command = [sys.executable, "-m", "seqcli", "train", *sets, "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    said = done.stderr.strip().splitlines()
    plain = "Traceback" not in done.stderr
    return {
        "ok": plain and done.returncode == Exit.MACHINE,
        "code": done.returncode,
        "said": said[-3:],
    }


def speed(folder: Path, device: str, data: Path | None) -> dict[str, Check]:
    """Return the timings: training and decoding at several sizes and batches."""
    checks: dict[str, Check] = {}
    sizes, batches = ((64, 256, 1024), (64, 512, 4096)) if device != "cpu" else ((16,), (8, 16))
    for cell, attention in (("gru", "additive"), ("lstm", "none"), ("transformer", "none")):
        for hidden in sizes:
            for batch in batches:
                for precision in ("float32", "bf16"):
                    job = (cell, attention, hidden, batch, precision, device)
                    title = f"speed {cell} {attention} hidden {hidden} batch {batch} {precision}"
                    checks[title] = lambda job=job: steps_per_second(*job)
    if data is not None:
        checks[f"speed {data.name}"] = lambda: epoch_of(data, folder / "data", device)
    joeynmt = os.environ.get("JOEYNMT_PYTHON")
    if joeynmt:
        checks["speed joeynmt"] = lambda: joeynmt_speed(Path(joeynmt), folder / "joeynmt")
    return checks


def epoch_of(data: Path, out: Path, device: str) -> dict[str, Any]:
    """Train two epochs on a file of pairs with the recipe's model; the second one is timed."""
    run = seqcli.train(data=str(data), epochs=2, set=[f"train.device={device}"], out=out)
    last = run.finished.history[-1]
    return {name: last[name] for name in ("seconds", "sequences_per_second", "val_loss")}


def joeynmt_speed(python: Path, folder: Path) -> dict[str, Any]:
    """Time JoeyNMT's training steps on the GPU: GRU, hidden 256, batch 64, as above."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    from peer_joeynmt import JoeyNMT
    from stepping import Window, train_for_a_while
    from work import GRU, Job, write_pairs

    folder.mkdir()
    peer, job = JoeyNMT(python), Job(write_pairs(folder / "data"), folder, GRU, 1, epochs=1000)
    config = job.folder / "train.yaml"
    command = peer.steps_command(job)
    config.write_text(config.read_text().replace("use_cuda: false", "use_cuda: true"))
    figures = train_for_a_while(
        command, 1, GRU.batch, Window(5, 10, 1), peer.steps, peer.parameters
    )
    return {"version": peer.version(), **figures.told()}


def steps_per_second(
    cell: str, attention: str, hidden: int, batch_size: int, precision: str, device: str
) -> dict[str, Any]:
    """Time training steps, and greedy decoding of one batch."""
    seconds = 0.05 if device == "cpu" else 1.0
    sets = [
        "data.task=reverse",
        f"data.train={batch_size}",
        "data.val=16",
        f"data.test={batch_size}",
        "task.length=10:10",
        "task.vocab=20",
        f"train.precision={precision}",
        f"model.cell={cell}",
        f"model.attention={attention}",
        f"model.hidden={hidden}",
        f"model.embedding={min(hidden, 256)}",
        f"train.batch_size={batch_size}",
    ]
    settings = configuration.load(None, sets)
    corpus, limits, batch = first_batch(settings)
    torch.manual_seed(0)
    model = make_model(settings, corpus.codec, limits).to(device)
    trainer = TorchTrainer(model, corpus, settings, limits)

    step = TrainingStep(batch, 1e-3, 0.0)
    for _ in range(3):
        trainer.training_step(step)
    wait(device)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        trainer.training_step(step)
        count += 1
    wait(device)
    trained = count * len(batch.rows) / (time.perf_counter() - began)
    if precision != "float32":  # decoding is in float32
        return {"sequences_per_second": round(trained)}
    began = time.perf_counter()
    model.eval()
    test = corpus.splits["test"]
    inference.predictions(TorchBackend(model), test, limits, Search(), batch_size)
    wait(device)
    decoded = len(corpus.splits["test"]) / (time.perf_counter() - began)
    return {"sequences_per_second": round(trained), "decoded_per_second": round(decoded)}


def wait(device: str) -> None:
    """Wait until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    raise SystemExit(main())
