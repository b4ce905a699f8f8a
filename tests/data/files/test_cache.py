"""The cache removes what it made and nothing else, and is never needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seqcli.data.files import cache
from seqcli.errors import DataError, MachineError, SeqcliError

KEY, OTHER = "0" * 32, "1" * 32
ROOT = Path(__file__).parents[2]
KILLED = """
import os, signal, sys
from pathlib import Path
from seqcli.data.files import cache

def write(folder):
    (folder / "rows").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

with cache.{use}: pass
"""


def write(folder: Path) -> None:
    (folder / "rows").write_bytes(b"rows")


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def age(path: Path, days: float) -> None:
    moment = path.stat().st_mtime - days * 86400
    os.utime(path, (moment, moment))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(cache.tempfile, "tempdir", None)
    return tmp_path / "cache" / cache.SUBFOLDER


def test_only_marked_entries_are_ever_removed(place: Path) -> None:
    with cache.cached_folder(KEY, write):
        pass
    with cache.cached_folder(OTHER, write):
        pass
    mine = {
        place.parent / ".ssh": ["id"],
        place.parent / "thesis": ["main.tex"],
        place / "notes": ["a"],
        place / ("2" * 32): ["a"],
        place / ("3" * 32): [cache.MARKER, "sub/a"],
        place / ".x.seqcli-0123456789ab.tmp": ["a"],
    }
    for folder, names in mine.items():
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("mine")
        age(folder, 400)
    (place / ("4" * 32)).symlink_to(place.parent / "thesis")
    age(place / KEY, 31)
    before = set(tree(place.parent))
    with cache.cached_folder("5" * 32, write) as (_, stays):
        assert stays
    gone = before - set(tree(place.parent))
    assert gone == {path for path in before if KEY in path}


@pytest.mark.parametrize("home", [None, "read-only", "file"])
def test_without_a_home_folder_it_goes_without_a_cache(
    home: str | None, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(user: int) -> None:
        raise KeyError(user)

    monkeypatch.delenv(cache.VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr("pwd.getpwuid", nowhere)
    else:
        (tmp_path / "file").touch()
        home = "/proc" if home == "read-only" else str(tmp_path / "file")
        monkeypatch.setenv("HOME", home)
    before = tree(tmp_path)
    with cache.cached_folder(KEY, write) as (folder, stays):
        assert not stays
        assert (folder / "rows").read_bytes() == b"rows"
    assert tree(tmp_path) == before


def test_a_relative_xdg_folder_is_ignored_and_a_home_sign_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    assert cache.root() == tmp_path / ".cache" / "seqcli" / "encoded"
    monkeypatch.setenv(cache.VARIABLE, "~/elsewhere")
    assert cache.root() == tmp_path / "elsewhere" / "encoded"


def test_an_entry_is_named_by_what_was_written(place: Path) -> None:
    def changed(folder: Path) -> str:
        write(folder)
        return OTHER

    with cache.cached_folder(KEY, changed) as (folder, stays):
        assert (folder, stays) == (place / OTHER, True)
    assert [path.name for path in place.iterdir()] == [OTHER]
    with cache.cached_folder(KEY, changed) as (folder, _):  # the entry that is there stays
        assert folder == place / OTHER


@pytest.mark.parametrize("name", ["rows", cache.CHECKS])
@pytest.mark.parametrize("damage", ["link", "fifo", "more", "flip", "path"])
def test_an_entry_that_is_not_as_written_is_not_used(name: str, damage: str, place: Path) -> None:
    with cache.cached_folder(KEY, write) as (folder, _):
        pass
    path = folder / name
    if damage == "more":
        (folder / "more").touch()
    elif damage == "flip":
        path.write_bytes(b"[" + path.read_bytes()[1:])
    elif damage == "path":
        (folder / cache.CHECKS).write_text('{"/dev/zero": 0}')
    else:
        path.rename(place.parent / "elsewhere")
        path.symlink_to(place.parent / "elsewhere") if damage == "link" else os.mkfifo(path)
    assert not cache.is_intact(folder)
    with cache.cached_folder(KEY, write) as (found, _):
        assert (found / "rows").read_bytes() == b"rows"


@pytest.mark.parametrize("use", [f"cached_folder({KEY!r}, write)", "temporary_entry(write)"])
def test_what_a_killed_process_left_is_removed_by_the_next(
    use: str, place: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED.format(use=use)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert any("rows" in path for path in tree(tmp_path))
    with cache.cached_folder(OTHER, write), cache.temporary_entry(write):
        pass
    assert [path.name for path in place.iterdir()] == [OTHER]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]


def test_a_full_disk_everywhere_is_one_line(place: Path, tmp_path: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(MachineError, match="cannot be written: No space"),
        cache.cached_folder(KEY, full),
    ):
        pass
    assert tree(tmp_path) == ["cache", f"cache/{cache.SUBFOLDER}"]


def test_no_folder_for_temporary_files_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(cache.VARIABLE, "off")
    monkeypatch.setattr(cache.tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    with (
        pytest.raises(SeqcliError, match="No usable temporary directory"),
        cache.cached_folder(KEY, write),
    ):
        pass


def test_a_refused_file_leaves_nothing(place: Path, tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        write(folder)
        raise DataError("bad")

    for use in (cache.cached_folder(KEY, refuse), cache.temporary_entry(refuse)):
        with pytest.raises(DataError), use:
            pass
    assert tree(tmp_path) == ["cache", f"cache/{cache.SUBFOLDER}"]
