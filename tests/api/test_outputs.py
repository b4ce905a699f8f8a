"""What the verbs write: whole or not at all, and never over what seqcli did not write."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seqcli
from seqcli.cli import app, shell
from seqcli.errors import UsageError
from seqcli.files.growing import LinesFile


def here(*words: object) -> int:
    """Run a command line in this process; return its exit code."""
    return shell.run(app, list(map(str, words)))


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious.tsv"
    path.write_text("source\ttruth\n3 1\t1 3\n")
    return path


def commands(runs: dict[str, Path], path: Path) -> list[tuple[object, ...]]:
    return [
        ("eval", "--ckpt", runs["gru"], "--predictions", path),
        ("predict", "--ckpt", runs["gru"], "3 1", "--out", path),
        ("predict", "--ckpt", runs["gru"], "3 1", "--attention-png", path.with_suffix(".png")),
        ("export", runs["names"], "--to", "safetensors", "--out", path.with_suffix(".safetensors")),
    ]


@pytest.mark.parametrize("number", range(4), ids=["predictions", "out", "png", "safetensors"])
@pytest.mark.parametrize("kind", ["file", "link", "dangling", "fifo", "device", "folder"])
def test_what_is_there_is_kept(
    kind: str, number: int, runs: dict[str, Path], tmp_path: Path, precious: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    command = commands(runs, tmp_path / "taken")[number]
    path = Path(str(command[-1]))
    make = {
        "file": lambda: path.write_text(precious.read_text()),
        "link": lambda: path.symlink_to(precious),
        "dangling": lambda: path.symlink_to("nowhere"),
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: path.symlink_to("/dev/null"),
        "folder": path.mkdir,
    }
    make[kind]()
    before = sorted(tmp_path.iterdir())
    text = precious.read_text()
    assert here(*command) == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert str(path) in said
    assert sum(not line.startswith("note: ") for line in said.splitlines()) == 2
    assert sorted(tmp_path.iterdir()) == before
    assert precious.read_text() == text
    assert kind != "file" or path.read_text() == text


def test_what_seqcli_wrote_itself_may_be_written_again(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    predictions, png = tmp_path / "answers.tsv", tmp_path / "map.png"
    predictions.touch()
    for _ in range(2):
        seqcli.evaluate(runs["gru"], predictions=predictions)
        words = ("predict", "--ckpt", runs["gru"], "3 1", "--attention-png", png, "--quiet")
        assert here(*words) == 0
    seqcli.rescore(predictions)
    assert sorted(tmp_path.iterdir()) == [predictions, png]
    png.write_bytes(b"\x89PNG of my cat")
    assert here(*words, "--force") == 0
    assert len(png.read_bytes()) > 1000


@pytest.mark.parametrize("name", [".", "/", "..", "n" * 300, "-"])
def test_what_cannot_be_a_file_is_one_clear_line(
    name: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    wanted = [one for one in commands(runs, Path("x")) if "--attention-png" not in one]
    if name == "-":
        wanted = [one for one in wanted if one[0] != "predict"]
    for command in wanted:
        assert here(*command[:-1], name) == 2
        assert capsys.readouterr().err.count("\n") == 2
    assert list(tmp_path.iterdir()) == []


def test_a_dash_is_stdout_for_predict(
    runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert here("predict", "--ckpt", runs["gru"], "3 1", "--out", "-") == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_picture_of_another_kind_is_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "map.jpg"
    assert here("predict", "--ckpt", runs["gru"], "3 1", "--attention-png", path) == 2
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_refused_before_anything_is_scored(
    runs: dict[str, Path], precious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqcli.api.evaluating.evaluate_pairs", None)
    with pytest.raises(UsageError, match="seqcli did not write it"):
        seqcli.evaluate(runs["gru"], predictions=precious)


def test_answers_reach_the_file_though_nobody_reads_the_messages(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.txt"
    read, write = os.pipe()
    os.close(read)
    command = ["predict", "--ckpt", str(runs["gru"]), "unheard of", "3 1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "seqcli", *command],
        stderr=write,
        stdout=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.returncode == 0
    assert out.read_text().count("\n") == 2


def test_of_two_at_once_one_is_refused_and_the_other_whole(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out.txt"
    with LinesFile(out) as first:
        first.write(["ours"])
        assert here("predict", "--ckpt", runs["gru"], "3 1", "--out", out, "--force") == 2
    assert out.read_text() == "ours\n"
    assert list(tmp_path.iterdir()) == [out]
