"""`train --force`: the old run stays until the new one has its first checkpoint."""

from __future__ import annotations

import errno
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

import seqcli
from seqcli import config as configuration
from seqcli.api.planned_runs import finish
from seqcli.checkpoints import numpy_file
from seqcli.comparison.specification import PlannedRun
from seqcli.errors import DivergedError, MachineError, SeqcliError, StoppedBySignal, UsageError
from seqcli.events import EpochEnded, Progress, RunStarted
from seqcli.runs import RunPaths

WORDS = ["anna", "ben", "cara", "dora", "emil", "finn", "gina", "hugo", "ida", "jan", "kim", "leo"]
TINY = {"backend": "numpy", "cell": "rnn", "hidden": 8, "samples": 0, "epochs": 2}
EXPLODING = {"lr": 1e6, "optimizer": "sgd", "batch_size": 1, "warmup": 0}
EXPLODES = ["train.weight_decay=1e6", "train.grad_clip=0"]  # weights grow by 1e12 a step


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a finished run, the file it published, and a note of the user's."""
    folder = tmp_path_factory.mktemp("old")
    (folder / "names.txt").write_text("\n".join([*WORDS, "", "ben"]) + "\n")
    seqcli.train(data=str(folder / "names.txt"), out=folder / "run.pt", **TINY)
    (folder / "run" / "notes.txt").write_text("mine")
    (folder / "run" / "result.json").write_text("{}")
    return folder


@pytest.fixture
def place(old: Path, tmp_path: Path) -> Path:
    shutil.copytree(old, tmp_path / "place")
    return tmp_path / "place"


def again(place: Path, **options: Any) -> seqcli.Run:
    given = {"data": str(place / "names.txt"), "out": place / "run.pt", **TINY, **options}
    return seqcli.train(force=True, **given)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def interrupt(event: object) -> None:
    if isinstance(event, RunStarted):
        os.kill(os.getpid(), signal.SIGINT)


def fail_to_write(monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    real, calls = numpy_file.write_plain, []

    def write(file: Any, plain: object) -> None:
        calls.append(1)
        if len(calls) == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file, plain)

    monkeypatch.setattr(numpy_file, "write_plain", write)


@pytest.mark.parametrize(
    ("error", "options"),
    [
        (UsageError, {"attention": True}),
        (UsageError, {"cell": "transformer"}),
        (SeqcliError, {"data": "missing.txt"}),
        (DivergedError, {**EXPLODING, "set": EXPLODES}),
        (StoppedBySignal, {"listen": interrupt}),
        (MachineError, {}),
    ],
    ids=["attention", "cell", "data", "diverged", "interrupted", "full disk"],
)
@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_a_run_that_gets_no_checkpoint_changes_nothing(
    error: type[SeqcliError],
    options: dict[str, Any],
    old: Path,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if error is MachineError:
        fail_to_write(monkeypatch, 1)
    with pytest.raises(error) as caught:
        again(place, **options)
    assert contents(place) == contents(old)
    assert not list(place.glob(".*"))
    if error is StoppedBySignal:
        assert f"the run in {place / 'run'} is unchanged" in caught.value.message


def test_a_run_that_is_interrupted_later_has_taken_the_place(old: Path, place: Path) -> None:
    def listen(event: object) -> None:
        if isinstance(event, EpochEnded):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(StoppedBySignal, match="the run is saved"):
        again(place, listen=listen, seed=1, epochs=9)
    assert seqcli.train(resume=place / "run").finished.epochs == 9


def test_a_full_disk_after_the_first_checkpoint_leaves_the_new_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_to_write(patch, 3)
        with pytest.raises(MachineError):
            again(place, seed=1)
    assert seqcli.train(resume=place / "run").finished.epochs == 2


def test_the_new_run_has_all_of_its_own_and_nothing_of_the_old(old: Path, place: Path) -> None:
    before = contents(place)
    run = again(place, seed=1)
    paths = RunPaths(place / "run")
    after = contents(place)
    assert set(before) - set(after) <= {"run/result.json", *(k for k in before if "/tb/" in k)}
    assert after["run/notes.txt"] == b"mine"
    for name in ("run/best.pt", "run/last.pt", "run/metrics.jsonl", "run/config.yaml", "run.pt"):
        assert after[name] != before[name]
    assert after["run.pt"] == after["run/best.pt"]
    assert len(list(paths.tensorboard.iterdir())) == 1
    assert paths.named_rows.read_text().count("\n") > 1
    assert run.data is not None
    assert run.data.named_rows == str(paths.named_rows)


def test_nothing_is_in_the_place_of_the_old_run_before_the_first_checkpoint(place: Path) -> None:
    before, seen = contents(place / "run"), []

    def listen(event: object) -> None:
        if isinstance(event, RunStarted | Progress):
            seen.append(contents(place / "run"))

    again(place, seed=1, listen=listen)
    assert seen[0] == before


@pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered")
def test_a_comparison_never_scores_an_old_run_for_a_new_one_that_diverged(
    old: Path, place: Path
) -> None:
    flags = {**TINY, "data": str(place / "names.txt"), **EXPLODING, "cell": "rnn", "dropout": 0.0}
    diverging = configuration.load(None, EXPLODES, flags)
    planned = PlannedRun("run", "rnn", 0, diverging, replace=True)
    with pytest.raises(DivergedError):
        finish(planned, place, lambda event: None)
    assert contents(place) == contents(old)
