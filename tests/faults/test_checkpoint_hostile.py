"""Files made to run code, to fill the memory or to hang: refused, and nothing happens."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_samples import torch_bytes, with_pickle

from seqcli.checkpoints import numpy_file, torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.errors import CheckpointError

Load = Callable[[Path], Checkpoint]
both = pytest.mark.parametrize("load", [torch_file.load, numpy_file.load], ids=["torch", "numpy"])


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def touch(place: Path) -> str:
    return f"touch {place}"


def programs(mark: Path) -> dict[str, bytes]:
    """Pickles that would make the file ``mark`` if they were believed."""
    shell = touch(mark)
    code = f"open({str(mark)!r}, 'w')"
    text = struct.pack("<cI", b"X", len(shell)) + shell.encode()
    made = {
        f"os.system, protocol {protocol}": pickle.dumps(Call(os.system, shell), protocol)
        for protocol in range(6)
    }
    return made | {
        "eval": pickle.dumps(Call(eval, code), 2),
        "exec": pickle.dumps(Call(exec, code), 2),
        "nested in a dict": pickle.dumps({"format": 3, "codec": [Call(os.system, shell)]}, 2),
        "as a key": pickle.dumps({(1, Call(os.system, shell)): 1}, 2),
        "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + text + b"\x85R.",
        "nested name": b"\x80\x04\x8c\x06seqcli\x8c\x0bapi.os.system\x93" + text + b"\x85R.",
        "inst": b"(" + text + b"ios\nsystem\n.",
        "obj": b"(cos\nsystem\n" + text + b"o.",
        "newobj": b"\x80\x02cos\nsystem\n" + text + b"\x85\x81.",
        "build": b"\x80\x02ccollections\nOrderedDict\n)R}X\x01\0\0\0aK\x01sb.",
        "getattr": b"\x80\x02c__builtin__\ngetattr\ncos\n__dict__\n" + text + b"\x86R.",
        "extension": b"\x80\x02\x82\x01.",
        "old reduce": b"cposix\nsystem\n(V" + shell.encode() + b"\ntR.",
        "torch.load": b"\x80\x02ctorch\nload\n" + text + b"\x85R.",
        "import by a storage's name": b"\x80\x02ctorch.storage\nos.system\n" + text + b"\x85R.",
        "call of a number type": b"\x80\x02ctorch\nFloatStorage\n" + text + b"\x85R.",
    }


@both
def test_no_pickle_runs_code(load: Load, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name, program in programs(mark).items():
        path = with_pickle(tmp_path / "x.pt", program)
        with pytest.raises(CheckpointError):
            load(path)
        assert not mark.exists(), name


@both
def test_a_pickle_alone_or_of_torchs_old_kind_runs_no_code(load: Load, tmp_path: Path) -> None:
    mark, path = tmp_path / "mark", tmp_path / "x.pt"
    torch.save(Call(os.system, touch(mark)), path, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError):
        load(path)
    path.write_bytes(pickle.dumps(Call(os.system, touch(mark))))
    with pytest.raises(CheckpointError):
        load(path)
    torch.save({"weights": Call(os.system, touch(mark))}, path)
    with pytest.raises(CheckpointError, match="system"):
        load(path)
    assert not mark.exists()


def tensor(count: int, shape: str, strides: str, offset: str = "K\0", key: str = "0") -> bytes:
    """A dict with one tensor, described with any numbers (as pickle opcodes)."""
    name = struct.pack("<cI", b"X", len(key)) + key.encode()
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\n" + name + b"X\x03\0\0\0cpu"
    storage += struct.pack("<ci", b"J", count) + b"tQ"
    described = "".join((offset, shape, strides)).encode("latin-1")
    head = b"\x80\x02}X\x06\0\0\0formatctorch._utils\n_rebuild_tensor_v2\n("
    return head + storage + described + b"\x89ccollections\nOrderedDict\n)RtRs."


ONE, TWO, HUGE, MINUS = "K\1", "K\2", "J\xff\xff\xff\x7f", "J\xff\xff\xff\xff"
LIES = {
    "more elements than numbers": tensor(2, HUGE + "\x85", ONE + "\x85"),
    "one number a billion times": tensor(2, HUGE + "\x85", "K\0\x85"),
    "huge in two axes": tensor(2, HUGE + HUGE + "\x86", "K\0K\0\x86"),
    "beyond the end": tensor(2, TWO + "\x85", ONE + "\x85", ONE),
    "a stride beyond the end": tensor(2, TWO + "\x85", HUGE + "\x85"),
    "an offset beyond the end": tensor(2, ONE + "\x85", ONE + "\x85", HUGE),
    "before the start": tensor(2, ONE + "\x85", ONE + "\x85", MINUS),
    "a stride backwards": tensor(2, TWO + "\x85", MINUS + "\x85"),
    "a shape of minus one": tensor(2, MINUS + "\x85", ONE + "\x85"),
    "more axes than strides": tensor(2, ONE + TWO + "\x86", ONE + "\x85"),
    "a shape that is no tuple": tensor(2, "K\2", ONE + "\x85"),
    "a shape of text": tensor(2, "X\1\0\0\0a\x85", ONE + "\x85"),
    "a shape of yes": tensor(2, "\x88\x85", ONE + "\x85"),
    "more numbers than bytes": tensor(3, ONE + "\x85", ONE + "\x85"),
    "fewer numbers than bytes": tensor(1, ONE + "\x85", ONE + "\x85"),
    "a negative count": tensor(-2, ONE + "\x85", ONE + "\x85"),
    "no such member": tensor(2, TWO + "\x85", ONE + "\x85", key="7"),
    "a path out of the archive": tensor(2, TWO + "\x85", ONE + "\x85", key="../../0"),
}


@both
@pytest.mark.parametrize("lie", LIES)
def test_a_tensor_that_lies_is_refused_at_no_cost(load: Load, lie: str, tmp_path: Path) -> None:
    path = with_pickle(tmp_path / "x.pt", LIES[lie], {"data/0": bytes(8)})
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@both
def test_the_tensor_of_those_tests_is_good_when_it_is_honest(load: Load, tmp_path: Path) -> None:
    honest = tensor(2, TWO + "\x85", ONE + "\x85")
    path = with_pickle(tmp_path / "x.pt", honest, {"data/0": bytes(8)})
    with pytest.raises(CheckpointError, match="is not a checkpoint of seqcli"):
        load(path)


@both
def test_a_huge_expanded_tensor_of_torchs_own_making_is_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(torch_bytes({"w": torch.zeros(1).expand(10**9)}))
    with pytest.raises(CheckpointError, match="does not use all of its bytes"):
        load(tmp_path / "x.pt")


@both
@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(2, 2).to_sparse(),
        torch.zeros(3, dtype=torch.complex64),
        torch.zeros(3, dtype=torch.bfloat16),
        torch.zeros(3, device="meta"),
        torch.nn.Parameter(torch.zeros(2)),
        torch.float32,
        {1, 2},
        b"raw",
    ],
    ids=["sparse", "complex", "bfloat16", "meta", "parameter", "dtype", "set", "bytes"],
)
def test_kinds_no_checkpoint_holds_are_refused(load: Load, value: object, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(torch_bytes({"w": value}))
    with pytest.raises(CheckpointError, match="damaged or not a checkpoint"):
        load(tmp_path / "x.pt")


def grown(program: bytes) -> bytes:
    return b"\x80\x02}X\x06\0\0\0formatK\x01sX\x05\0\0\0codec" + program + b"s."


BOMBS = {
    "a memo of 2 ** 31 places": b"\x80\x02}r\xff\xff\xff\x7f.",
    "an item that is not there": b"\x80\x02h\x07.",
    "nothing on the stack": b"\x80\x02.",
    "no end": b"\x80\x02}" + b"q\x00" * 10,
    "a text longer than the file": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "nested 100,000 deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "nested 10,000 deep below a known key": grown(b"]" * 10_000 + b"a" * 9_999),
    "a list that holds itself": grown(b"]q\x00h\x00a"),
    "10 ** 60 values": grown(
        b"]" + b"".join(b"q%c](" % n + b"h%c" % n * 10 + b"e" for n in range(60))
    ),
}


@both
@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.timeout(30)
def test_bombs_are_refused(load: Load, bomb: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        load(with_pickle(tmp_path / "x.pt", BOMBS[bomb]))


@both
def test_members_that_share_their_bytes_are_refused(load: Load, tmp_path: Path) -> None:
    """A small file with a thousand names for one megabyte: each would be read."""
    path = with_pickle(tmp_path / "x.pt", b"\x80\x02}.", {"data/0": bytes(1 << 20)})
    with zipfile.ZipFile(path, "a") as archive:
        first = archive.getinfo("archive/data/0")
        for number in range(1, 50):
            twin = zipfile.ZipInfo(f"archive/data/{number}")
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            twin.file_size = twin.compress_size = first.file_size
            archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match="claim more bytes"):
        load(path)
