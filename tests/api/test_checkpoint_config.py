"""Paths of data in a checkpoint: found again, or not taken at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqcli.api.checkpoint_config import current_paths, is_readable, locations
from seqcli.checkpoints.content import FileLocation, RunRecord
from seqcli.config import DataConfig


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def file(path: Path, text: str = "a\tb\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(data: DataConfig, record: RunRecord, checkpoint: Path) -> str:
    return current_paths(data, record, checkpoint).path


def test_absolute_comes_before_relative_before_typed(here: Path) -> None:
    first = file(here / "project" / "data" / "pairs.tsv")
    os.chdir(here / "project")
    data = DataConfig(path="data/pairs.tsv")
    record = RunRecord(locations=locations(data, Path("runs/x")))
    assert record.locations["path"].relative == "../../data/pairs.tsv"
    checkpoint = here / "project" / "runs" / "x" / "best.pt"
    assert found(data, record, checkpoint) == "data/pairs.tsv"  # it still leads there
    os.chdir(here)
    assert found(data, record, checkpoint) == str(first)
    (here / "project").rename(here / "moved")
    moved = here / "moved" / "runs" / "x" / "best.pt"
    assert found(data, record, moved) == str(here / "moved" / "data" / "pairs.tsv")
    extra = here / "moved" / "runs" / "x.pt"  # --out FILE.pt, next to the folder
    assert found(data, record, extra) == str(here / "moved" / "data" / "pairs.tsv")
    (here / "moved" / "data" / "pairs.tsv").unlink()
    file(here / "data" / "pairs.tsv")
    assert found(data, record, moved) == "data/pairs.tsv"
    (here / "data" / "pairs.tsv").unlink()
    assert found(data, record, moved) == "data/pairs.tsv"  # as typed, for the message


def test_another_file_of_the_typed_name_is_not_taken_for_it(here: Path) -> None:
    mine = file(here / "a" / "pairs.tsv")
    os.chdir(here / "a")
    data = DataConfig(path="pairs.tsv")
    record = RunRecord(locations=locations(data, Path("run")))
    other = file(here / "b" / "pairs.tsv")
    os.chdir(other.parent)
    assert found(data, record, here / "a" / "run" / "best.pt") == str(mine)


def test_two_files_and_a_folder_are_found_too(here: Path) -> None:
    file(here / "p" / "x.src"), file(here / "p" / "x.tgt"), file(here / "p" / "d" / "train.tsv")
    os.chdir(here / "p")
    for text in ("x.src,x.tgt", "d"):
        data = DataConfig(path=text)
        record = RunRecord(locations=locations(data, Path("run")))
        os.chdir(here)
        want = ",".join(str(here / "p" / part) for part in text.split(","))
        assert found(data, record, here / "p" / "run" / "best.pt") == want
        os.chdir(here / "p")


def test_files_of_each_split_are_found(here: Path) -> None:
    names = {"train_file": "a.tsv", "val_file": "b.tsv", "test_file": "c.tsv"}
    for name in names.values():
        file(here / "p" / name)
    os.chdir(here / "p")
    data = DataConfig(**names)
    record = RunRecord(locations=locations(data, Path("run")))
    os.chdir(here)
    moved = current_paths(data, record, here / "p" / "run" / "last.pt")
    assert moved.val_file == str(here / "p" / "b.tsv")
    assert moved.test_file == str(here / "p" / "c.tsv")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "fifo", "a" * 5000, "x\0y", ""])
def test_only_regular_files_and_folders_are_taken(path: str, here: Path) -> None:
    os.mkfifo(here / "fifo")
    file(here / "pairs.tsv")
    record = RunRecord(locations={"path": FileLocation(path, path)})
    assert found(DataConfig(path="pairs.tsv"), record, here / "best.pt") == "pairs.tsv"
    if path:
        assert not is_readable(path)
