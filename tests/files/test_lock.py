from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seqcli.errors import UsageError
from seqcli.files import system as system_calls
from seqcli.files.lock import hold

HOLDER = (
    "import sys; from pathlib import Path; from seqcli.files.lock import hold\n"
    "with hold(Path(sys.argv[1])):\n"
    "    print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / ".lock")]
    root = Path(__file__).parents[2]
    pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, **pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


class FakeMsvcrt:
    """Windows' byte locks, made of flock: another process that holds one means EACCES."""

    LK_NBLCK = 2

    def __init__(self, fcntl: Any) -> None:
        self.fcntl = fcntl

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (self.LK_NBLCK, 1)
        assert os.lseek(descriptor, 0, os.SEEK_CUR) > 1 << 20  # nobody reads there
        try:
            self.fcntl.flock(descriptor, self.fcntl.LOCK_EX | self.fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None


@pytest.fixture(params=["flock", "no locks", "Windows", "a disk without locks"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    if request.param == "Windows":
        monkeypatch.setattr(system_calls, "msvcrt", FakeMsvcrt(system_calls.fcntl))
        monkeypatch.setattr("seqcli.files.lock.process_alive", lambda pid: True)  # as there
    if request.param in ("no locks", "Windows"):
        monkeypatch.setattr(system_calls, "fcntl", None)
    if request.param == "a disk without locks":
        monkeypatch.setattr(system_calls.fcntl, "flock", refuse)
    return str(request.param)


def test_a_second_process_is_refused_by_its_id(
    system: str, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with (
        pytest.raises(UsageError, match=f"in use by process {holder.pid}"),
        hold(tmp_path / ".lock"),
    ):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(
    system: str, holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    holder.kill()
    holder.wait()
    with hold(tmp_path / ".lock"):
        assert (tmp_path / ".lock").read_text() == str(os.getpid())


def test_a_lock_given_back_is_free(system: str, tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path / ".lock"):
            pass
    assert (tmp_path / ".lock").read_text() == ""


def test_this_process_cannot_hold_it_twice(tmp_path: Path) -> None:
    def both() -> None:
        with hold(tmp_path / ".lock"), hold(tmp_path / ".lock"):
            raise AssertionError

    with pytest.raises(UsageError, match=f"process {os.getpid()}"):
        both()


def test_an_error_inside_is_handed_on_and_frees_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="ours"), hold(tmp_path / ".lock"):
        raise OSError("ours")
    with hold(tmp_path / ".lock"):
        pass


def test_nonsense_in_the_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"\xff not a number")
    with hold(tmp_path / ".lock"):
        pass
    assert (tmp_path / ".lock").read_bytes() == b"\xff not a number"


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
def test_a_link_to_another_file_is_refused_and_that_file_kept(make: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("12345")
    getattr(tmp_path / ".lock", make)(precious)
    with pytest.raises(UsageError, match="not a lock file"), hold(tmp_path / ".lock"):
        pass
    assert precious.read_text() == "12345"


@pytest.mark.parametrize("kind", ["dangling link", "fifo", "folder"])
def test_a_lock_that_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    make = {"fifo": lambda: os.mkfifo(path), "folder": path.mkdir}
    make.get(kind, lambda: path.symlink_to("nowhere"))()
    with pytest.raises(UsageError, match="not a lock file"), hold(path):
        pass
    assert [one.name for one in tmp_path.iterdir()] == [".lock"]
