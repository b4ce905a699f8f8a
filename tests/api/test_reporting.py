"""`write_report`: the page of a run of every kind, and hostile texts in it."""

import json
import re
from html.parser import HTMLParser

import pytest

import seqcli
from seqcli.cli import app, shell
from seqcli.errors import UsageError
from seqcli.runs.environment import read_environments

TINY = {"train_rows": 64, "val_rows": 16, "test_rows": 16, "epochs": 1, "threads": 1}
SMALL = ["model.hidden=8", "model.embedding=8"]
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><b>x",
    '"onload="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b[31mred",
    "\u202egnp.exe\u200f",
)


class Tags(HTMLParser):
    """Collect the elements of a page with their attributes, and its visible text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self.names = [], "", []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.names.append(tag)

    def handle_data(self, data):
        self.text += data


def page_of(run, tmp_path, **options):
    out = seqcli.write_report(run, out=tmp_path / "page.html", **options)
    return out.read_text("utf-8")


def headings(page):
    return re.findall("<h2>(.*?)</h2>", page)


def test_the_page_of_a_model_of_pairs_has_every_section(runs, tmp_path):
    page = page_of(runs["gru"], tmp_path)
    assert headings(page) == [
        "Scores on test",
        "Learning curves",
        "Accuracy by group",
        "Errors",
        "Predictions",
        "Attention",
        "Data and model",
        "Training environment",
        "Configuration",
        "Use this model",
        "Cite",
    ]
    scores = seqcli.evaluate(runs["gru"])
    assert f"{scores.metrics['loss']:.4f}" in page
    assert page.count("<svg") == 3
    assert page.count('class="weights"') == 6
    assert "model.hidden</td>" in page
    assert "torch 2" in page
    for form in ("\\begin{tabular}", "| metric |", "metric,model,95% interval", "@software"):
        assert form in page


@pytest.mark.parametrize("name", ["names", "numpy"])
def test_a_language_model_has_samples_and_no_predictions(runs, tmp_path, name):
    page = page_of(runs[name], tmp_path)
    assert "Samples" in headings(page)
    assert not {"Predictions", "Attention", "Errors", "Accuracy by group"} & set(headings(page))
    assert "perplexity" in page


def test_a_transformer_has_attention_maps(runs, tmp_path):
    assert "Attention" in headings(page_of(runs["transformer"], tmp_path))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run trained on rows that try to leave their cells."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [{"source": f"{n} {text}", "target": f"{text}"} for n in range(12) for text in HOSTILE]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = [*SMALL, "data.target_tokens=words", "data.source_tokens=words"]
    files = {"data": folder / "rows.jsonl", "out": folder / "run", "attention": True}
    return seqcli.train(set=settings, epochs=1, threads=1, cell="gru", **files).path


def test_hostile_rows_stay_text(hostile, tmp_path):
    page = page_of(hostile, tmp_path, split="train", rows=200)
    seen = Tags(page)
    assert seen.names.count("script") == 1
    assert not [name for _, given in seen.tags for name in given if name.startswith("on")]
    assert "{{ 7 * 7 }}{% raw %}" in seen.text
    assert "<script>alert(1)</script>" in seen.text
    assert "\\x1b[31mred" in seen.text
    assert not re.search("[\x1b\u202e\u200f]", page)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert "default-src 'none'" in page


@pytest.mark.slow
def test_the_page_of_an_ensemble_names_its_members(tmp_path):
    run = seqcli.train(
        set=[*SMALL, "train.members=2"], task="copy", cell="gru", out=tmp_path / "two", **TINY
    )
    page = page_of(run.path, tmp_path)
    assert "members/1" in page
    assert "members/2" in page
    assert "Learning curves" in headings(page)


def test_labels_have_a_confusion_matrix(tmp_path):
    rows = "".join(f"{word}{n}\t{label}\n" for n in range(30) for word, label in ("ax", "by"))
    (tmp_path / "labels.tsv").write_text(rows)
    options = {"data": tmp_path / "labels.tsv", "target_tokens": "whole", "cell": "rnn"}
    run = seqcli.train(set=SMALL, epochs=1, threads=1, out=tmp_path / "run", **options)
    assert "truth \\ prediction" in page_of(run.path, tmp_path)


def test_without_its_data_the_page_has_the_stored_scores(tmp_path):
    (tmp_path / "rows.tsv").write_text("".join(f"a{n}\tb{n}\n" for n in range(40)))
    options = {"data": tmp_path / "rows.tsv", "cell": "rnn", "out": tmp_path / "run"}
    run = seqcli.train(set=SMALL, epochs=1, threads=1, **options)
    (tmp_path / "rows.tsv").unlink()
    page = page_of(run.path, tmp_path)
    assert "scores of the checkpoint on validation" in page
    assert "the scores are those stored in the checkpoint" in page


def test_only_a_page_of_a_run_is_replaced(runs, tmp_path):
    mine = tmp_path / "mine.html"
    mine.write_text("<p>my notes")
    with pytest.raises(UsageError, match="seqcli did not write it"):
        seqcli.write_report(runs["gru"], out=mine)
    assert mine.read_text() == "<p>my notes"
    for _ in range(2):
        assert seqcli.write_report(runs["gru"]) == runs["gru"] / "report.html"


@pytest.mark.slow
def test_training_again_removes_an_outdated_page(tmp_path):
    options = {"task": "copy", "cell": "rnn", "out": tmp_path / "run", **TINY}
    run = seqcli.train(set=SMALL, **options)
    page = seqcli.write_report(run.path)
    seqcli.train(resume=run.path, epochs=2)
    assert not page.exists()
    assert len(read_environments(run.path / "environment.json")) == 2
    page.write_text("mine")
    seqcli.train(set=SMALL, force=True, **options)
    assert page.read_text() == "mine"
    assert len(read_environments(run.path / "environment.json")) == 1


def test_training_writes_the_page_on_request(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["--train-rows", "32", "--val-rows", "8", "--test-rows", "8"]
    small = ["--epochs", "1", "--threads", "1", "--set", "model.hidden=8"]
    words = ["train", "--task", "copy", "--cell", "rnn", "--out", "run", *rows, *small]
    assert shell.run(app, [*words, "--report"]) == 0
    assert "report: run/report.html" in capsys.readouterr().err
    assert "Scores on test" in (tmp_path / "run" / "report.html").read_text()


def test_the_commands_write_the_page(runs, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert shell.run(app, ["report", str(runs["gru"]), "--out", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert shell.run(app, ["eval", str(runs["gru"]), "--split", "val", "--report"]) == 0
    assert "report.html" in capsys.readouterr().err
    assert "Scores on validation" in (runs["gru"] / "report.html").read_text()
    assert shell.run(app, ["report", str(runs["gru"]), str(runs["names"])]) == 2
    assert "a page is about one run" in capsys.readouterr().err
