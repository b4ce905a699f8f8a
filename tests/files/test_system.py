from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqcli.files import system
from seqcli.files.system import exchange, open_descriptor, process_alive


def test_who_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert process_alive(os.getpid())
    assert process_alive(1)
    assert process_alive(10**30)
    assert not process_alive(child.pid)
    monkeypatch.setattr(system.os, "name", "nt")
    assert process_alive(child.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
def test_two_folders_swap_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "other").exists()
    assert (tmp_path / "other" / "one").exists()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "missing")


def test_no_swap_is_said_where_the_system_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_renameat2", lambda: None)
    assert not exchange(tmp_path, tmp_path)


def test_a_link_is_not_opened_and_a_fifo_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    with pytest.raises(OSError, match="symbolic links"):
        open_descriptor(tmp_path / "link", os.O_RDONLY)
    os.mkfifo(tmp_path / "fifo")
    os.close(open_descriptor(tmp_path / "fifo", os.O_RDONLY))
