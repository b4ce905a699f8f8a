"""`info`: what a checkpoint is, read without PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import seqcli
from seqcli.api.checkpoint_config import open_checkpoint
from seqcli.api.members import load_torch
from seqcli.cli import app, shell
from seqcli.errors import CheckpointError
from seqcli.report.info_view import checkpoint_lines
from seqcli.runs.metrics_log import read_metrics


def test_it_says_what_a_model_is_was_trained_on_and_scored(runs):
    found = seqcli.info(runs["gru"])
    assert found.path.endswith("best.pt")
    assert found.model.startswith("GRU encoder-decoder, 1 layer, hidden size 16")
    assert (found.source.tokenization, found.source.max_length) == ("words", 9)
    assert set(found.target.tokens) <= set(map(str, range(100)))
    assert found.data["task"] == "copy"
    assert found.data["rows"] == {"train": 64, "val": 16, "test": 16}
    assert found.data["seed"] == 0
    assert found.settings["model.hidden"] == (16, "--set")
    assert found.next[0] == f"seqcli predict {runs['gru']}"
    row = read_metrics(Path(runs["gru"]) / "metrics.jsonl")[0]
    assert found.epoch == row["epoch"] == 1
    assert found.metrics["val_loss"] == row["val_loss"]


def test_parameters_are_those_of_the_model(runs):
    model = load_torch(open_checkpoint(runs["transformer"])).model
    counted = sum(weight.numel() for weight in model.parameters())
    assert seqcli.info(runs["transformer"]).parameters == counted


@pytest.mark.parametrize("name", ["names", "numpy"])
def test_language_models_of_both_backends(runs, name):
    found = seqcli.info(runs[name])
    assert found.source is None
    assert "language model" in found.model
    assert found.backend == ("numpy" if name == "numpy" else "torch")
    assert found.next[0].startswith("seqcli sample ")


def test_the_last_checkpoint_can_be_resumed(runs):
    last = seqcli.info(Path(runs["gru"]) / "last.pt")
    assert last.resumable
    assert not seqcli.info(runs["gru"]).resumable
    assert last.epoch == 1


def test_the_command_tells_it_in_lines_and_as_json(runs, capsys):
    for name in runs:
        assert shell.run(app, ("info", str(runs[name]))) == 0
        out, err = capsys.readouterr()
        assert err == ""
        heads = [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]
        assert [head for head in heads if head != "source"] == [
            *("checkpoint", "model", "target", "data", "scored", "baselines", "set", "next"),
        ]
        assert shell.run(app, ("info", str(runs[name]), "--json")) == 0
        assert json.loads(capsys.readouterr().out)["epoch"] == 1


@pytest.mark.parametrize("name", ["gru", "names"])
def test_the_baselines_beside_validation_scores_are_those_of_validation(runs, name):
    found = seqcli.info(runs[name])
    scored = {
        split: seqcli.evaluate(runs[name], split=split).baselines for split in ("val", "test")
    }
    for split, baselines in found.baselines.items():
        for baseline, scores in baselines.items():
            again = {metric: scored[split][baseline][metric] for metric in scores}
            assert again == pytest.approx(scores)
    assert found.baselines["val"] != found.baselines["test"]
    (line,) = (line for line in checkpoint_lines(found) if line.startswith("baselines"))
    assert line.split(maxsplit=1)[1].startswith("on validation, chance: ")


def test_a_file_that_is_no_checkpoint(tmp_path):
    (tmp_path / "x.pt").write_bytes(b"no")
    with pytest.raises(CheckpointError):
        seqcli.info(tmp_path / "x.pt")


def test_torch_is_not_needed(runs):
    code = (
        "import sys; from seqcli.cli import app, shell; shell.run(app, sys.argv[1:]);"
        "sys.exit('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "info", str(runs["gru"])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_files_and_checksums_are_told_one_by_one_and_letters_before_features(tmp_path):
    rows = "".join(f"wort{n}\tworte{n}\tN;PL\n" for n in range(12))
    paths = {split: tmp_path / f"{split}.tsv" for split in ("train", "val")}
    for path in paths.values():
        path.write_text(rows, encoding="utf-8")
    run = seqcli.train(
        **paths,
        columns="source,target,features",
        hidden=4,
        epochs=1,
        threads=1,
        out=tmp_path / "run",
    )
    found = seqcli.info(run.path)
    lines = checkpoint_lines(found)
    text = "\n".join(lines)
    assert "{" not in text
    assert "'" not in text.partition("next")[0]
    assert sum("sha256" in line for line in lines) == 2
    (source,) = (line for line in lines if line.startswith("source"))
    assert "(0 1 2" in source
    assert found.next[0] == rf"printf 'SOURCE\tFEATURES\n' | seqcli predict {run.path}"
    assert found.next[1] == f"seqcli eval {run.path} --split val"
