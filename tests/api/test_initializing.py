"""`train --init-from` and `--freeze`: what a run takes from another one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seqcli
from seqcli.checkpoints import numpy_file
from seqcli.errors import CheckpointError, UsageError
from seqcli.events import RunStarted

SIZES = {"cell": "gru", "attention": True, "hidden": 24, "embedding": 12, "dropout": 0.0}
QUICK = {"recipe": "none", "threads": 1, "batch_size": 16, "lr": 1e-2, "warmup": 0}
COMMAND = (
    "-m seqcli train --data new.tsv --init-from base --epochs 1 --out tuned --quiet "
    "--recipe none --threads 1 --batch-size 16 --lr 1e-2 --warmup 0"
)


def pairs(path: Path, letters: str, rows: int, seed: int) -> Path:
    """Write words of 1 to 4 letters with their uppercase as targets."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(letters, k=draw.randint(1, 4))) for _ in range(rows)]
    path.write_text("".join(f"{word}\t{word.upper()}\n" for word in words))
    return path


def names(path: Path, letters: str, rows: int) -> Path:
    """Write names that consist of consecutive letters."""
    draw, around = random.Random(rows), letters * 2
    starts = [draw.randrange(len(letters)) for _ in range(rows)]
    path.write_text("".join(f"{around[i : i + draw.randint(2, 6)]}\n" for i in starts))
    return path


def val_losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["val_loss"] for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data and the run ``base``, on words of the letters a to h."""
    folder = tmp_path_factory.mktemp("initializing")
    pairs(folder / "base.tsv", "abcdefgh", 600, seed=0)
    pairs(folder / "new.tsv", "abcdefxy", 300, seed=1)
    names(folder / "names.txt", "abcdefgh", rows=400)
    seqcli.train(data=folder / "base.tsv", **SIZES, epochs=6, out=folder / "base", **QUICK)
    return folder


def weights(path: Path) -> dict[str, np.ndarray]:
    return dict(numpy_file.load(path / "best.pt").weights)


@pytest.mark.slow
def test_a_related_model_is_ahead_after_one_epoch_and_learns_new_tokens(folder: Path) -> None:
    scratch = folder / "scratch"
    seqcli.train(data=folder / "new.tsv", **SIZES, epochs=1, out=scratch, **QUICK)
    subprocess.run([sys.executable, *COMMAND.split()], check=True, cwd=folder)
    assert val_losses(folder / "tuned")[0] < 0.7 * val_losses(scratch)[0]
    seqcli.train(resume=folder / "tuned", epochs=8)  # from another working directory
    tuned = numpy_file.load(folder / "tuned" / "best.pt")
    assert tuned.config["model"]["hidden"] == 24
    assert tuned.config["train"]["init_from"] == str(folder / "base")
    old = numpy_file.load(folder / "base" / "best.pt").codec.source.tokens
    assert tuned.codec.source.tokens == (*old, "x", "y")
    (answer,) = seqcli.predict(folder / "tuned", ["xay"])
    assert answer.candidates[0].text == "XAY"
    own = seqcli.evaluate(folder / "tuned", split="val")
    assert own.metrics["loss"] == pytest.approx(min(val_losses(folder / "tuned")), rel=1e-4)


@pytest.mark.slow
def test_frozen_weights_stay_as_they_are_through_decay_and_resuming(folder: Path) -> None:
    settings = ["train.weight_decay=0.1", f"data.path={folder / 'base.tsv'}"]
    base, out = folder / "base", folder / "frozen"
    parts = "encoder,embeddings"
    seqcli.train(set=settings, init_from=base, freeze=parts, epochs=1, out=out, **QUICK)
    seqcli.train(resume=out, epochs=2)
    before, after = weights(base), weights(out)
    fixed = {name for name in after if name.startswith("encoder.") or "embedding" in name}
    assert {"encoder.embedding.weight", "decoder.embedding.weight"} < fixed
    for name, weight in after.items():
        assert np.array_equal(weight, before[name]) == (name in fixed), name


def test_what_does_not_fit_is_named(folder: Path) -> None:
    told: list[object] = []
    settings = {"data.path": str(folder / "new.tsv"), "model.hidden": 20}
    wider = {"init_from": folder / "base", "epochs": 1, "out": folder / "wider", **QUICK}
    seqcli.train(settings, listen=told.append, **wider)
    reused, left = next(event for event in told if isinstance(event, RunStarted)).notes[-2:]
    assert f"starting from {folder / 'base' / 'best.pt'}" in reused
    assert "2 new source tokens: x, y" in reused
    assert "not reused: encoder.rnn.layer.weight_ih_l0 is 72 x 12 there, 60 x 12 here" in left
    assert weights(folder / "wider")["encoder.embedding.weight"].shape == (14, 12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": "names.txt"}, "is a model of pairs, but names contains texts without sources"),
        ({"source_tokens": "words"}, "the tokenization of sources is chars, but words for new"),
        ({"lower": "both"}, "lowercasing is none, but both for new"),
        ({"cell": "transformer"}, "the model is of kind gru, not transformer"),
        ({"init_from": "missing"}, "missing"),
        ({"freeze": "decoder"}, "train.freeze"),
    ],
)
def test_what_cannot_start_from_a_run_is_refused(
    folder: Path, change: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    flags = {"data": "new.tsv", "init_from": "base", **change}
    with pytest.raises((UsageError, CheckpointError), match=message):
        seqcli.train(**flags, out="refused")
    assert not (folder / "refused").exists()


def test_new_tokens_with_frozen_embeddings_are_reported(folder: Path) -> None:
    told: list[object] = []
    settings = {"data": folder / "new.tsv", "init_from": folder / "base", "freeze": "embeddings"}
    run = seqcli.train(**settings, epochs=1, out=folder / "fixed", listen=told.append, **QUICK)
    started = next(event for event in told if isinstance(event, RunStarted))
    assert "the embeddings of new tokens are frozen at their initial values" in started.notes
    old = weights(folder / "base")["decoder.embedding.weight"]
    assert np.array_equal(weights(run.path)["decoder.embedding.weight"][: len(old)], old)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_language_model_starts_from_another_one(folder: Path, backend: str) -> None:
    more = names(folder / "more.txt", "abcdefxgh", rows=60)
    sizes = {"cell": "gru", "hidden": 16, "dropout": 0.0}
    first, old = folder / f"first-{backend}", folder / "names.txt"
    seqcli.train(data=old, backend="numpy", **sizes, epochs=5, out=first, **QUICK)
    common = {"data": more, "backend": backend, "epochs": 1, **QUICK}
    tuned = seqcli.train(init_from=first, out=folder / backend, **common)
    assert tuned.config.model.hidden == 16
    assert numpy_file.load(tuned.path / "best.pt").codec.target.tokens == (*"abcdefgh", "x")
    scratch = seqcli.train(**sizes, out=folder / f"scratch-{backend}", **common)
    assert tuned.finished.history[0]["train_loss"] < 0.8 * scratch.finished.history[0]["train_loss"]
    with pytest.raises(UsageError, match="freeze"):
        seqcli.train(**sizes, freeze="encoder", out=folder / "refused", **common)
