"""The commands themselves, in one process: what goes to stdout, what to stderr."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from seqcli.cli import app, shell
from seqcli.events import Finished
from seqcli.results import AttentionMap, Candidate, Evaluation, Prediction, ScoredRow
from seqcli.runs.fit_diagnosis import diagnose_fit


def run(capsys, *words):
    code = shell.run(app, words)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def api(monkeypatch):
    """Put plain functions in the place of the verbs that load torch; keep what they were given."""
    given = {}

    def train(config, *, listen, **options):
        given.update(options, config=config)
        finished = Finished(1, 1, {"val_loss": 0.5}, "epochs", 2.0, ({"val_loss": 0.5},))
        listen(finished)
        rows = given.setdefault("rows", {"train": 9, "val": 1, "test": 1})
        run = {"path": "runs/my run", "checkpoint": "runs/my run", "rows": rows}
        fit = diagnose_fit(finished.history)
        return SimpleNamespace(
            **run, finished=finished, diagnosis=fit, data=None, ensemble=None, kept=False
        )

    def evaluate(ckpt, **options):
        given.update(options, ckpt=ckpt)
        row = ScoredRow(("3", "1"), ("1", "3"), ("1", "3"), True, 0)
        metrics = {"loss": 0.1, "sequence_accuracy": 1.0}
        shown = {"predictions": (row,), "beam": 1, "seconds": 0.1}
        return Evaluation(1, metrics, {}, checkpoint=str(ckpt), data="d", split="test", **shown)

    def predictions(lines):
        for line in lines:
            texts = [line[::-1] + "!" * n for n in range(given["nbest"])]
            answers = tuple(Candidate(text, -1.0, -0.5) for text in texts)
            weights = np.full((1, len(line)), 0.5, np.float32)
            seen = AttentionMap(tuple(line), (), weights) if given["attention"] else None
            yield Prediction(line, answers, ("x",) if "x" in line else (), seen)

    def open_predictor(ckpt, **options):
        given.update(options, ckpt=ckpt)
        return SimpleNamespace(predict=predictions)

    for verb in (train, evaluate, open_predictor):
        monkeypatch.setattr(f"seqcli.api.{verb.__name__}", verb, raising=False)
    return given


def type_in(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))


def test_train_hands_on_what_was_asked_and_tells_the_next_command(capsys, api):
    words = "train --task sort --attention --lr 1e-3 --set train.grad_clip=2 --set a=b --force"
    code, out, err = run(capsys, *words.split())
    assert (code, out) == (0, "")
    assert err.endswith("next: seqcli eval 'runs/my run'\n")
    assert list(api["set"]) == ["train.grad_clip=2", "a=b"]
    assert (api["task"], api["attention"], api["lr"], api["force"]) == ("sort", "additive", 1e-3, 1)
    assert api["cell"] is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"train": 9, "val": 1}, "seqcli eval 'runs/my run' --split val"),
        ({"train": 9}, "seqcli info 'runs/my run'"),
    ],
)
def test_train_tells_a_next_command_that_has_rows(capsys, api, rows, told):
    api["rows"] = rows
    assert run(capsys, "train", "--task", "sort")[2].endswith(f"next: {told}\n")


def test_train_json_is_one_document(capsys, api):
    code, out, err = run(capsys, "train", "--task", "sort", "--json", "--quiet")
    assert (code, err) == (0, "")
    assert json.loads(out)["run"] == "runs/my run"
    assert json.loads(out)["best"] == {"val_loss": 0.5}


def test_eval(capsys, api, tmp_path):
    code, out, err = run(capsys, "eval", "--ckpt", "runs/x", "--beam", "5", "--split", "val")
    assert code == 0
    assert "sequence accuracy" in out
    assert "100" in out
    assert err == "next: seqcli predict runs/x '3 1'\n"
    assert (api["beam"], api["split"], api["length_penalty"]) == (5, "val", None)
    _, out, _ = run(capsys, "eval", "--ckpt", "runs/x", "--json")
    assert json.loads(out)["metrics"]["loss"] == 0.1


def test_eval_scores_a_file_or_a_checkpoint(capsys, api, tmp_path):
    path = tmp_path / "theirs.tsv"
    path.write_text("ab\tx\tx\ncd\ty\tx\n")
    code, out, err = run(capsys, "eval", "--score", str(path), "--rows", "1")
    assert (code, "1 of 2 predictions is wrong; 1 shown" in out) == (0, True)
    assert "note: targets are tokenized as chars" in err
    code, out, _ = run(capsys, "eval", "--score", str(path), "--target-tokens", "words", "--json")
    assert json.loads(out)["metrics"]["sequence_accuracy"] == 0.5
    for words in ([], ["--ckpt", "c", "--score", str(path)]):
        assert run(capsys, "eval", *words)[0] == 2
    for option, value in (("--beam", "5"), ("--split", "val")):
        code, _, err = run(capsys, "eval", "--score", str(path), option, value)
        assert (code, f"{option} cannot be used with --score" in err) == (2, True)
    code, _, err = run(capsys, "eval", "--ckpt", "c", "--target-tokens", "chars")
    assert (code, "--target-tokens cannot be used with a run" in err) == (2, True)
    path.write_text("ab\tx\n")
    code, out, err = run(capsys, "eval", "--score", str(path))
    assert (code, out) == (3, "")
    assert err.startswith(f"error: {path}, line 1: 2 columns, expected 3\nhint: ")


def test_predict_writes_one_line_for_each_line(capsys, api, monkeypatch):
    assert run(capsys, "predict", "--ckpt", "c", "abc", "de") == (0, "cba\ned\n", "")
    type_in(monkeypatch, b"abc\r\n\nde")
    assert run(capsys, "predict", "--ckpt", "c") == (0, "cba\n\ned\n", "")
    type_in(monkeypatch, "\ufeffäö\n".encode())
    assert run(capsys, "predict", "--ckpt", "c", "--input", "-") == (0, "öä\n", "")


def test_predict_reads_files_and_names_the_bad_line(capsys, api, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_bytes(b"abc\n\xff\n")
    code, out, err = run(capsys, "predict", "--ckpt", "c", "--input", str(file))
    assert (code, out) == (3, "cba\n\n")  # an empty line stands for the bad one
    assert "line 2" in err
    assert "UTF-8" in err
    code, _, err = run(capsys, "predict", "--ckpt", "c", "--input", str(tmp_path / "no"))
    assert code == 3
    assert "does not exist" in err
    code, _, err = run(capsys, "predict", "--ckpt", "c", "abc", "--input", str(file))
    assert (code, "choose one" in err) == (2, True)


def test_predict_nbest_scores_and_unknown_symbols(capsys, api):
    words = ["predict", "--ckpt", "c", "ax", "--nbest", "2"]
    assert run(capsys, *words)[1] == "xa\txa!\n"
    assert run(capsys, *words, "--scores")[1] == "xa\t-0.5000\txa!\t-0.5000\n"
    assert run(capsys, *words)[2] == "note: line 1: unknown tokens: x\n"
    found = json.loads(run(capsys, *words, "--json")[1])
    assert found["predictions"][0]["source"] == "ax"


def test_predict_shows_attention_on_stderr_and_draws_it(capsys, api, tmp_path):
    code, out, err = run(capsys, "predict", "--ckpt", "c", "abc", "--attention")
    assert (code, out) == (0, "cba\n")
    assert "a" in err
    png = tmp_path / "map.png"
    words = ("predict", "--ckpt", "c", "abc", "de", "--attention-png")
    assert run(capsys, *words, str(png))[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"map.png", "map-2.png"}
    assert png.read_bytes().startswith(b"\x89PNG")
    assert run(capsys, *words, str(tmp_path / "maps"))[0] == 0
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {"1.png", "2.png"}


def test_tasks(capsys):
    code, out, err = run(capsys, "tasks")
    assert code == 0
    assert "reverse" in out
    assert "->" in out
    assert "next: seqcli train --task " in err
    assert {one["name"] for one in json.loads(run(capsys, "tasks", "--json")[1])["tasks"]} >= {
        "reverse",
        "patterns",
    }


def test_a_task_is_told_with_its_options(capsys):
    code, out, err = run(capsys, "tasks", "patterns")
    assert code == 0
    assert out.startswith("patterns: the continuation of a digit pattern")
    (kinds,) = (line for line in out.splitlines() if line.startswith("kinds"))
    assert "ones,zeros,digit" in kinds
    assert max(len(line) for line in out.partition("option ")[0].splitlines()) < 80
    assert "--set task.KEY=VALUE" in err
    found = json.loads(run(capsys, "tasks", "patterns", "--json")[1])
    assert {"name", "default", "about"} == set(found["options"][0])
    assert run(capsys, "tasks", "pattern")[0] == 2


def test_gen_data(capsys, tmp_path):
    out = tmp_path / "my data"
    words = ["gen-data", "--task", "sort", "--length", "6", "--vocab", "4", "--out", str(out)]
    words += ["--train", "30", "--val", "5", "--test", "5", "--seed", "7"]
    code, shown, err = run(capsys, *words)
    assert code == 0
    assert "sort: length 6, vocab 4; seed 7" in shown
    assert "train-val 0" in shown
    assert "majority" in shown
    assert err == f"next: seqcli train --data '{out}' --cell gru --attention\n"
    assert len((out / "train.tsv").read_text().splitlines()) == 30
    assert run(capsys, *words)[0] == 2
    found = json.loads(run(capsys, *words, "--force", "--json", "--quiet")[1])
    assert found["sizes"] == {"train": 30, "val": 5, "test": 5}
