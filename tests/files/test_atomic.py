from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqcli.errors import Exit, MachineError, SeqcliError, UsageError
from seqcli.files import atomic
from seqcli.files.atomic import process_alive, remove_stale, write_atomically


@pytest.fixture
def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    for content in (b"first, longer", b"second"):
        write_atomically(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
        assert path.read_bytes() == content
    assert [item.name for item in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(
    error: BaseException, tmp_path: Path
) -> None:
    def fail(file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise error

    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    with pytest.raises(type(error)):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (errno.ENOSPC, MachineError, Exit.MACHINE),
        (errno.EIO, MachineError, Exit.MACHINE),
        (errno.EROFS, UsageError, Exit.USAGE),
        (errno.EACCES, UsageError, Exit.USAGE),
    ],
)
def test_the_systems_refusal_is_one_line(
    number: int,
    kind: type[SeqcliError],
    code: Exit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "x.txt"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(kind) as caught:
        write_atomically(path, lambda file: file.write(b"new"))
    assert caught.value.exit_code == code
    assert caught.value.message == f"{path} cannot be written: {os.strerror(number)}"
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path, tmp_path / "missing" / "x", tmp_path / ("n" * 300)):
        with pytest.raises(UsageError, match=r"written|regular file"):
            write_atomically(path, lambda file: file.write(b"new"))
    assert not Path("/dev/null").is_file()


def test_what_the_dead_left_is_removed(tmp_path: Path, dead_pid: int) -> None:
    gone = {f"last.pt.tmp-{dead_pid}", f"a.tmp-b.tmp-{dead_pid}", f"last.pt.tmp-{os.getpid()}"}
    kept = {"last.pt", f"last.pt.tmp-{os.getppid()}", "notes.tmp-mine", ".tmp-1", "x.tmp-12a"}
    for name in gone | kept:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / f"folder.tmp-{dead_pid}").mkdir()
    assert {path.name for path in remove_stale(tmp_path)} == gone
    assert {path.name for path in tmp_path.iterdir()} == kept | {f"folder.tmp-{dead_pid}"}


def test_who_is_alive(dead_pid: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert process_alive(os.getpid())
    assert process_alive(1)
    assert process_alive(10**30)
    assert not process_alive(dead_pid)
    monkeypatch.setattr(atomic.os, "name", "nt")
    assert process_alive(dead_pid)
