from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from seqcli.errors import Exit, MachineError, SeqcliError, UsageError
from seqcli.files.atomic import write_atomically


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
        with pytest.raises(UsageError, match=r"written|regular file|is a folder"):
            write_atomically(path, lambda file: file.write(b"new"))
    assert not Path("/dev/null").is_file()


def test_a_link_is_never_written_through_or_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    for leads_to in ("precious", "nowhere", "/dev/stdout"):
        path = tmp_path / "link"
        path.symlink_to(leads_to)
        with pytest.raises(UsageError, match="link is a symbolic link"):
            write_atomically(path, lambda file: file.write(b"new"))
        path.unlink()
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert [one.name for one in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("place", [".", "..", "/", "fifo", "folder"])
def test_what_is_no_place_for_a_file_is_one_clear_line(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("folder").mkdir()
    with pytest.raises(UsageError, match=r"is a folder|is not a regular file"):
        write_atomically(Path(place), lambda file: file.write(b"new"))


def test_a_name_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new"
    with pytest.raises(UsageError, match="too long") as caught:
        write_atomically(tmp_path / ("n" * 256), lambda file: file.write(b"new"))
    assert caught.value.hint == "choose a shorter name"


def test_without_overwrite_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"

    def write(file: BinaryIO) -> None:
        file.write(b"ours")
        path.write_bytes(b"theirs")

    with pytest.raises(UsageError, match="already exists"):
        write_atomically(path, write, overwrite=False)
    assert path.read_bytes() == b"theirs"
    path.unlink()
    write_atomically(path, lambda file: file.write(b"ours"), overwrite=False)
    assert path.read_bytes() == b"ours"
    assert [one.name for one in tmp_path.iterdir()] == ["x.txt"]
