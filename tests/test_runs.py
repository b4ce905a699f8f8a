from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqcli import runs
from seqcli.errors import CheckpointError, UsageError
from seqcli.files.temporary import temporary_path
from seqcli.runs import (
    RunPaths,
    existing,
    find_checkpoint,
    find_run,
    keep_previous,
    load_last,
    locked,
    new_folder,
    publish_best,
)


def load(path: Path) -> str:
    text = path.read_text()
    if text == "damaged":
        raise CheckpointError(f"{path}: is damaged", "train again")
    return text


def test_folders_are_numbered_and_never_used_twice(tmp_path: Path) -> None:
    made = [new_folder("reverse-gru", root=tmp_path / "runs").folder.name for _ in range(3)]
    assert made == ["reverse-gru", "reverse-gru-2", "reverse-gru-3"]


def test_two_at_once_get_two_folders(tmp_path: Path) -> None:
    made: list[Path] = []
    threads = [
        threading.Thread(target=lambda: made.append(new_folder("x", root=tmp_path).folder))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("../../etc", "etc"),
        ("a/b", "a-b"),
        ("mein Name é", "mein-Name-é"),
        ("...", "run"),
        ("", "run"),
        ("v1.2+x=3", "v1.2+x=3"),
        ("n" * 300, "n" * 100),
    ],
)
def test_any_name_makes_one_safe_folder(name: str, folder: str, tmp_path: Path) -> None:
    assert new_folder(name, root=tmp_path).folder == tmp_path / folder


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    run = new_folder("x", tmp_path / "a" / "b")
    assert run == RunPaths(tmp_path / "a" / "b")
    assert run.folder.is_dir()
    assert not run.holds_run()


@pytest.mark.parametrize("name", ["config.yaml", "best.pt", "last.pt", "metrics.jsonl"])
def test_a_folder_that_holds_a_run_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")
    with pytest.raises(UsageError, match="already holds a run") as caught:
        new_folder("x", tmp_path)
    assert "--resume" in caught.value.hint
    assert (tmp_path / name).read_text() == "old"


def test_force_removes_the_run_and_nothing_else(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.tensorboard.mkdir()
    events = run.tensorboard / "events.out.tfevents.1"
    for path in (run.best, run.last, run.previous, run.damaged, run.metrics, run.config, events):
        path.write_text("old")
    for path in (tmp_path / "thesis.docx", run.tensorboard / "notes"):
        path.write_text("mine")
    new_folder("x", tmp_path, force=True)
    assert not run.holds_run()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"thesis.docx", "notes", ".lock"}


def test_force_does_not_touch_a_run_at_work(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.last.write_text("at work")
    with locked(run), pytest.raises(UsageError, match="in use by process"):
        new_folder("x", tmp_path, force=True)
    assert run.last.read_text() == "at work"


def test_out_names_a_file(tmp_path: Path) -> None:
    run = new_folder("x", tmp_path / "my.names.pt")
    assert run == RunPaths(tmp_path / "my.names", tmp_path / "my.names.pt")
    assert existing(run.folder) == run
    publish_best(run)
    assert run.extra_best is not None
    assert not run.extra_best.exists()
    run.best.write_text("best")
    publish_best(run)
    assert run.extra_best.read_text() == "best"
    assert find_run(run.extra_best, tmp_path) == run
    with pytest.raises(UsageError, match="already holds a run"):
        new_folder("x", run.extra_best)


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "names.pt").write_text("dear")
    with pytest.raises(UsageError, match=r"names\.pt already holds a run"):
        new_folder("x", tmp_path / "names.pt")
    run = new_folder("x", tmp_path / "names.pt", force=True)
    assert (tmp_path / "names.pt").read_text() == "dear"
    run.best.write_text("new")
    publish_best(run)
    assert (tmp_path / "names.pt").read_text() == "new"


def test_the_note_of_the_extra_file_never_leads_elsewhere(tmp_path: Path) -> None:
    for text, extra in (("../../etc/x.pt", tmp_path.parent / "x.pt"), ("", None), ("..", None)):
        (tmp_path / ".out").write_text(text)
        assert existing(tmp_path).extra_best == extra


def test_out_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "file" / "x.pt"):
        with pytest.raises(UsageError, match="cannot be written"):
            new_folder("x", out)


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
        run = new_folder(name, root=root)
        run.config.write_text("")
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


def test_the_last_is_kept_as_the_one_before(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    keep_previous(run)
    for text in ("1", "2", "3"):
        keep_previous(run)
        keep_previous(run)  # a process killed between the two left them one file
        temporary = tmp_path / "new"
        temporary.write_text(text)
        temporary.replace(run.last)
    assert (run.last.read_text(), run.previous.read_text()) == ("3", "2")
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "last.prev.pt"}


def test_a_disk_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    run = RunPaths(tmp_path)
    run.last.write_text("1")
    keep_previous(run)
    assert run.previous.read_text() == "1"
    assert not run.previous.samefile(run.last)


def test_a_damaged_last_falls_back_and_is_put_aside(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.previous.write_text("good")
    assert load_last(run, load) == ("good", "")
    run.last.write_text("better")
    assert load_last(run, load) == ("better", "")
    run.last.write_text("damaged")
    loaded, note = load_last(run, load)
    assert loaded == "good"
    assert note == f"{run.last}: is damaged; going on from {run.previous}"
    keep_previous(run)
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


def test_locking_clears_up_after_the_dead(tmp_path: Path) -> None:
    left = temporary_path(tmp_path / "last.pt")
    left.write_text("half")
    with locked(RunPaths(tmp_path)):
        assert not left.exists()


def test_neither_numpy_nor_torch_is_needed() -> None:
    script = "import sys, seqcli.runs; print({'numpy', 'torch', 'yaml'} & set(sys.modules))"
    root = Path(runs.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True)
    assert done.stdout == "set()\n"
