"""How runs and checkpoints are found, and what is said where they are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seqcli import runs
from seqcli.errors import CheckpointError
from seqcli.runs import RunPaths, find_checkpoint, find_run, load_last


def load(path: Path) -> str:
    text = path.read_text()
    if text == "damaged":
        raise CheckpointError(f"{path}: is damaged", "train again")
    return text


def test_find_prefers_what_is_asked_for(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.previous.write_text("")
    assert find_checkpoint(tmp_path, "last") == run.previous
    run.last.write_text("")
    assert find_checkpoint(tmp_path, "last") == run.last
    assert find_checkpoint(tmp_path) == run.last
    run.best.write_text("")
    assert find_checkpoint(tmp_path) == run.best
    assert find_checkpoint(run.previous) == run.previous


def test_find_run_takes_a_folder_or_a_file_in_it(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / "x")
    run.folder.mkdir()
    run.last.write_text("")
    assert find_run(run.folder) == find_run(run.last) == run
    with pytest.raises(CheckpointError, match="no such run"):
        find_run(run.folder / "nothing")


def test_what_is_missing_is_told_with_the_nearest(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for name in ("reverse-gru-attention", "sort-lstm"):
        (root / name).mkdir(parents=True)
        RunPaths(root / name).config.write_text("")
    (root / "reverse-gru-attentio").mkdir()  # holds no run: not named
    with pytest.raises(CheckpointError, match="no such run or file") as caught:
        find_checkpoint(Path("reverse-gru-atention"), root=root)
    assert caught.value.hint == f"did you mean {root / 'reverse-gru-attention'}?"
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(tmp_path / "zzz", root=root)
    assert "sort-lstm" in caught.value.hint
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        find_checkpoint(root / "sort-lstm", root=root)
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        find_checkpoint(root, root=root)
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint(Path("x"), root=tmp_path / "none")
    assert "seqcli train" in caught.value.hint


def test_a_damaged_last_falls_back_and_is_put_aside(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.previous.write_text("good")
    assert load_last(run, load) == ("good", "")
    run.last.write_text("better")
    assert load_last(run, load) == ("better", "")
    run.last.write_text("damaged")
    loaded, note = load_last(run, load)
    assert loaded == "good"
    assert note == f"{run.last}: is damaged; resuming from {run.previous}"
    assert not run.last.exists()
    assert run.previous.read_text() == "good"
    assert run.damaged.read_text() == "damaged"


def test_when_both_are_damaged_the_last_is_named(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    for path in (run.last, run.previous):
        path.write_text("damaged")
    with pytest.raises(CheckpointError, match=r"last\.pt: is damaged"):
        load_last(run, load)
    assert run.last.exists()
    with pytest.raises(CheckpointError):
        load_last(RunPaths(tmp_path / "empty"), load)


def test_neither_numpy_nor_torch_is_needed() -> None:
    script = "import sys, seqcli.runs; print({'numpy', 'torch', 'yaml'} & set(sys.modules))"
    root = Path(runs.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert done.stdout == "set()\n"
