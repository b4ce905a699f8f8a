"""The stack machine that runs the pickle of a checkpoint: what it takes, and what it refuses."""

from __future__ import annotations

import pickle
import pickletools
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.checkpoints import archive
from seqcli.checkpoints.archive import Budget
from seqcli.checkpoints.decoder import DecodeError, Decoder, Name

scalars = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | st.text()
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(-(2**63), 2**63 - 1), inner, max_size=4)
    ),
    max_leaves=12,
)


def decoded(program: bytes, **names: Name) -> Any:
    table = {("torch", name): one for name, one in names.items()}
    return Decoder(program, table, lambda pid: pid, Budget()).run()


@given(trees)
def test_a_tree_is_what_pickle_makes_of_it(value: Any) -> None:
    program = pickle.dumps(value, 2)
    assert repr(decoded(program)) == repr(pickle.loads(program))
    assert repr(decoded(pickletools.optimize(program))) == repr(value)


REFUSED = {
    "a mark too many": (b"\x80\x02(}.", "leaves no value"),
    "two values": (b"\x80\x02NN.", "leaves no value"),
    "a name as the value": (b"\x80\x02ctorch\nx\n.", "leaves no value"),
    "a name in a list": (b"\x80\x02]ctorch\nx\na.", "of a type that checkpoints cannot contain"),
    "a name as a key": (b"\x80\x02}ctorch\nx\nNs.", "of a type that checkpoints cannot contain"),
    "a name in a tuple in a tuple": (b"\x80\x02ctorch\nx\n\x85\x85.", "in an unknown way"),
    "a name of another module": (b"\x80\x02cos\nx\n.", "refers to os.x"),
    "a name without an end": (b"\x80\x02c" + b"a" * 500, "truncated"),
    "a call of a value": (b"\x80\x02N)R.", "makes a call that checkpoints cannot contain"),
    "a call of a name of none": (
        b"\x80\x02ctorch\nx\n)R.",
        "makes a call that checkpoints cannot contain",
    ),
    "a call with a list": (
        b"\x80\x02ctorch\nx\n]R.",
        "makes a call that checkpoints cannot contain",
    ),
    "an odd number of items": (b"\x80\x02}(K\x01K\x02K\x03u.", "neither text nor a whole number"),
    "a key that is true": (b"\x80\x02}\x88Ns.", "neither text nor a whole number"),
    "a key of 9 bytes": (b"\x80\x02}\x8a\x09" + b"\xff" * 8 + b"\x01Ns.", "neither text nor"),
    "a key that is a tuple": (b"\x80\x02}K\x01\x85Ns.", "neither text nor a whole number"),
    "a key twice at once": (b"\x80\x02}(K\x01NK\x01Nu.", "a duplicate key"),
    "a key twice in turn": (b"\x80\x02}K\x01NsK\x01Ns.", "a duplicate key"),
    "an item into a tuple": (b"\x80\x02)Na.", "changes a value that is not a list"),
    "an item below a mark": (b"\x80\x02](Na.", "changes a value that is not there"),
    "a value below a mark": (b"\x80\x02N(\x85.", "takes a value that is not there"),
    "a list twice": (b"\x80\x02]q\0h\0\x86.", "in two places"),
    "a table twice": (b"\x80\x02](}q\0h\0e.", "in two places"),
    "a tuple of lists twice": (b"\x80\x02]\x85q\0h\0\x86.", "in two places"),
    "a value never kept": (b"\x80\x02h\x05.", "does not exist"),
    "a number of 2,040 bits": (
        b"\x80\x02\x8a\xff" + b"\x7f" * 255 + b".",
        "number that is too large",
    ),
    "an opcode of protocol 4": (b"\x80\x04\x95" + bytes(8) + b"N.", "the opcode 0x95"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_no_checkpoint_holds_is_refused(what: str) -> None:
    program, said = REFUSED[what]
    with pytest.raises(DecodeError, match=said):
        decoded(program, x=Name(value=object()))


def test_depth_is_bounded_however_it_is_made() -> None:
    most = archive.DEEPEST
    for begin, deeper in ((b"]", b"\x85"), (b")", b"\x85"), (b"}", b"\x85")):
        assert decoded(b"\x80\x02" + begin + deeper * (most - 1) + b".") is not None
        with pytest.raises(DecodeError, match="nested too deeply"):
            decoded(b"\x80\x02" + begin + deeper * most + b".")
    with pytest.raises(DecodeError, match="nested too deeply"):
        decoded(b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".")


@pytest.mark.parametrize("make", [b"]", b"}", b"N", b"X\x01\0\0\0a", b"Nq\0"])
def test_the_budget_bounds_what_is_made(make: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 100_000)
    with pytest.raises(ValueError, match="too many values"):
        decoded(b"\x80\x02](" + make * 20_000 + b"e.")
    monkeypatch.setattr(archive, "MOST_BYTES", 1 << 40)
    monkeypatch.setattr(archive, "MOST_VALUES", 100)
    monkeypatch.setattr(archive, "MOST_ARRAYS", 0)
    with pytest.raises(ValueError, match="too many values"):
        decoded(b"\x80\x02](" + make * 200 + b"e.")


def test_nothing_recurses() -> None:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200)
    try:
        with pytest.raises(DecodeError):
            decoded(b"\x80\x02}" + b")" + b"\x85" * 200_000 + b"K\x01s.")
    finally:
        sys.setrecursionlimit(before)
