"""Data from files is checked against types; what is wrong is named in one short line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
import pytest

from seqcli import schema
from seqcli.schema import OPEN, Array, Bounds, Count, Name, Number, Plain, SchemaError


class Base(TypedDict):
    name: str


class Section(Base, total=False):
    sizes: dict[str, Count]
    kind: Literal["a", "b"]


@dataclass(frozen=True)
class Record:
    """A record with a rule of its own."""

    low: int
    high: int = 9
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


GOOD: list[tuple[Any, Any, Any]] = [
    (int, 3, 3),
    (float, 3, 3.0),
    (str, "", ""),
    (Any, object, object),
    (int | None, None, None),
    (Number, 2, 2),
    (Number, 2.5, 2.5),
    (list[str], ("a",), ["a"]),
    (tuple[int, str], [1, "a"], (1, "a")),
    (tuple[float, ...], [1, 2.5], (1.0, 2.5)),
    (dict[int, bool], {1: True}, {1: True}),
    (Section, {"name": "x", "sizes": {"train": 1}}, {"name": "x", "sizes": {"train": 1}}),
    (Annotated[Section, OPEN], {"name": "x", "more": [1, None]}, {"name": "x", "more": [1, None]}),
    (Record, {"low": 1, "names": ["a"]}, Record(1, names=("a",))),
    (Name, "gru-attention+lr=1e-3-s0", "gru-attention+lr=1e-3-s0"),
    (Plain, {"a": [1, 2.5, None, "x", {"b": True}]}, {"a": [1, 2.5, None, "x", {"b": True}]}),
]


@pytest.mark.parametrize(("kind", "value", "wanted"), GOOD)
def test_what_fits_is_returned(kind: Any, value: Any, wanted: Any) -> None:
    found = schema.read(kind, value)
    assert found == wanted
    assert type(found) is type(wanted)


BAD: list[tuple[Any, Any, str]] = [
    (int, True, "x must be a whole number, not True"),
    (int, 1.0, "x must be a whole number, not 1.0"),
    (int, 2**63, "x must be a whole number, not 9223372036854775808"),
    (float, "1", "x must be a number, not '1'"),
    (float, 10**400, "x must be a number, not a whole number of 1329 bits"),
    (str, b"a", "x must be text, not b'a'"),
    (Count, -1, "x must be a whole number of at least 0, not -1"),
    (Annotated[float, Bounds()], math.nan, "x must be a number, not nan"),
    (Annotated[float, Bounds(0, 1)], math.inf, "x must be a number from 0 to 1, not inf"),
    (int | str, [], "x must be a whole number or text, not []"),
    (int | None, "a", "x must be a whole number, not 'a'"),
    (list[int], [1, "a"], "x[1] must be a whole number, not 'a'"),
    (list[str], "abc", "x must be a list of values, not 'abc'"),
    (tuple[int, int], [1], "x must be a list of 2 values, not [1]"),
    (dict[str, int], {"a": "b"}, "x.a must be a whole number, not 'b'"),
    (dict[str, int], {1: 2}, "the key x.1 must be text, not 1"),
    (dict[str, int], [], "x must be a mapping, not []"),
    (Section, {"sizes": {}}, "x has no key name"),
    (Section, {"name": "a", "nmae": 1}, "x has an unknown key 'nmae'"),
    (Section, {"name": "a", "kind": "c"}, "x.kind must be one of a, b, not 'c'"),
    (Annotated[Section, OPEN], {"name": "a", "m": {1, 2}}, "x.m must be plain data (numbers,"),
    (Record, {"low": 10}, "x: low is above high"),
    (Record, {"high": 10}, "x has no key low"),
    (Annotated[Any, Array(("int64",), 1)], np.zeros(3), "x must be an array with 1 axes of int64"),
    (Annotated[Any, Array()], np.float64(1), "x must be an array, not"),
    (Plain, np.zeros(3), "x must be plain data"),
]


@pytest.mark.parametrize(("kind", "value", "said"), BAD)
def test_what_does_not_fit_is_named(kind: Any, value: Any, said: str) -> None:
    with pytest.raises(SchemaError) as refused:
        schema.read(kind, value, "x")
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "name",
    ["../victim", "..", ".", "", "/etc", "a/b", "a\\b", "a\0b", "a\nb", ".hidden", "x" * 300],
)
def test_a_path_is_no_name(name: str) -> None:
    with pytest.raises(SchemaError, match="a name of letters"):
        schema.read(Name, name)


@pytest.mark.parametrize(
    "value", ["x" * 10**6, list(range(10**6)), {"a": "b" * 10**5}, 10**4000, [[[[["x" * 999]]]]]]
)
def test_values_are_quoted_shortly(value: Any) -> None:
    assert len(schema.quoted(value)) <= 60
    with pytest.raises(SchemaError) as refused:
        schema.read(bool, value, "x")
    assert len(str(refused.value)) < 120


def test_a_key_is_quoted_shortly() -> None:
    with pytest.raises(SchemaError) as refused:
        schema.read(dict[str, int], {"\x1b[2J" + "k" * 10**5: "x"})
    assert len(str(refused.value)) < 200
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
        ('[{"b": {"c": 1, "c": 1}}]', "the key 'c' is given twice"),
        ("[" * 100_000, "nested too deeply"),
        ("{", "not valid JSON"),
        ("1" * 5000, "not valid JSON"),
    ],
)
def test_json_is_read_strictly(text: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        schema.parse_json(text)
    assert schema.parse_json('{"a": [1, NaN]}')["a"][0] == 1
