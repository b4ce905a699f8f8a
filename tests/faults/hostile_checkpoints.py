"""Checkpoints made to hurt: each begins as a good one, and one thing in it is made wrong."""

from __future__ import annotations

import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.archive import open_archive

Plain = dict[str, Any]
Edit = Callable[[Plain], object]
Members = dict[str, bytes]
MEGABYTE = 1 << 20


def plain_of(path: Path) -> Plain:
    """Return what a good checkpoint holds, free to be changed."""
    with open_archive(path) as archive:
        plain = numpy_file.read_arrays(archive)
    assert isinstance(plain, dict)
    return plain


def members_of(path: Path) -> Members:
    """Return the members of a checkpoint, without their common folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: Members, compression: int = zipfile.ZIP_STORED) -> None:
    """Write members with checksums that are right."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"archive/{name}", content)


def write_program(path: Path, program: bytes, members: Members | None = None) -> None:
    """Write an archive around any pickle."""
    frame = {"data.pkl": program, "byteorder": b"little", "version": b"3\n"}
    write_members(path, frame | (members or {}))


def put(keys: str, value: Any) -> Edit:
    """Return an edit that sets one value, below ``a/b/c``; a callable changes the old one."""

    def edit(plain: Plain) -> None:
        *parents, last = keys.split("/")
        table: Any = plain
        for key in parents:
            if isinstance(table, dict) and key not in table and key.isdecimal():
                table = table[int(key)]
            else:
                table = table.setdefault(key, {}) if isinstance(table, dict) else table[int(key)]
        table[last] = value(table.get(last)) if callable(value) else value

    return edit


def drop(section: str, key: str) -> Edit:
    return lambda plain: plain[section].pop(key, None)


def every(section: str, change: Callable[[Any], Any]) -> Edit:
    """Return an edit of all arrays in a section."""

    def edit(plain: Plain) -> None:
        plain[section] = {key: change(value) for key, value in plain[section].items()}

    return edit


def optimizer(name: str, change: Callable[[Any], Any]) -> Edit:
    """Return an edit of what the optimizer keeps of the first weight."""

    def edit(plain: Plain) -> None:
        memory = plain["training"]["optimizer"]["state"]
        memory[0][name] = change(memory[0][name])

    return edit


def full_of(value: float) -> Callable[[Any], Any]:
    return lambda array: np.full_like(array, value)


TRANSFORMER = {"cell": "transformer", "attention": "none", "heads": 4}


def both(*edits: Edit) -> Edit:
    def edit(plain: Plain) -> None:
        for one in edits:
            one(plain)

    return edit


