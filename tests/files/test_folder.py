from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path, PurePath

import pytest

from seqcli.errors import MachineError, UsageError
from seqcli.files import folder as folders
from seqcli.files.folder import replacing_folder, staged_folder

ROOT = Path(__file__).parents[2]
NAMES = ("a.txt", "b.txt")

REPLACE = """
import os, signal, sys
from pathlib import Path
from seqcli.files import folder, temporary
from seqcli.files.folder import replacing_folder

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
with replacing_folder(Path(sys.argv[1]), ("a.txt", "b.txt"), True) as new:
    (new / "a.txt").write_text("new")
"""
KILLS = {
    "before the swap": "folder.exchange = die",
    "after the swap": "folder._retire = die",
    "between two renames": "folder.exchange = lambda *_: False\nreal, count = Path.rename, []\n"
    "Path.rename = lambda *a: (count.append(1), len(count) > 1 and die(), real(*a))",
}


@pytest.fixture(params=["one step", "two renames"])
def swap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(folders, "exchange", lambda *_: False)
    return str(request.param)


def fill(path: Path, content: str, names: tuple[str, ...] = NAMES) -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).write_text(content)
    return path


def contents(path: Path) -> dict[str, str]:
    return {str(one.relative_to(path)): one.read_text() for one in path.rglob("*") if one.is_file()}


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.iterdir())


def ours(file: PurePath) -> bool:
    return str(file) in NAMES


def replace(path: Path, content: str, force: bool = True) -> None:
    with replacing_folder(path, NAMES, force) as new:
        (new / "a.txt").write_text(content)


def test_the_new_folder_takes_the_place_of_the_old(swap: str, tmp_path: Path) -> None:
    target = fill(tmp_path / "data", "old")
    with pytest.raises(UsageError, match=r"already contains a\.txt"):
        replace(target, "new", force=False)
    replace(target, "new")
    assert contents(target) == {"a.txt": "new"}
    assert names(tmp_path) == ["data"]


def test_an_error_leaves_the_old_folder_and_nothing_else(swap: str, tmp_path: Path) -> None:
    target = fill(tmp_path / "data", "old")

    def interrupted() -> None:
        with replacing_folder(target, NAMES, True) as new:
            (new / "sub").mkdir()
            (new / "sub" / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(target) == {"a.txt": "old", "b.txt": "old"}
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("point", KILLS)
def test_killed_around_the_swap_the_state_is_old_or_new(point: str, tmp_path: Path) -> None:
    target = fill(tmp_path / "data", "old")
    script = REPLACE.format(patch=KILLS[point])
    done = subprocess.run([sys.executable, "-c", script, str(target)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    folders.recover(target, ours)
    old = {"a.txt": "old", "b.txt": "old"}
    assert contents(target) == ({"a.txt": "new"} if point == "after the swap" else old)
    assert names(tmp_path) == ["data"]
    replace(target, "newer")
    assert contents(target) == {"a.txt": "newer"}


def test_other_files_move_from_the_old_folder_to_the_new_one(swap: str, tmp_path: Path) -> None:
    target = fill(tmp_path / "run", "old", (*NAMES, "notes.txt"))
    fill(target / "sub", "mine", ("a.txt",))
    with staged_folder(target, ours) as staged:
        (staged.path / "a.txt").write_text("new")
        assert contents(target)["a.txt"] == "old"
        staged.commit()
        assert staged.path == target
        (staged.path / "b.txt").write_text("later")
        staged.commit()
    assert contents(target) == {
        "a.txt": "new",
        "b.txt": "later",
        "notes.txt": "old",
        "sub/a.txt": "mine",
    }
    assert names(tmp_path) == ["run"]


def test_what_was_never_committed_goes(tmp_path: Path) -> None:
    target = fill(tmp_path / "run", "old")
    with staged_folder(target, ours) as staged:
        (staged.path / "a.txt").write_text("new")
        assert not staged.committed
    assert contents(target) == {"a.txt": "old", "b.txt": "old"}
    assert names(tmp_path) == ["run"]


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    real = fill(tmp_path / "disk", "old")
    (tmp_path / "data").symlink_to(real)
    replace(tmp_path / "data", "new")
    assert (tmp_path / "data").is_symlink()
    assert contents(real) == {"a.txt": "new"}
    assert names(tmp_path) == ["data", "disk"]


def test_places_that_cannot_be_replaced_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "file").touch()
    inside = fill(tmp_path / "here", "old")
    monkeypatch.chdir(inside)
    for path in (tmp_path / "dangling", tmp_path / "file", Path(), inside, Path("/")):
        with pytest.raises(UsageError, match=r"dangling symbolic link|is a file|working folder"):
            replace(path, "new")
    with pytest.raises(UsageError, match="too long"):
        replace(tmp_path / ("n" * 300), "new")
    assert contents(inside) == {"a.txt": "old", "b.txt": "old"}
    assert names(tmp_path) == ["dangling", "file", "here"]


def test_a_full_disk_at_the_last_moment_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fill(tmp_path / "data", "old")

    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(MachineError, match="data cannot be written: No space"):
        replace(target, "new")
    assert contents(target) == {"a.txt": "old", "b.txt": "old"}
    assert names(tmp_path) == ["data"]


@pytest.mark.parametrize("broken", ["unlink", "link"])
def test_files_of_others_survive_a_failure_after_the_swap(
    broken: str, swap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = fill(tmp_path / "data", "old")
    (target / "notes.txt").write_text("mine")
    (target / "more").mkdir()
    (target / "more" / "deep.txt").write_text("mine too")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch, staged_folder(target, ours) as staged:
        (staged.path / "a.txt").write_text("new")
        if broken == "unlink":
            patch.setattr(Path, "unlink", refuse)
        else:
            patch.setattr(os, "link", refuse)
        staged.commit()
    kept = {"a.txt": "new", "notes.txt": "mine", "more/deep.txt": "mine too"}
    assert contents(target) == kept
    with staged_folder(target, ours) as staged:
        (staged.path / "b.txt").write_text("newer")
        staged.commit()
    foreign = {name: text for name, text in kept.items() if name != "a.txt"}
    assert contents(target) == {**foreign, "b.txt": "newer"}
    assert names(tmp_path) == ["data"]
