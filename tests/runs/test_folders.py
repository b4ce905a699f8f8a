"""Where a run is written, what is refused, and how a run takes the place of another."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from seqcli import runs
from seqcli.errors import CheckpointError, UsageError
from seqcli.files.temporary import OLD, temporary_path
from seqcli.runs import (
    RunFolder,
    RunPaths,
    begin,
    find_checkpoint,
    find_run,
    load_last,
    locked,
    reopen,
)
from seqcli.runs.paths import MARKER, existing, is_marked


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder of its own, with a home of its own."""
    (tmp_path / "work").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def begun(out: Path, text: str = "", force: bool = False) -> RunPaths:
    """Begin a run and, with a text, give it a checkpoint."""
    with begin("x", out, force=force) as folder:
        if text:
            commit(folder, text)
    return existing(folder.paths.folder)


def commit(folder: RunFolder, text: str) -> None:
    folder.current.config.write_text(text)
    folder.current.last.write_text(text)
    folder.replace_old_run()


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_folders_are_numbered_and_never_used_twice(tmp_path: Path) -> None:
    for name in ("reverse-gru", "reverse-gru-2", "reverse-gru-3"):
        with begin("reverse-gru", root=tmp_path / "runs") as folder:
            assert folder.paths.folder.name == name


def test_two_at_once_get_two_folders(tmp_path: Path) -> None:
    made: list[Path] = []

    def one() -> None:
        with begin("x", root=tmp_path) as folder:
            made.append(folder.paths.folder)

    threads = [threading.Thread(target=one) for _ in range(12)]
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
    with begin(name, root=tmp_path / "r") as made:
        assert made.paths.folder == tmp_path / "r" / folder


def test_a_folder_of_ones_own_is_made_and_marked(tmp_path: Path) -> None:
    run = begun(tmp_path / "a" / "b")
    assert run == RunPaths(tmp_path / "a" / "b")
    assert is_marked(run.folder)
    assert not run.holds_run()