# What a checkpoint says of itself that is not so, or of another kind. {WORK}: the case's folder.
EDITS: dict[str, Edit] = {
    "hidden of 65,536": put("config/model/hidden", 65536),
    "embedding of 65,536": put("config/model/embedding", 65536),
    "256 layers": put("config/model/layers", 256),
    "256 layers of 65,536": both(
        put("config/model/layers", 256), put("config/model/hidden", 65536)
    ),
    "a Transformer of 65,536": put(
        "config/model", lambda old: {**old, **TRANSFORMER, "hidden": 65536, "feedforward": 65536}
    ),
    "a table of 10^6 positions": both(
        put("config/model", lambda old: {**old, **TRANSFORMER, "positions": "learned"}),
        put("about/max_target", 10**6),
    ),
    "max_target of 10^12": put("about/max_target", 10**12),
    "max_source of 10^18": put("about/max_source", 10**18),
    "max_target missing": drop("about", "max_target"),
    "NaN weights": every("weights", full_of(np.nan)),
    "infinite weights": every("weights", full_of(np.inf)),
    "whole-numbered weights": every("weights", lambda array: array.astype(np.int64)),
    "weights of another shape": every("weights", lambda array: array.reshape(-1)),
    "no weights": put("weights", {}),
    "a weight too many": put("weights/more", np.zeros(3, np.float32)),
    "rows as a list": put("about/rows", [1, 2]),
    "rows as text": put("about/rows", {"train": "many", "test": None}),
    "sizes below 0": put("about/sizes", {"train": -5}),
    "baselines as numbers": put("about/baselines", {"test": {"chance": 0.5}}),
    "baselines as text": put("about/baselines", {"test": {"chance": {"loss": "low"}}}),
    "a baseline of 2^1500": put("about/baselines", {"test": {"chance": {"loss": 1 << 1500}}}),
    "origins as a list": put("about/origins", ["train.lr"]),
    "origins as numbers": put("about/origins", {"train.lr": 3, "model.hidden": None}),
    "fingerprints of floats": put("about/fingerprints", {"train": np.zeros(9)}),
    "fingerprints with two axes": put("about/fingerprints", {"train": np.zeros((3, 3), np.int64)}),
    "fingerprints as text": put("about/fingerprints", "all"),
    "an array as provenance": put("about/version", np.zeros(5)),
    "an unknown field of 1 MB": put("about/" + "k" * MEGABYTE, 1),
    "locations as text": put("about/locations", {"path": "/dev/zero"}),
    "locations of /dev/zero": put(
        "about/locations", {"path": {"absolute": "/dev/zero", "relative": "../fifo"}}
    ),
    "overlap as text": put("about/overlap", "none"),
    "digests as numbers": put("about/sha256", [1, 2]),
    "escape sequences as names": put("about/name", "\x1b]0;owned\x07\x1b[2J"),
    "a name that is a number": put("about/name", 7),
    "progress missing": drop("training", "progress"),
    "progress as text": put("training/progress", "nearly done"),
    "an epoch below 0": put("training/progress/epoch", -3),
    "a best epoch that never was": put(
        "training/progress/best", {"epoch": 10**9, "step": 1, "metrics": {}, "improved": True}
    ),
    "progress with text for numbers": put("training/progress/step", "9"),
    "progress with an unknown key": put("training/progress/more", 1),
    "optimizer state as text": put("training/optimizer", "adam"),
    "optimizer state of no weight": put("training/optimizer/state", {7: {}}),
    "an optimizer's moment as a scalar": optimizer("exp_avg", lambda old: np.zeros((), np.float32)),
    "an optimizer's moment of another shape": optimizer(
        "exp_avg_sq", lambda old: np.zeros(3, np.float32)
    ),
    "an optimizer's moment as text": optimizer("exp_avg", lambda old: "x"),
    "NaN in the optimizer": optimizer("exp_avg", full_of(np.nan)),
    "infinite steps of the optimizer": optimizer("step", full_of(np.inf)),
    "optimizer settings as text": put("training/optimizer/param_groups/0/lr", "fast"),
    "a random state of 3 bytes": put("training/random", {"cpu": np.zeros(3, np.uint8)}),
    "a random state of floats": put("training/random", {"cpu": np.zeros(5056)}),
    "random states as text": put("training/random", "seed"),
    "schedule as text": put("training/schedule", "cosine"),
    "schedule with text": put("training/schedule", {"scale": "x"}),
    "training as a list": put("training", [1]),
    "metrics as text": put("metrics", {"val_loss": "low"}),
    "NaN metrics": put("metrics", {"epoch": 1, "val_loss": float("nan")}),
    "a metric of 2^1500": put("metrics", {"val_loss": 1 << 1500}),
    "an epoch of infinity": put("metrics", {"epoch": float("inf")}),
    "data of /dev/zero": put("config/data", lambda old: {**old, "task": "", "path": "/dev/zero"}),
    "data of a FIFO": put("config/data", lambda old: {**old, "task": "", "path": "../fifo"}),
    "data of a thousand names": put(
        "config/data", lambda old: {**old, "task": "", "path": ",".join(["x"] * 1000)}
    ),
    "10^9 rows of a task": put("config/data/train", 10**9),
    "10^9 rows for testing": put("config/data/test", 10**9),
    "an unknown task": put("config/data/task", "x" * MEGABYTE),
    "a learning rate that is NaN": put("config/train/lr", float("nan")),
    "an unknown key of 1 MB": put("config/model/" + "k" * MEGABYTE, 1),
    "a section that is a number": put("config/model", 3),
    "a list of lists as an option": put("config/task", {"length": [[1], [2]]}),
    "a vocabulary of numbers": put("codec/target", [1, 2, 3]),
    "a vocabulary of another size": put("codec/target", ["a"]),
    "a vocabulary of 200,000": put("codec/target", [f"w{n}" for n in range(200_000)]),
    "a token twice": put("codec/target", ["a", "a"]),
    "an unknown token style": put("codec/target_tokens", "letters"),
    "an older layout": put("format", 3),
    "a version that is a list": put("version", ["x"] * 1000),
}

_INT_KEYS = b"".join(
    b"\x8a\x0a" + (n * (2**61 - 1)).to_bytes(10, "little") + b"N" for n in range(50_000)
)
_KNOWN = b"\x80\x02}X\x06\0\0\0formatK\x01sX\x05\0\0\0codec"


def _view(key: bytes, count: int, shape: bytes, strides: bytes) -> bytes:
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\0" + key
    storage += b"X\x03\0\0\0cpu" + struct.pack("<ci", b"J", count) + b"tQ"
    tail = b"K\0" + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + tail


def _views(count: int) -> bytes:
    """Many tensors that are all of one storage of 4 MB, each of another shape."""
    shapes = [b"J" + struct.pack("<i", MEGABYTE - n) + b"\x85" for n in range(count)]
    return b"](" + b"".join(_view(b"0", MEGABYTE, shape, b"K\x01\x85") for shape in shapes) + b"e"


