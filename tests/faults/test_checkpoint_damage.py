"""Damaged files and files of other kinds: one line that names the file, never a wrong load."""

from __future__ import annotations

import gzip
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoint_samples import comparable, rezipped, saved, torch_bytes, with_pickle

from seqcli.checkpoints import numpy_file, torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.errors import CheckpointError, Exit

Load = Callable[[Path], Checkpoint]
both = pytest.mark.parametrize("load", [torch_file.load, numpy_file.load], ids=["torch", "numpy"])


def refused(load: Load, path: Path) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load(path)
    error = caught.value
    assert error.exit_code == Exit.CHECKPOINT
    assert error.message.startswith(f"{path}: ")
    assert "\n" not in error.message + error.hint
    assert error.hint
    return error


def outcomes(load: Load, path: Path, damaged: list[bytes]) -> dict[str, int]:
    """Count what becomes of damaged copies of a good file."""
    good = comparable(load(path))
    counts = {"refused": 0, "harmless": 0, "wrong": 0}
    for content in damaged:
        path.write_bytes(content)
        try:
            same = comparable(load(path)) == good
            counts["harmless" if same else "wrong"] += 1
        except CheckpointError as error:
            counts["refused"] += error.message.count("\n") == 0
    return counts


def flipped(content: bytes, times: int) -> list[bytes]:
    draw = random.Random(1)
    copies = []
    for _ in range(times):
        copy = bytearray(content)
        copy[draw.randrange(len(copy))] ^= 1 << draw.randrange(8)
        copies.append(bytes(copy))
    return copies


@both
@pytest.mark.parametrize("times", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_flipped_bit_loads_silently_wrong(load: Load, times: int, tmp_path: Path) -> None:
    path = saved(tmp_path)
    counts = outcomes(load, path, flipped(path.read_bytes(), times))
    assert counts["wrong"] == 0
    assert counts["refused"] >= 0.95 * times


@both
def test_no_flipped_bit_in_the_zips_own_tables_loads_wrong(load: Load, tmp_path: Path) -> None:
    """Sizes, offsets and names are under no checksum: every byte of the end is tried."""
    path = saved(tmp_path)
    content = path.read_bytes()
    begin = zipfile.ZipFile(path).start_dir
    damaged = []
    for place in range(begin, len(content), 7):
        copy = bytearray(content)
        copy[place] ^= 1 << (place % 8)
        damaged.append(bytes(copy))
    assert outcomes(load, path, damaged)["wrong"] == 0


@both
def test_a_member_marked_as_a_folder_keeps_its_numbers(load: Load, tmp_path: Path) -> None:
    """``torch.load`` gives whatever memory held: no checksum covers a member's attributes."""
    path = saved(tmp_path)
    good = comparable(load(path))
    attributes = path.read_bytes().rindex(b"archive/data/0PK") - 8
    content = bytearray(path.read_bytes())
    content[attributes] ^= 0x10
    path.write_bytes(content)
    assert comparable(load(path)) == good


@both
def test_a_file_cut_short_is_refused(load: Load, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    draw = random.Random(2)
    lengths = [1, 3, 22, len(content) // 2, len(content) - 1, len(content) - 22]
    lengths += [draw.randrange(1, len(content)) for _ in range(40)]
    counts = outcomes(load, path, [content[:length] for length in lengths])
    assert counts == {"refused": len(lengths), "harmless": 0, "wrong": 0}


@both
def test_a_page_of_zeros_is_refused(load: Load, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    starts = range(0, len(content), 4096)
    copies = [
        content[:at] + bytes(len(content[at : at + 4096])) + content[at + 4096 :] for at in starts
    ]
    counts = outcomes(load, path, copies)
    assert counts == {"refused": len(copies), "harmless": 0, "wrong": 0}


@both
def test_bytes_before_or_after_are_refused(load: Load, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    copies = [
        b"x" + content,
        content + b"\0",
        content + content,
        content + b"PK\x05\x06" + bytes(18),
    ]
    counts = outcomes(load, path, copies)
    assert counts["wrong"] == 0
    assert counts["refused"] == len(copies)


OTHERS = {
    "empty": b"",
    "text": b"hello\n" * 100,
    "json": json.dumps({"format": 3, "codec": {}}).encode(),
    "gzip": gzip.compress(b"hello" * 1000),
    "one byte": b"P",
    "noise": random.Random(0).randbytes(5000),
    "pickle": b"\x80\x04}\x94.",
    "torch tensor": torch_bytes([1, 2, 3]),
    "torch dict": torch_bytes({"state_dict": {}, "epoch": 3}),
}


@both
@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_of_file_is_refused(load: Load, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(OTHERS[kind])
    refused(load, path)


@both
@pytest.mark.parametrize("names", [["notes.txt"], ["a/x", "b/y"], ["a/x", "data.pkl"], []])
def test_a_plain_zip_is_refused(load: Load, names: list[str], tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "hello")
    refused(load, path)


@both
def test_a_compressed_archive_is_refused(load: Load, tmp_path: Path) -> None:
    path = rezipped(saved(tmp_path), tmp_path / "small.pt", zipfile.ZIP_DEFLATED)
    assert "compressed" in refused(load, path).message


@both
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_there_twice_is_refused(load: Load, tmp_path: Path) -> None:
    path = rezipped(saved(tmp_path), tmp_path / "twice.pt", zipfile.ZIP_STORED, times=2)
    assert "two members have one name" in refused(load, path).message


@both
def test_a_zip_bomb_is_refused_before_it_is_read(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt"
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("archive/data.pkl", "w") as member:
        for _ in range(16):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 100_000
    refused(load, path)


@both
def test_what_is_no_file_is_refused_at_once(load: Load, tmp_path: Path) -> None:
    fifo, loop, folder = tmp_path / "fifo", tmp_path / "loop", tmp_path / "folder"
    os.mkfifo(fifo)  # a plain open would wait for a writer for ever
    loop.symlink_to(loop)
    folder.mkdir()
    for path in (fifo, loop, folder, Path("/dev/zero"), tmp_path / "missing", fifo / "below"):
        refused(load, path)


@both
def test_a_symlink_is_followed(load: Load, tmp_path: Path) -> None:
    link = tmp_path / "link.pt"
    link.symlink_to(saved(tmp_path))
    assert load(link).metrics == {"val_loss": 0.5}


@both
@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(load: Load, tmp_path: Path) -> None:
    path = saved(tmp_path)
    path.chmod(0)
    assert "Permission denied" in refused(load, path).message


@both
def test_the_hint_names_the_whole_files_of_the_run(load: Load, tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()
    (tmp_path / "last.prev.pt").write_bytes(content)
    path.write_bytes(content[:-50])
    assert refused(load, path).hint == f"try {tmp_path / 'last.prev.pt'}"


@both
def test_an_unknown_byte_order_or_none_is_refused(load: Load, tmp_path: Path) -> None:
    path = with_pickle(tmp_path / "x.pt", b"\x80\x02}.")
    refused(load, path)
