"""``train --resume auto``: the same command starts a run, continues it, or keeps it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seqcli
from seqcli.api.checkpoint_config import finish_reason
from seqcli.cli import app, shell
from seqcli.errors import UsageError
from seqcli.events import EpochEnded, RunStarted
from seqcli.runs import RunPaths

NUMPY = {
    "backend": "numpy",
    "cell": "rnn",
    "hidden": 4,
    "threads": 1,
    "samples": 0,
    "epochs": 3,
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "names.txt"
    path.write_text("".join(f"{a}{b}{a}\n" for a in "abcdefgh" for b in "ijklmnop"))
    return path


@pytest.fixture(scope="module")
def done(names: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run."""
    out = tmp_path_factory.mktemp("done") / "run.pt"
    auto(names, out)
    return out.with_suffix("")


@pytest.fixture
def run(done: Path, tmp_path: Path) -> RunPaths:
    """Return a copy of the finished run."""
    shutil.copytree(done.parent, tmp_path, dirs_exist_ok=True)
    return RunPaths(tmp_path / "run", tmp_path / "run.pt")


def auto(names: Path, out: Path, **flags: object) -> seqcli.api.Run:
    return seqcli.train(data=names, resume="auto", out=out, **{**NUMPY, **flags})


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def test_a_finished_run_is_reported_and_not_touched(
    names: Path, run: RunPaths, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(run.folder.parent)
    again = auto(names, run.extra_best or run.folder)
    assert again.kept
    assert (again.finished.epochs, again.finished.reason) == (3, "epochs")
    assert [len(again.finished.history), again.checkpoint] == [3, run.extra_best]
    words = [f"--{key}={value}" for key, value in NUMPY.items()]
    options = ["--data", str(names), "--resume", "auto", "--out", str(run.extra_best)]
    assert shell.run(app, ["train", *words, *options]) == 0
    assert f"finished before: 3 epochs in {run.folder}" in capsys.readouterr().err
    assert contents(run.folder.parent) == before


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_bits_of_one_that_was_not(
    names: Path, done: Path, tmp_path: Path
) -> None:
    def stop(event: object) -> None:
        if isinstance(event, EpochEnded) and event.epoch == 1:
            shutil.copytree(tmp_path / "run", tmp_path / "killed")

    seqcli.train(data=names, out=tmp_path / "run", listen=stop, **NUMPY)
    assert finish_reason(tmp_path / "killed") == ""
    run = auto(names, tmp_path / "killed")
    assert not run.kept
    assert run.finished.epochs == 3
    best = [seqcli.evaluate(path, split="val").metrics for path in (tmp_path / "killed", done)]
    assert best[0] == best[1]


@pytest.mark.parametrize("file", ["best", "metrics", "extra_best"])
def test_a_commit_that_a_kill_left_incomplete_is_completed(
    names: Path, run: RunPaths, file: str
) -> None:
    """The last checkpoint is that of the last epoch, but a file that follows it is older."""
    path = getattr(run, file)
    expected, finished = path.read_bytes(), finish_reason(run.folder)
    if file == "metrics":
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    else:
        path.write_bytes(run.best_previous.read_bytes())
    assert (finished, finish_reason(run.folder)) == ("epochs", "")
    auto(names, run.extra_best or run.folder)
    assert path.read_bytes() == expected


@pytest.mark.slow
def test_more_epochs_continue_a_finished_run(names: Path, run: RunPaths) -> None:
    started: list[RunStarted] = []

    def listen(event: object) -> None:
        if isinstance(event, RunStarted):
            started.append(event)

    longer = auto(names, run.folder, epochs=4, listen=listen)
    assert longer.finished.epochs == 4
    assert started[0].epochs_done == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"hidden": 5}, r"cannot be resumed with another model\.hidden"),
        ({"cell": "gru"}, r"cannot be resumed with another model\.cell"),
        ({"force": True}, "exclude each other"),
        ({"out": None}, "needs the folder of the run"),
    ],
)
def test_another_run_is_refused(
    names: Path, run: RunPaths, flags: dict[str, object], message: str
) -> None:
    before = contents(run.folder.parent)
    out = flags.pop("out", run.folder)
    with pytest.raises(UsageError, match=message):
        auto(names, out, **flags)  # type: ignore[arg-type]
    assert contents(run.folder.parent) == before


def test_a_run_without_a_checkpoint_starts_again(names: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".seqcli-run").write_text("{}")
    (tmp_path / "run" / "config.yaml").write_text("model:\n  cell: gru\n")
    assert auto(names, tmp_path / "run", epochs=1).finished.epochs == 1


@pytest.mark.slow
def test_an_ensemble_is_kept_or_resumed(names: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqcli.api.ensemble_training.default_jobs", lambda: 1)
        auto(names, tmp_path / "run", ensemble=2)
        before = contents(tmp_path / "run")
        again = auto(names, tmp_path / "run", ensemble=2)
        assert (again.kept, again.finished.reason) == (True, "members")
        assert contents(tmp_path / "run") == before
        shutil.rmtree(tmp_path / "run" / "members" / "2")
        assert not auto(names, tmp_path / "run", ensemble=2).kept