PROGRAMS: dict[str, tuple[bytes, Members]] = {
    "a tuple nested 200,000 deep as a key": (
        b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.", {}
    ),
    "a tuple nested 200,000 deep": (_KNOWN + b")" + b"\x85" * 200_000 + b"s.", {}),
    "lists nested 200,000 deep": (_KNOWN + b"]" * 200_000 + b"a" * 199_999 + b"s.", {}),
    "10^60 values": (
        _KNOWN + b"]" + b"".join(b"q%c](" % n + b"h%c" % n * 10 + b"e" for n in range(60)) + b"s.",
        {},
    ),
    "a list that holds itself": (_KNOWN + b"]q\x00h\x00as.", {}),
    "20 MB of empty lists": (_KNOWN + b"](" + b"]" * (20 * MEGABYTE) + b"es.", {}),
    "20 MB of empty tables": (_KNOWN + b"](" + b"}" * (20 * MEGABYTE) + b"es.", {}),
    "20 MB of marks": (_KNOWN + b"(" * (20 * MEGABYTE) + b".", {}),
    "3,000,000 places in the memo": (
        b"\x80\x02}" + b"".join(struct.pack("<cI", b"r", n) for n in range(3_000_000)) + b".", {}
    ),
    "a place in the memo far out": (b"\x80\x02}r\xff\xff\xff\x7f.", {}),
    "50,000 keys with one hash": (_KNOWN + b"}(" + _INT_KEYS + b"us.", {}),
    "a key twice": (b"\x80\x02}(X\x06\0\0\0formatK\x01X\x06\0\0\0formatK\x01u.", {}),
    "a text longer than the file": (_KNOWN + b"X\xff\xff\xff\x7fabc.", {}),
    "1,200 views of 4 MB": (_KNOWN + _views(1200) + b"s.", {"data/0": bytes(4 * MEGABYTE)}),
    "one number a billion times": (
        _KNOWN + _view(b"0", 1, b"J\0\xca\x9a;\x85", b"K\0\x85") + b"s.", {"data/0": bytes(4)}
    ),
    "an opcode of another protocol": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", {}),
    "no end": (_KNOWN + b"N", {}),
}  # fmt: skip


def directory_of(path: Path, entries: int) -> None:
    """Write a zip file with so many entries in its directory, all of one empty member."""
    name = b"archive/data.pkl"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, len(name), 0) + name
    fields = (20, 20, 0, 0, 0, 33, 0, 0, 0)

    def entry(number: int) -> bytes:
        own = b"archive/data/%d" % number if number else name
        return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields, len(own), 0, 0, 0, 0, 0, 0) + own

    directory = b"".join(map(entry, range(entries)))
    count = min(entries, 0xFFFF)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(local), 0)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, len(directory),
                       len(local))  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(directory), 1)
    path.write_bytes(local + directory + wide + locator + end)


def sparse(path: Path, good: Path) -> None:
    """Write a good checkpoint with a member of 1 TB that takes no room on the disk."""
    members = members_of(good)
    members["data/hole"] = b""
    write_members(path, members)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        begin = archive.start_dir
    size = 1 << 40
    name = b"archive/data/hole"
    at = content.rindex(name) - 46
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    entry = bytearray(content[at : at + 46])
    entry[20:28] = b"\xff" * 8
    entry[30:32] = struct.pack("<H", len(extra))
    directory = content[begin:at] + bytes(entry) + name + extra
    directory += content[at + 46 + len(name) : len(content) - 22]
    end = bytearray(content[-22:])
    end[12:20] = struct.pack("<2L", len(directory), 0xFFFFFFFF)
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, len(members), len(members),
                       len(directory), begin + size)  # fmt: skip
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, begin + size + len(directory), 1)
    with path.open("r+b") as file:
        file.truncate(begin)
        file.seek(begin + size)
        file.write(directory + wide + locator + bytes(end))


FILES: dict[str, Callable[[Path, Path], object]] = {
    "a directory of a million members": lambda path, good: directory_of(path, 1_000_000),
    "a directory of 60,000 members": lambda path, good: directory_of(path, 60_000),
    "a hole of 1 TB": sparse,
    "compressed members": lambda path, good: write_members(
        path, members_of(good), zipfile.ZIP_DEFLATED
    ),
    "30,000 small members": lambda path, good: write_members(
        path, members_of(good) | {f"data/x{n}": b"" for n in range(30_000)}
    ),
    "no arrays": lambda path, good: write_members(
        path, {name: one for name, one in members_of(good).items() if not name.startswith("data/")}
    ),
}
CRAFTED = (*EDITS, *PROGRAMS, *FILES)


