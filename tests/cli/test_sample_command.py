"""``seqcli sample``: stdout has the texts and nothing else."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import seqcli
from seqcli.cli import app, shell

NAMES = ["anna", "bo", "cleo", "dana", "ella", "flora", "gus", "hans", "ida", "jo"]


@pytest.fixture(scope="module")
def ckpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli-names")
    (folder / "names.txt").write_text("\n".join(NAMES), "utf-8")
    small = {"hidden": 12, "epochs": 2, "batch_size": 4, "threads": 1, "device": "cpu"}
    seqcli.train({}, data=str(folder / "names.txt"), out=folder / "names.pt", **small)
    return folder / "names.pt"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = shell.run(app, words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.slow
def test_as_it_stands(capsys, ckpt):
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), "--n", "10")
    assert code == 0
    assert len(out.splitlines()) == 10
    assert err.splitlines()[-1].startswith("sampled with --seed ")
    seed = err.split()[-1]
    again = run(capsys, "sample", "--ckpt", str(ckpt), "--n", "10", "--seed", seed, "-q")
    assert again == (0, out, "")


def test_log_probabilities_stand_behind_a_tab(capsys, ckpt):
    words = ("sample", "--ckpt", str(ckpt), "--n", "3", "--prefix", "an", "--logprob", "-q")
    _, out, _ = run(capsys, *words)
    for line in out.splitlines():
        text, score = line.split("\t")
        assert text.startswith("an")
        assert float(score) < 0


def test_json_is_one_document(capsys, ckpt):
    words = ("sample", "--ckpt", str(ckpt), "--n", "4", "--seed", "1", "--json", "--quiet")
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["seed"] == 1
    assert document["draws"] == 4
    assert set(document["samples"][0]) == {"text", "ended"}


def test_what_is_missing_and_what_is_cut_is_said(capsys, ckpt, monkeypatch):
    monkeypatch.setattr("seqcli.api.sampling.MAX_IDLE_DRAWS", 2000)
    words = ("--n", "200", "--unique", "--max-length", "1", "--seed", "0")
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), *words)
    assert code == 0
    assert len(out.splitlines()) == len(set(out.splitlines())) < 200
    assert "truncated at the maximum length (--max-length)" in err
    assert "of 200 texts: of " in err


def test_the_next_symbol_as_bars(capsys, ckpt):
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), "--next", "--prefix", "an")
    assert (code, err) == (0, "")
    assert "<eos>" in out
    assert all("%" in line for line in out.splitlines())
    assert "█" in out.splitlines()[0]
    words = ("--next", "--prefix", "an", "--json")
    _, out, _ = run(capsys, "sample", "--ckpt", str(ckpt), *words)
    document = json.loads(out)
    assert document["prefix"] == "an"
    assert sum(one["probability"] for one in document["next"]) == pytest.approx(1)
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), "--next", "--unique")
    assert (code, out) == (2, "")


def test_a_prefix_it_cannot_read(capsys, ckpt):
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), "--prefix", "Anna")
    assert (code, out) == (2, "")
    assert "names.pt: 'A'" in err
    assert "hint: the vocabulary is a b" in err


def test_input_is_for_models_of_pairs(capsys, ckpt, tmp_path, monkeypatch):
    code, out, err = run(capsys, "sample", "--ckpt", str(ckpt), "--input", str(ckpt))
    assert (code, out) == (2, "")
    assert "takes no input" in err
    small = {"hidden": 8, "epochs": 1, "threads": 1, "device": "cpu", "length": "3", "vocab": 4}
    sizes = {"train_rows": 20, "val_rows": 5, "test_rows": 5}
    made = seqcli.train({}, task="copy", out=tmp_path / "run", **small, **sizes)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"1 2 3\n\n3 3 1\n")))
    code, out, _ = run(capsys, "sample", "--ckpt", str(made.path), "--n", "2")
    assert code == 0
    assert [line.count("\t") for line in out.split("\n")] == [1, 0, 1, 0]


def test_eval_of_a_language_model(capsys, ckpt):
    data = str(ckpt.parent / "names.txt")
    code, out, err = run(capsys, "eval", "--ckpt", str(ckpt), "--data", data)
    assert code == 0
    for word in ("bits per character", "perplexity", "bigram", "in train", "sampled texts"):
        assert word in out
    assert err.endswith(f"next: seqcli sample {ckpt} --n 10\n")
    _, out, _ = run(capsys, "eval", "--ckpt", str(ckpt), "--data", data, "--json", "-q")
    document = json.loads(out)
    assert document["novelty"]["drawn"] == 1000
    assert set(document["metrics"]) == {"loss", "bits_per_character", "perplexity"}


def test_names_as_a_data_set(capsys, tmp_path):
    out_folder = str(tmp_path / "data")
    sizes = ("--train", "50", "--val", "5", "--test", "5")
    code, out, err = run(capsys, "gen-data", "--task", "names", "--out", out_folder, *sizes)
    assert code == 0
    assert "target length" in out
    assert "source length" not in out
    assert "bits per character" in out
    assert err.endswith(f"next: seqcli train --data {out_folder} --cell gru\n")
    lines = (tmp_path / "data" / "train.tsv").read_text("utf-8").splitlines()
    assert len(lines) == 50
    assert not any("\t" in line for line in lines)
    _, out, _ = run(capsys, "tasks")
    assert any(line.endswith("  chloropropanol") for line in out.splitlines())
