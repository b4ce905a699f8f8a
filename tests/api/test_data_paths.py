"""Paths of data in a checkpoint: found again, or not taken at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seqcli.api.data_paths import is_readable, located, locations
from seqcli.config import DataConfig


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def file(path: Path, text: str = "a\tb\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def found(data: DataConfig, about: dict[str, object], checkpoint: Path) -> str:
    return located(data, about, checkpoint).path


def test_absolute_comes_before_relative_before_typed(here: Path) -> None:
    first = file(here / "project" / "data" / "pairs.tsv")
    os.chdir(here / "project")
    data = DataConfig(path="data/pairs.tsv")
    about = {"locations": locations(data, Path("runs/x"))}
    assert about["locations"]["path"]["relative"] == "../../data/pairs.tsv"
    checkpoint = here / "project" / "runs" / "x" / "best.pt"
    assert found(data, about, checkpoint) == "data/pairs.tsv"  # it still leads there
    os.chdir(here)
    assert found(data, about, checkpoint) == str(first)
    (here / "project").rename(here / "moved")
    moved = here / "moved" / "runs" / "x" / "best.pt"
    assert found(data, about, moved) == str(here / "moved" / "data" / "pairs.tsv")
    extra = here / "moved" / "runs" / "x.pt"  # --out FILE.pt, next to the folder
    assert found(data, about, extra) == str(here / "moved" / "data" / "pairs.tsv")
    (here / "moved" / "data" / "pairs.tsv").unlink()
    file(here / "data" / "pairs.tsv")
    assert found(data, about, moved) == "data/pairs.tsv"
    (here / "data" / "pairs.tsv").unlink()
    assert found(data, about, moved) == "data/pairs.tsv"  # as typed, for the message


def test_another_file_of_the_typed_name_is_not_taken_for_it(here: Path) -> None:
    mine = file(here / "a" / "pairs.tsv")
    os.chdir(here / "a")
    data = DataConfig(path="pairs.tsv")
    about = {"locations": locations(data, Path("run"))}
    other = file(here / "b" / "pairs.tsv")
    os.chdir(other.parent)
    assert found(data, about, here / "a" / "run" / "best.pt") == str(mine)


def test_two_files_and_a_folder_are_found_too(here: Path) -> None:
    file(here / "p" / "x.src"), file(here / "p" / "x.tgt"), file(here / "p" / "d" / "train.tsv")
    os.chdir(here / "p")
    for text in ("x.src,x.tgt", "d"):
        data = DataConfig(path=text)
        about = {"locations": locations(data, Path("run"))}
        os.chdir(here)
        want = ",".join(str(here / "p" / part) for part in text.split(","))
        assert found(data, about, here / "p" / "run" / "best.pt") == want
        os.chdir(here / "p")


def test_files_of_each_split_are_found(here: Path) -> None:
    names = {"train_file": "a.tsv", "val_file": "b.tsv", "test_file": "c.tsv"}
    for name in names.values():
        file(here / "p" / name)
    os.chdir(here / "p")
    data = DataConfig(**names)
    about = {"locations": locations(data, Path("run"))}
    os.chdir(here)
    moved = located(data, about, here / "p" / "run" / "last.pt")
    assert moved.val_file == str(here / "p" / "b.tsv")
    assert moved.test_file == str(here / "p" / "c.tsv")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "fifo", "a" * 5000, "x\0y", ""])
def test_only_regular_files_and_folders_are_taken(path: str, here: Path) -> None:
    os.mkfifo(here / "fifo")
    file(here / "pairs.tsv")
    about = {"locations": {"path": {"absolute": path, "relative": path}}}
    assert found(DataConfig(path="pairs.tsv"), about, here / "best.pt") == "pairs.tsv"
    if path:
        assert not is_readable(path)


@pytest.mark.parametrize(
    "locations", [None, 3, [], {"path": None}, {"path": []}, {"path": {"absolute": 3}}, "x"]
)
def test_locations_of_a_wrong_kind_are_passed_over(locations: object, here: Path) -> None:
    data = DataConfig(path="pairs.tsv")
    assert located(data, {"locations": locations}, here / "best.pt") == data
