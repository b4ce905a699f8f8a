"""`sample` and `eval` on language models: what is asked for is what comes out."""

from __future__ import annotations

import math
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import seqcli
from seqcli.api.trained_model import open_model
from seqcli.arrays.ragged import Ragged
from seqcli.checkpoints import torch_file
from seqcli.data.corpus import Pairs
from seqcli.errors import DataError, StoppedBySignal, UsageError
from seqcli.events import EpochEnded, Progress
from seqcli.results import Samples

NAMES = [f"{first}{second}" for first in ("an", "bo", "cleo", "da") for second in ("na", "ra", "l")]
SMALL = {
    "hidden": 16,
    "cell": "gru",
    "dropout": 0.0,
    "batch_size": 8,
    "lr": 1e-2,
    "threads": 1,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with names.txt and a model of it, which goes without the file."""
    made = tmp_path_factory.mktemp("names")
    (made / "names.txt").write_text("".join(f"{name}\n" for name in NAMES * 3), "utf-8")
    data = made / "names.txt"
    seqcli.train({}, data=str(data), out=made / "names.pt", epochs=8, **SMALL)
    return made


@pytest.fixture(scope="module")
def names(folder: Path) -> Path:
    """A trained checkpoint, one file, as `--out names.pt` makes it."""
    return folder / "names.pt"


def texts(found: Samples) -> list[str]:
    return [one.text for one in found.samples]


def test_ten_names_without_a_word(names: Path) -> None:
    found = seqcli.sample(names)
    assert len(found.samples) == found.draws == 10
    assert set("".join(texts(found))) <= set("".join(NAMES))
    assert found.notes == ()


def test_a_seed_draws_the_same_again_and_none_draws_others(names: Path) -> None:
    first = seqcli.sample(names, 50, seed=7)
    assert seqcli.sample(names, 50, seed=7) == first
    assert texts(seqcli.sample(names, 50, seed=8)) != texts(first)
    other = seqcli.sample(names, 50)
    assert other.seed is not None
    assert seqcli.sample(names, 50, seed=other.seed) == other


def test_unique_and_novel_keep_their_word(names: Path) -> None:
    found = seqcli.sample(names, 60, seed=0, unique=True, novel=True, temperature=1.5)
    assert len(found.samples) == 60
    assert len(set(texts(found))) == 60
    assert not set(texts(found)) & set(NAMES)
    assert "" not in texts(found)
    alone = texts(seqcli.sample(names, 60, seed=0, novel=True))
    assert not set(alone) & set(NAMES)


def test_it_says_why_there_are_fewer(names: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqcli.api.sampling.MAX_IDLE_DRAWS", 3000)
    found = seqcli.sample(names, 500, seed=0, unique=True, max_length=2, top_k=2)
    assert len(found.samples) < 500
    (note,) = found.notes
    assert note.startswith(f"only {len(found.samples)} of 500 texts: of ")
    assert "repeated an earlier one" in note


def test_a_prefix_is_kept_and_checked(names: Path) -> None:
    assert all(text.startswith("cle") for text in texts(seqcli.sample(names, 20, prefix="cle")))
    with pytest.raises(UsageError) as caught:
        seqcli.sample(names, prefix="Zoë")
    assert "'Z' 'ë'" in caught.value.message
    assert caught.value.hint == "the vocabulary is a b c d e l n o r"


def test_lengths_are_kept_to(names: Path) -> None:
    found = seqcli.sample(names, 200, max_length=3, prefix="an", temperature=3, seed=1)
    assert max(len(text) for text in texts(found)) == 3
    assert {one.ended for one in found.samples} == {True, False}
    assert all(one.ended == (len(one.text) < 3) for one in found.samples)
    with pytest.raises(UsageError, match="does not fit a maximum length"):
        seqcli.sample(names, max_length=2, prefix="anna")
    long = texts(seqcli.sample(names, 1, prefix="anna" * 10))[0]
    assert long.startswith("anna" * 10)


def test_log_probabilities_are_those_of_the_whole_text(names: Path) -> None:
    model = open_model(names)
    codec = model.codec.target
    for found in (
        seqcli.sample(names, 5, prefix="b", seed=0, logprob=True),
        seqcli.sample(names, 3, beam=8, logprob=True),
    ):
        rows = Ragged.from_rows([codec.encode(list(one.text)) for one in found.samples])
        wanted = model.log_likelihoods(Pairs(rows))
        assert [one.log_probability for one in found.samples] == pytest.approx(wanted.tolist())


def test_searches(names: Path) -> None:
    (best,) = seqcli.sample(names, greedy=True, prefix="cle").samples
    cold = seqcli.sample(names, 3, temperature=1e-3, prefix="cle")
    assert texts(cold) == [best.text] * 3
    found = seqcli.sample(names, 5, beam=20, logprob=True)
    scores = [one.log_probability or 0.0 for one in found.samples]
    assert len(set(texts(found))) == 5
    assert scores == sorted(scores, reverse=True)
    assert found.seed is None
    drawn = seqcli.sample(names, 500, seed=0, logprob=True)
    likely = [one.log_probability or -99 for one in drawn.samples if one.text]
    assert max(likely) <= scores[0] + 1e-6


@pytest.mark.parametrize(
    "wrong",
    [
        {"greedy": True, "beam": 2},
        {"greedy": True, "temperature": 0.5},
        {"beam": 3, "top_k": 2},
        {"greedy": True, "n": 3},
        {"n": 0},
        {"beam": 0},
        {"temperature": 0.0},
        {"lines": ["a"]},
        {"backend": "jax"},
    ],
)
def test_what_does_not_go_together_is_refused(names: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        seqcli.sample(names, **wrong)
    assert caught.value.hint


def test_the_next_symbol(names: Path) -> None:
    found = seqcli.next_tokens(names, prefix="cleo")
    assert sum(one.probability for one in found) == pytest.approx(1)
    shares = [one.probability for one in found]
    assert shares == sorted(shares, reverse=True)
    assert {one.token for one in found} <= {None, *"abcdelnor"}
    two = seqcli.next_tokens(names, prefix="cleo", top_k=2)
    assert [one.token for one in two] == [one.token for one in found[:2]]


def test_eval_is_exact_and_tells_what_is_new(names: Path, folder: Path) -> None:
    model, data = open_model(names), folder / "names.txt"
    found = seqcli.evaluate(names, data=data)
    codec = model.codec.target
    rows = Ragged.from_rows([codec.encode(list(name)) for name in NAMES * 3])
    nats = -model.log_likelihoods(Pairs(rows)).sum() / (len(rows.tokens) + len(rows))
    assert found.rows == len(NAMES) * 3
    assert found.metrics["loss"] == pytest.approx(nats)
    assert found.metrics["bits_per_character"] == pytest.approx(nats / math.log(2))
    assert found.metrics["perplexity"] == pytest.approx(math.exp(nats))
    assert found.baselines["bigram"]["loss"] < found.baselines["chance"]["loss"]
    assert found.novelty is not None
    shares = found.novelty.shares
    assert shares["in_train"] + shares["in_val"] + shares["in_test"] == pytest.approx(
        shares["in_data"]
    )
    assert shares["new"] == pytest.approx(1 - shares["in_data"])
    assert 0 < shares["repeated"] < 1
    own = seqcli.evaluate(names, split="val")
    assert own.novelty is not None
    assert "in_data" not in own.novelty.shares


def test_eval_needs_the_data_it_was_trained_on_or_some_other(
    names: Path, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="scored without decoding"):
        seqcli.evaluate(names, beam=2)
    (tmp_path / "more.txt").write_text("anna\n\nzz\n", "utf-8")
    found = seqcli.evaluate(names, data=tmp_path / "more.txt")
    assert any("1 row left out: blank (line 2)" in note for note in found.notes)
    assert "2 unknown tokens" in found.notes
    moved = folder / "gone.txt"
    shutil.move(folder / "names.txt", moved)
    try:
        with pytest.raises(DataError, match=r"names\.txt"):
            seqcli.evaluate(names)
        assert seqcli.evaluate(names, data=moved).baselines == {}
        assert len(texts(seqcli.sample(names, 20, novel=True))) == 20
    finally:
        shutil.move(moved, folder / "names.txt")


def test_a_model_of_pairs_draws_for_each_line(tmp_path: Path) -> None:
    sizes = {"train_rows": 50, "val_rows": 5, "test_rows": 5, "epochs": 1}
    run = seqcli.train({}, task="copy", length="2:4", vocab=5, out=tmp_path, **sizes, **SMALL)
    lines = ["1 2 3", "", "4 4"]
    found = seqcli.sample(run.path, 3, lines=lines, seed=0, logprob=True)
    assert [one.line for one in found.samples] == [1, 1, 1, 2, 3, 3, 3]
    assert [one.source for one in found.samples[::3]] == ["1 2 3", "", "4 4"]
    assert all(set(one.text.split()) <= set("1234") for one in found.samples)
    assert all(one.log_probability < 0 for one in found.samples if one.source)
    unique = seqcli.sample(run.path, 4, lines=["1 2 3"], seed=0, unique=True, temperature=2.0)
    assert len(set(texts(unique))) == 4
    for wrong in ({"prefix": "1"}, {"novel": True}, {"greedy": True}, {"beam": 2}):
        with pytest.raises(UsageError, match="language models"):
            seqcli.sample(run.path, lines=lines, **wrong)
    with pytest.raises(UsageError, match="needs sources"):
        seqcli.sample(run.path)
    with pytest.raises(UsageError, match="model of pairs"):
        seqcli.next_tokens(run.path)
    with pytest.raises(UsageError, match="no backend is called 'jax'"):
        seqcli.evaluate(run.path, backend="jax")


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_a_stopped_run_goes_on_bit_for_bit(folder: Path, tmp_path: Path, cell: str) -> None:
    """With dropout and names drawn in between: both leave the random state alone."""
    data = {"data": str(folder / "names.txt"), "epochs": 4, "samples": 4}
    how = {**SMALL, **data, "cell": cell, "dropout": 0.2}
    sets = ["model.feedforward=16", "train.save_every=0"]

    def stop(event: object) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 2:
            signal.raise_signal(signal.SIGINT)

    alone = seqcli.train({}, set=sets, out=tmp_path / "alone", **how)
    with pytest.raises(StoppedBySignal):
        seqcli.train({}, set=sets, out=tmp_path / "stopped", listen=stop, **how)
    both = seqcli.train(resume=tmp_path / "stopped")
    same = [torch_file.load(run.path / "last.pt").weights for run in (alone, both)]
    for name, weight in same[0].items():
        assert torch.equal(weight, same[1][name])
    kept = ("train_loss", "val_loss", "val_perplexity", "val_bits_per_character")
    for one, other in zip(alone.finished.history, both.finished.history, strict=True):
        assert [one[name] for name in kept] == [other[name] for name in kept]


@pytest.mark.parametrize("count", [1, 5, 9])
def test_tiny_files_train(tmp_path: Path, count: int) -> None:
    (tmp_path / "n.txt").write_text("".join(f"{name}\n" for name in NAMES[:count]), "utf-8")
    told: list[object] = []
    how = {**SMALL, "epochs": 2, "samples": 3, "listen": told.append}
    run = seqcli.train({}, data=str(tmp_path / "n.txt"), out=tmp_path / "run", **how)
    assert ("val_loss" in run.finished.history[0]) == (count > 1)
    ended = [event for event in told if isinstance(event, EpochEnded)]
    assert all(len(event.samples) == 3 for event in ended)
    assert not any(isinstance(event, Progress) and event.epoch > 2 for event in told)
    assert len(seqcli.sample(run.path, 4).samples) == 4


def test_fingerprints_are_in_the_file_that_anyone_can_open(names: Path) -> None:
    about = torch.load(names, weights_only=True)["about"]
    kept = about["fingerprints"]
    assert set(kept) == {"train", "val", "test"}
    assert sum(map(len, kept.values())) == len(NAMES)
    assert np.asarray(kept["train"]).dtype == np.int64
