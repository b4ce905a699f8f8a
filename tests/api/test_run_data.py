"""The data of a run, as `eval` and `--resume` look for it: moved, lost, changed, hostile."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import seqcli
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import FileLocation
from seqcli.errors import DataError, Exit, SeqcliError, UsageError

SMALL = {"backend": "numpy", "hidden": 8, "epochs": 1, "samples": 0, "cell": "rnn"}


def write_words(path: Path, seed: int = 1) -> Path:
    draw = random.Random(seed)
    words = {"".join(draw.choices("abcdef", k=draw.randint(3, 7))) for _ in range(80)}
    path.write_text("".join(f"{word}\n" for word in sorted(words)))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with words.txt, and a run of it that was begun with a relative path."""
    folder = tmp_path_factory.mktemp("project")
    write_words(folder / "words.txt")
    before = Path.cwd()
    os.chdir(folder)
    try:
        seqcli.train(data="words.txt", out="run.pt", **SMALL)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project in another place; the working directory is elsewhere too."""
    shutil.copytree(trained, tmp_path / "project")
    trained.rename(trained.with_name("gone"))
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    yield tmp_path / "project"
    trained.with_name("gone").rename(trained)


def resumed(run: Path, **options: Any) -> seqcli.Run:
    return seqcli.train(resume=run, epochs=2, **options)


def test_data_that_moved_with_the_run_is_found(project: Path) -> None:
    for model in ("run", "run.pt", "run/best.pt", "run/last.pt"):
        assert seqcli.evaluate(project / model).rows > 0
    assert resumed(project / "run").finished.epochs == 2


def test_a_relative_path_is_found_from_any_folder(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_words(tmp_path / "words.txt", seed=2)  # other data of the same name
    assert seqcli.evaluate(trained / "run").rows > 0


def test_lost_data_is_the_runs_not_the_users(project: Path) -> None:
    (project / "words.txt").unlink()
    for use in (seqcli.evaluate, resumed):
        with pytest.raises(DataError) as caught:
            use(project / "run")
        assert caught.value.message == (
            "the configuration of the run names words.txt, which does not exist"
        )
        assert "--data" in caught.value.hint


def test_changed_data_is_told_in_the_same_words_by_all(project: Path) -> None:
    write_words(project / "words.txt", seed=2)
    said = set()
    for use in (seqcli.evaluate, resumed):
        with pytest.raises(DataError, match="not the data that the model was trained on") as caught:
            use(project / "run")
        said.add((caught.value.message, caught.value.hint, caught.value.exit_code))
    assert len(said) == 1
    assert said.pop()[2] is Exit.DATA


def test_a_run_is_resumed_with_its_data_in_another_place(project: Path, tmp_path: Path) -> None:
    place = tmp_path / "other.txt"
    (project / "words.txt").rename(place)
    run = resumed(project / "run", data=str(place))
    assert run.finished.epochs == 2
    assert seqcli.evaluate(project / "run").rows > 0  # the new place is remembered


def test_a_run_is_not_resumed_with_other_data(project: Path, tmp_path: Path) -> None:
    other = str(write_words(tmp_path / "other.txt", seed=2))
    with pytest.raises(DataError, match="not the data that the model was trained on"):
        resumed(project / "run", data=other)
    with pytest.raises(UsageError, match="cannot be resumed with another"):
        resumed(project / "run", train=str(project / "words.txt"))
    with pytest.raises(DataError, match=r"^missing\.txt"):
        resumed(project / "run", data="missing.txt")


@pytest.mark.parametrize("path", ["/dev/zero", "fifo"])
def test_what_is_no_regular_file_is_never_opened(path: str, project: Path, tmp_path: Path) -> None:
    if path == "fifo":
        path = str(tmp_path / "fifo")
        os.mkfifo(path)
    for name in ("best.pt", "last.pt"):
        was = numpy_file.load(project / "run" / name)
        config = {**was.config, "data": {**was.config["data"], "path": path}}
        record = replace(was.record, path=path, locations={"path": FileLocation(path)})
        numpy_file.save(project / "run" / name, replace(was, config=config, record=record))
    for use in (seqcli.evaluate, resumed):
        with pytest.raises(SeqcliError, match=r"names .*, which is not a regular file"):
            use(project / "run")
