from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seqcli.files import system
from seqcli.files.temporary import sweep, temporary_file, temporary_folder, temporary_path

OWNER = (
    "import sys; from pathlib import Path; from seqcli.files.temporary import temporary_file\n"
    "with temporary_file(Path(sys.argv[1])) as (path, file):\n"
    "    file.write(b'half'); file.flush(); print('made', flush=True); sys.stdin.read()"
)


def started(target: Path) -> subprocess.Popen[bytes]:
    """Start a process that makes a temporary of ``target`` and keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(target)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"made\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_living_owner_keeps_its_file_and_a_dead_one_does_not(tmp_path: Path) -> None:
    with started(tmp_path / "x.txt") as process:
        assert sweep(tmp_path) == []
        process.send_signal(signal.SIGKILL)
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    assert sweep(tmp_path) == [left]
    assert names(tmp_path) == []


def test_only_names_and_kinds_of_ours_are_swept(tmp_path: Path) -> None:
    ours = temporary_path(tmp_path / "x.txt")
    ours.touch()
    kept = [
        ".x.txt.seqcli-0123456789ab.txt",
        ".x.txt.seqcli-0123456789.tmp",
        "x.txt.seqcli-0123456789ab.tmp",
        "last.pt.tmp-1234",
        ".seqcli-0123456789ab.tmp",
    ]
    for name in kept:
        (tmp_path / name).write_text("mine")
    link, folder, fifo = (temporary_path(tmp_path / name) for name in ("link", "folder", "fifo"))
    link.symlink_to("nowhere")
    folder.mkdir()
    os.mkfifo(fifo)
    assert sweep(tmp_path) == [ours]
    assert names(tmp_path) == sorted([*kept, link.name, folder.name, fifo.name])


def test_sweeping_can_be_limited_to_one_target(tmp_path: Path) -> None:
    one, other = (temporary_path(tmp_path / name) for name in ("one", "other"))
    one.touch()
    other.touch()
    assert sweep(tmp_path, ".one.seqcli-") == [one]
    assert names(tmp_path) == [other.name]


def test_without_locks_only_age_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(system.fcntl, "flock", refuse)
    young, old = (temporary_path(tmp_path / "x") for _ in range(2))
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    assert sweep(tmp_path) == [old]
    assert names(tmp_path) == [young.name]


def test_sweeping_where_nothing_can_be_done_is_silent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert sweep(tmp_path / "missing") == sweep(tmp_path / "file") == []


def test_a_file_of_ours_goes_at_the_end_unless_it_was_renamed(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "x") as (path, _):
        assert sweep(tmp_path) == []
        assert path.parent == tmp_path
    assert names(tmp_path) == []
    with temporary_file(tmp_path / "x") as (path, file):
        file.write(b"whole")
        path.rename(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_folder_is_locked_while_it_is_made(tmp_path: Path) -> None:
    with temporary_folder(tmp_path / "data") as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        assert system.try_lock(descriptor) is False
        os.close(descriptor)
    assert folder.is_dir()