def craft(name: str, good: Path, path: Path) -> None:
    """Write the crafted checkpoint of that name."""
    if name in PROGRAMS:
        write_program(path, *PROGRAMS[name])
    elif name in FILES:
        FILES[name](path, good)
    else:
        plain = plain_of(good)
        EDITS[name](plain)
        with path.open("wb") as file:
            numpy_file.write_plain(file, plain)


# -- mutations: structure-aware, drawn by a seed --------------------------------------------------

ODD = (
    None, True, -1, 0, 7, 2**31, 2**70, 1e308, -1e308, float("nan"), float("inf"), "", "x" * 2000,
    "../../x", "\x1b[2J", "\0", [], {}, [[]], {"a": {"b": []}}, [1, "a", None], {1: 2}, (),
    np.zeros(0, np.float32), np.zeros((2, 2)), np.full(3, np.nan), np.arange(4), np.array(1.0),
)  # fmt: skip


def mutate(good: Path, path: Path, seed: int) -> str:
    """Write a checkpoint with one or two random changes; return what kind of change."""
    draw = random.Random(seed)
    kind = draw.choice(("value", "value", "value", "key", "array", "opcode", "member", "bit"))
    if kind in ("opcode", "member", "bit"):
        members = members_of(good)
        {"opcode": _opcode, "member": _member, "bit": _bit}[kind](members, draw)
        write_members(path, members)
        return kind
    plain = plain_of(good)
    for _ in range(draw.choice((1, 1, 2))):
        {"value": _value, "key": _key, "array": _array}[kind](plain, draw)
    with path.open("wb") as file:
        numpy_file.write_plain(file, plain)
    return kind


def _tables(value: Any) -> list[dict[Any, Any]]:
    if not isinstance(value, dict):
        return []
    return [value, *(table for one in value.values() for table in _tables(one))]


def _table(plain: Plain, draw: random.Random) -> dict[Any, Any]:
    """Return one of the tables, the sections as often as all that is below them."""
    section = plain[draw.choice([key for key in plain if isinstance(plain[key], dict)])]
    return draw.choice([table for table in _tables(section) if table] or [plain])


def _value(plain: Plain, draw: random.Random) -> None:
    table = _table(plain, draw)
    table[draw.choice(list(table))] = draw.choice(ODD)


def _key(plain: Plain, draw: random.Random) -> None:
    table = _table(plain, draw)
    value = table.pop(key := draw.choice(list(table)))
    if draw.random() < 0.6:
        table[draw.choice((f"{key}x", 0, "", -5, "\x1b[31m"))] = value


@np.errstate(over="ignore", invalid="ignore")
def _array(plain: Plain, draw: random.Random) -> None:
    tables = [t for t in _tables(plain) if any(isinstance(one, np.ndarray) for one in t.values())]
    table = draw.choice(tables)
    key = draw.choice([name for name, one in table.items() if isinstance(one, np.ndarray)])
    old = table[key]
    scaled = np.array(old * 1e30, old.dtype if old.dtype.kind == "f" else np.float64)
    table[key] = draw.choice(
        (old.astype(np.int32), old.astype(np.float64), old.astype(np.float16), old.T, old[:0],
         old.reshape(-1), scaled, np.full_like(old, 9), old[None], np.concatenate([old, old]))
        if old.ndim else (old.reshape(1), old.astype(np.int8), scaled)
    )  # fmt: skip


def _opcode(members: Members, draw: random.Random) -> None:
    program = bytearray(members["data.pkl"])
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(len(program))
        change = draw.choice(("set", "insert", "delete", "copy"))
        if change == "set":
            program[at] = draw.choice(b"NKJMX(t])}ue.shqrjRQcaG\x85\x86\x87\x88\x8a\xff\x00")
        elif change == "insert":
            program[at:at] = bytes([draw.randrange(256)])
        elif change == "delete":
            del program[at : at + draw.randrange(1, 40)]
        else:
            program[at:at] = program[at : at + draw.randrange(1, 400)]
    members["data.pkl"] = bytes(program)


def _member(members: Members, draw: random.Random) -> None:
    name = draw.choice(list(members))
    content = members.pop(name)
    change = draw.choice(("drop", "rename", "cut", "grow", "swap"))
    if change == "rename":
        members[draw.choice(("data/9999", "../x", "byteorder", "a" * 3000))] = content
    elif change == "cut":
        members[name] = content[: draw.randrange(len(content) + 1)]
    elif change == "grow":
        members[name] = content + bytes(draw.randrange(1, 5000))
    elif change == "swap":
        other = draw.choice(list(members))
        members[name], members[other] = members[other], content


def _bit(members: Members, draw: random.Random) -> None:
    for _ in range(draw.choice((1, 3, 20))):
        name = draw.choice([key for key in members if members[key]])
        content = bytearray(members[name])
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        members[name] = bytes(content)