@pytest.mark.parametrize("name", ["best.pt", "last.pt", "last.prev.pt"])
def test_a_folder_that_holds_a_run_is_refused(name: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    begun(out)
    (out / name).write_text("old")
    with pytest.raises(UsageError, match="already contains a run") as caught:
        begun(out)
    assert "--resume" in caught.value.hint
    assert (out / name).read_text() == "old"


def test_a_run_without_a_checkpoint_is_begun_anew(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.config.write_text("of a process that was killed while it started")
    run.metrics.write_text("")
    assert not begun(run.folder).holds_run()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("name", ["config.yaml", "best.pt", "metrics.jsonl", "curves.png"])
def test_files_that_no_run_wrote_are_never_replaced(name: str, force: bool, tmp_path: Path) -> None:
    out = tmp_path / "project"
    out.mkdir()
    (out / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"contains {name} but is not a run folder"):
        begun(out, force=force)
    assert (out / name).read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("out", [".", "", "..", "/", "~", "-", "../work/", "../home"])
def test_folders_that_are_not_a_runs_alone_are_refused(out: str, force: bool) -> None:
    before = names(Path.cwd().parent)
    with pytest.raises(UsageError):
        begun(Path(out).expanduser(), force=force)
    assert names(Path.cwd().parent) == before


def test_a_new_run_takes_the_place_of_the_old_one_with_its_first_checkpoint(
    tmp_path: Path,
) -> None:
    old = begun(tmp_path / "run", "old")
    old.best.write_text("old")
    with begin("x", old.folder, force=True) as folder:
        folder.current.config.write_text("new")
        assert folder.current.folder != old.folder
        assert (old.config.read_text(), old.best.read_text()) == ("old", "old")
        commit(folder, "new")
        assert folder.current == folder.paths == old
    assert old.last.read_text() == "new"
    assert names(tmp_path / "run") == {"config.yaml", "last.pt", ".lock", MARKER}
    assert {path.name for path in tmp_path.iterdir()} == {"run", "work", "home"}


@pytest.mark.parametrize("error", [UsageError("no such cell"), KeyboardInterrupt(), OSError("x")])
def test_a_new_run_that_cannot_begin_leaves_the_old_one(
    error: BaseException, tmp_path: Path
) -> None:
    old = begun(tmp_path / "run", "old")
    with contextlib.suppress(type(error)), begin("x", old.folder, force=True) as folder:
        folder.current.config.write_text("new")
        raise error
    assert (old.config.read_text(), old.last.read_text()) == ("old", "old")
    assert {path.name for path in tmp_path.iterdir()} == {"run", "work", "home"}


def test_files_of_the_user_survive_a_replacement(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "old")
    mine = ["thesis.docx", "notes/config.yaml", "tb/notes", "notes/deep/last.pt"]
    for name in mine:
        (run.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (run.folder / name).write_text("mine")
    ours = ["tb/events.out.tfevents.1", "result.json", "last.damaged.pt", "best.prev.pt"]
    for name in ours:
        (run.folder / name).write_text("ours")
    begun(run.folder, "new", force=True)
    assert names(run.folder) == {"config.yaml", "last.pt", ".lock", MARKER, *mine}
    assert all((run.folder / name).read_text() == "mine" for name in mine)


def test_a_link_to_a_run_folder_stays_a_link(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "old")
    link = tmp_path / "link"
    link.symlink_to(run.folder)
    begun(link, "new", force=True)
    assert link.is_symlink()
    assert run.last.read_text() == "new"


def test_force_does_not_touch_a_run_at_work(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "at work")
    with locked(run), pytest.raises(UsageError, match="in use by process"):
        begun(run.folder, "new", force=True)
    assert run.last.read_text() == "at work"


def test_a_new_run_is_locked_before_and_after_it_takes_its_place(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "old")
    with begin("x", run.folder, force=True) as folder:
        for _ in range(2):
            with pytest.raises(UsageError, match="in use by process"), reopen(run):
                pass
            commit(folder, "new")
    with reopen(run) as again:
        assert again.current.last.read_text() == "new"


def test_out_names_a_file(tmp_path: Path) -> None:
    file = tmp_path / "my.names.pt"
    run = begun(file)
    assert run == RunPaths(tmp_path / "my.names", file)
    run.last.write_text("x")
    file.write_text("best")
    assert find_run(file, tmp_path) == run
    with pytest.raises(UsageError, match="already contains a run"):
        begun(file)


def test_a_file_that_is_there_stays_until_there_is_a_better_one(tmp_path: Path) -> None:
    (tmp_path / "names.pt").write_text("dear")
    with pytest.raises(UsageError, match=r"names\.pt already contains a run"):
        begun(tmp_path / "names.pt")
    run = begun(tmp_path / "names.pt", force=True)
    assert run.extra_best is not None
    assert run.extra_best.read_text() == "dear"


def test_the_extra_file_is_next_to_the_folder_however_the_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path / "names.pt")
    monkeypatch.chdir(run.folder)
    assert existing(Path()).extra_best == tmp_path / "names.pt"


@pytest.mark.parametrize(
    "marker",
    [
        '{"extra_best": "../../etc/x.pt"}',
        '{"extra_best": "thesis.pt"}',
        '{"extra_best": "/etc/x.pt"}',
        '{"extra_best": 3}',
        '{"extra_best": null}',
        "[]",
        "",
        "[" * 9999,
        "\x00",
    ],
)
def test_the_marker_never_leads_elsewhere(marker: str, tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(marker)
    assert existing(tmp_path).extra_best is None


def test_a_marker_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MARKER)
    assert existing(tmp_path).extra_best is None
    assert not is_marked(tmp_path)


def test_out_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "fifo.pt")
    (tmp_path / "dangling").symlink_to("nowhere")
    for out in ("file", "file/below", "file/x.pt", "fifo.pt", "dangling", "n" * 300):
        with pytest.raises(UsageError) as caught:
            begun(tmp_path / out)
        assert caught.value.hint


@pytest.mark.parametrize("force", [False, True])
def test_a_run_whose_folder_lost_its_name_to_a_kill_is_put_back(
    force: bool, tmp_path: Path
) -> None:
    run = begun(tmp_path / "run", "old")
    run.folder.rename(temporary_path(run.folder, OLD))  # between the two renames of a swap
    if force:
        begun(run.folder, "new", force=True)
    assert find_run(run.folder, tmp_path) == run
    assert run.last.read_text() == ("new" if force else "old")


@pytest.mark.parametrize("at", ["begin", "reopen"])
def test_what_a_killed_replacement_left_is_removed(at: str, tmp_path: Path) -> None:
    run = begun(tmp_path / "run", "old")
    left = temporary_path(run.folder)
    left.mkdir()
    for name in ("last.pt", ".lock", MARKER):
        (left / name).write_text("half")
    (left / "notes.txt").write_text("mine")
    with reopen(run) if at == "reopen" else begin("x", run.folder, force=True):
        assert not left.exists()
        assert run.last.read_text() == "old"
        assert (run.folder / "notes.txt").read_text() == "mine"


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
    with pytest.raises(CheckpointError, match="contains no checkpoint"):
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
