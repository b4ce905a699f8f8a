from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from seqcli.errors import MachineError, UsageError
from seqcli.files import growing
from seqcli.files.growing import LinesFile

WRITER = """
import os, signal, sys
from pathlib import Path
from seqcli.files import growing
from seqcli.files.growing import LinesFile

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

with LinesFile(Path(sys.argv[1]), force=True) as file:
    file.write(["one", "two"])
    {action}
"""
KILLS = {
    "while it grows": "file._raw.flush(); die()",
    "before it gets its name": "growing.put_in_place = die",
    "after it got its name": "LinesFile._hide = die",
}
FULL = """
import resource, sys
from pathlib import Path
from seqcli.files.growing import LinesFile

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
file = LinesFile(Path(sys.argv[1]))
try:
    with file:
        for block in range(1000):
            file.write([f"{block:04}-{line:04}-{hash((block, line))}" for line in range(100)])
except Exception as error:
    print(type(error).__name__, file.lines, file.partial.name)
"""
ROOT = Path(__file__).parents[2]


def run(script: str, path: Path, action: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script.replace("{action}", action), str(path)]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def names(folder: Path, hidden: bool = False) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if hidden or not one.name.startswith("."))


def write(path: Path, *lines: str, force: bool = False) -> None:
    with LinesFile(path, force) as file:
        file.write(lines)


def stop(path: Path, *lines: str) -> LinesFile:
    """Write lines and be interrupted."""
    file = LinesFile(path)

    def interrupted() -> None:
        with file:
            file.write(lines)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    return file


@pytest.mark.parametrize("point", KILLS)
def test_killed_anywhere_the_file_is_whole_or_absent_and_can_be_written_again(
    point: str, tmp_path: Path
) -> None:
    path = tmp_path / "out.txt"
    assert run(WRITER, path, KILLS[point]).returncode == -signal.SIGKILL
    if path.exists():
        assert path.read_text() == "one\ntwo\n"
    else:
        assert (tmp_path / "out.txt.partial").read_text() == "one\ntwo\n"
    write(path, "three", force=True)
    assert path.read_text() == "three\n"
    assert names(tmp_path, hidden=True) == ["out.txt"]


def test_what_was_written_stays_under_the_partial_name_until_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    stopped = stop(path, "one", "two")
    assert (stopped.lines, stopped.partial) == (2, tmp_path / "out.txt.partial")
    assert names(tmp_path) == ["out.txt.partial"]
    write(tmp_path / "other.txt", "x")  # sweeps, but leaves what the user was told of
    assert (tmp_path / "out.txt.partial").read_text() == "one\ntwo\n"
    write(path, "three")
    assert names(tmp_path, hidden=True) == ["other.txt", "out.txt"]


def test_a_partial_file_that_the_user_renamed_is_the_users(tmp_path: Path) -> None:
    stop(tmp_path / "out.txt", "one")
    (tmp_path / "out.txt.partial").rename(tmp_path / "mine.txt")
    write(tmp_path / "out.txt", "two")
    assert (tmp_path / "mine.txt").read_text() == "one\n"
    assert names(tmp_path, hidden=True) == ["mine.txt", "out.txt"]


def test_nothing_is_left_where_no_line_was_written(tmp_path: Path) -> None:
    assert stop(tmp_path / "out.txt").partial is None
    assert names(tmp_path, hidden=True) == []


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_a_partial_file_of_somebody_else_is_not_touched(
    kind: str, force: bool, tmp_path: Path
) -> None:
    partial = tmp_path / "out.txt.partial"
    if kind == "file":
        partial.write_text("precious")
    else:
        (tmp_path / "precious").write_text("precious")
        partial.symlink_to("precious" if kind == "link" else "nowhere")
    before = names(tmp_path, hidden=True)
    with pytest.raises(UsageError, match=r"out\.txt\.partial is in the way"):
        write(tmp_path / "out.txt", "one", force=force)
    assert names(tmp_path, hidden=True) == before
    if kind != "dangling link":
        assert partial.read_text() == "precious"


def test_two_at_once_the_second_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with LinesFile(path) as first:
        first.write(["one"])
        with pytest.raises(UsageError, match=r"another process is writing .*out\.txt"):
            LinesFile(path, force=True)
        first.write(["two"])
    assert path.read_text() == "one\ntwo\n"
    assert names(tmp_path, hidden=True) == ["out.txt"]


def test_a_file_that_appears_meanwhile_is_kept_and_the_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    file = LinesFile(path)
    file.write(["ours"])
    path.write_text("theirs")
    with pytest.raises(UsageError, match="already exists"):
        file.__exit__(None, None, None)
    assert path.read_text() == "theirs"
    assert (tmp_path / "out.txt.partial").read_text() == "ours\n"


@pytest.mark.parametrize("name", ["out.txt", "out.txt.gz"])
def test_on_a_full_disk_the_lines_are_counted_that_are_there(name: str, tmp_path: Path) -> None:
    kind, lines, partial = run(FULL, tmp_path / name).stdout.split()
    assert (kind, partial) == ("MachineError", f"{name}.partial")
    raw = (tmp_path / partial).read_bytes()
    if name.endswith(".gz"):
        text = zlib.decompressobj(wbits=31).decompress(raw)
    else:
        text = raw
        assert raw.endswith(b"\n")
    assert text.count(b"\n") == int(lines) > 1000
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("place", [".", "..", "/", "fifo", "folder", "link", "n" * 300, "-"])
def test_what_is_no_place_for_a_file_is_one_clear_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("folder").mkdir()
    Path("link").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"folder|regular file|symbolic link|too long|stdout"):
        LinesFile(Path(place), force=True)
    assert names(tmp_path, hidden=True) == ["fifo", "folder", "link"]


@pytest.mark.parametrize("long", [False, True])
def test_without_hard_links_or_room_for_a_name_there_is_no_partial_file(
    long: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ("n" * 250 if long else "out.txt")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not long:
        monkeypatch.setattr(growing.Path, "hardlink_to", refuse)
    with LinesFile(path) as file:
        assert file.partial is None
        file.write(["one"])
    assert path.read_text() == "one\n"
    path.unlink()
    stop(path, "one")
    assert names(tmp_path, hidden=True) == []


def test_equal_lines_make_equal_packed_files(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        write(tmp_path / name, "one", "two")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"one\ntwo\n"


def test_a_full_disk_at_the_end_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(MachineError, match=r"out\.txt cannot be written: No space"):
        write(tmp_path / "out.txt", "one")
    assert names(tmp_path) == ["out.txt.partial"]
