"""``seqcli examples``: what it prints, and where it refuses."""

import json

import pytest

from seqcli.cli import app, shell


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Return a function that runs a command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        code = shell.run(app, ["examples", *words])
        return code, *capsys.readouterr()

    return call


def test_the_list_has_every_kind(run):
    code, out, err = run()
    assert code == 0
    kinds = {line.split()[0]: line.split()[1] for line in out.splitlines()}
    assert kinds["pairs.tsv"] == "data"
    assert kinds["names"] == "preset"
    assert kinds["smoke"] == "suite"
    assert err == "copy one: seqcli examples NAME\n"


def test_the_document_of_the_list_has_the_commands(run):
    code, out, _ = run("--json")
    by_name = {one["name"]: one for one in json.loads(out)["examples"]}
    assert code == 0
    assert by_name["smoke"]["usage"] == "seqcli compare --suite smoke"
    assert by_name["names.txt"]["usage"] == "seqcli train --data names.txt"


def test_a_copy_is_named_with_the_command_that_uses_it(run, tmp_path):
    code, out, err = run("names", "--out", "mine.yaml")
    assert (code, out) == (0, "mine.yaml\n")
    assert err == "next: seqcli train --config mine.yaml --out names.pt\n"
    assert "cell: gru" in (tmp_path / "mine.yaml").read_text("utf-8")
    code, out, _ = run("names", "--out", "again.yaml", "--json")
    assert (code, json.loads(out)["file"]) == (0, "again.yaml")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["pairs.tsv"], "pairs.tsv already exists", "choose another name: --out FILE"),
        (["pairs"], "no example is called 'pairs'", "did you mean pairs.tsv?"),
        (["--out", "x"], "--out needs the name of an example", "see seqcli examples"),
        (["names", "--out", "no/folder"], "no/folder cannot be written", "create the folder"),
    ],
    ids=["exists", "unknown", "nameless", "no folder"],
)
def test_a_mistake_is_answered_in_one_line(run, tmp_path, words, message, hint):
    (tmp_path / "pairs.tsv").write_text("mine")
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert hint in second
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.tsv"]
    assert (tmp_path / "pairs.tsv").read_text() == "mine"
