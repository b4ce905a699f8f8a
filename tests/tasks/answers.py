"""What every task's target must be, worked out again the simple way, one row at a time.

Nothing here is shared with the tasks: rows are lists of tokens as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from statistics import median
from typing import Any

Row = list[str]
Options = Mapping[str, Any]


def copied(row: Row, options: Options) -> Row:
    if options["marks"]:
        assert (row[0], row[-1]) == ("<", ">")
        row = row[1:-1]
    assert options["tokens"] != "distinct" or len(set(row)) == len(row)
    assert options["tokens"] != "single" or len(set(row)) == 1
    return [token for _ in range(options["duplicate"]) for token in row]


def odds_first(row: Row, options: Options) -> Row:
    odd = [token for place, token in enumerate(row, 1) if place % 2 == 1]
    even = [token for place, token in enumerate(row, 1) if place % 2 == 0]
    return odd + even


def continued(row: Row, options: Options) -> Row:
    period = next(p for p in range(1, len(row) + 1) if row[p:] == row[:-p])
    steps = {(int(b) - int(a)) % 10 for a, b in pairwise(row)}
    if len(steps) == 1:
        step = steps.pop()
        return [str((int(row[-1]) + step * (n + 1)) % 10) for n in range(options["horizon"])]
    return [row[(len(row) + n) % period] for n in range(options["horizon"])]


def parity(row: Row, options: Options) -> Row:
    if options["mode"] == "final":
        return [str(row.count("1") % 2)]
    return [str(row[: place + 1].count("1") % 2) for place in range(len(row))]


def even_pairs(row: Row, options: Options) -> Row:
    changes = [pair for pair in pairwise(row) if pair[0] != pair[1]]
    return [str(len(changes) % 2)]


def place_on_circle(row: Row, options: Options) -> Row:
    place = 0
    for step in row:
        place = (place + int(step)) % options["positions"]
    return [str(place)]


def value(row: Row, options: Options) -> Row:
    assert re.fullmatch(r"[-+*() 0-9]+", " ".join(row))
    return [str(eval("".join(row)) % options["modulus"])]


def closing(row: Row, options: Options) -> Row:
    still_open: Row = []
    for bracket in row:
        if bracket[0] in "([{<":
            still_open.append(bracket)
            assert len(still_open) <= options["depth"]
        else:
            assert still_open.pop().translate(str.maketrans("([{<", ")]}>")) == bracket
    closers = [b.translate(str.maketrans("([{<", ")]}>")) for b in reversed(still_open)]
    return closers[:1] if options["mode"] == "next" else closers


def counted(row: Row, options: Options) -> Row:
    assert set(row) == {"a"}
    return [letter for letter in "bcdefgh"[: options["letters"] - 1] for _ in row]


def majority(row: Row, options: Options) -> Row:
    return ["1" if row.count("1") > row.count("0") else "0"]


def calculated(row: Row, options: Options) -> Row:
    sign = "+" if "+" in row else "*"
    left, right = (int(part, options["base"]) for part in "".join(row).split(sign))
    result = left + right if sign == "+" else left * right
    digits = ""
    while result or not digits:
        digits += str(result % options["base"])
        result //= options["base"]
    if options["padding"]:
        longest = len(row) // 2
        digits = digits.ljust(longest + 1 if sign == "+" else 2 * longest, "0")
    return list(digits if options["order"] == "reversed" else reversed(digits))


def remembered(row: Row, options: Options) -> Row:
    assert row[10:] == ["0"] * (len(row) - 21) + ["9"] * 11
    return row[:10]


def without_noise(row: Row, options: Options) -> Row:
    return [token for token in row if token != "0"]


def recalled(row: Row, options: Options) -> Row:
    known: dict[str, str] = {}
    answers = []
    for token, after in zip(row, [*row[1:], ""], strict=True):
        if token in known:
            answers.append(known[token])
        elif token.startswith("k"):
            known[token] = after
    return answers


def list_value(row: Row, options: Options) -> Row:
    rest = list(row)
    result = _list_value(rest, options["depth"])
    assert not rest
    return [str(result)]


def _list_value(rest: Row, levels: int) -> int:
    first = rest.pop(0)
    if first.isdigit():
        return int(first)
    assert levels > 0
    arguments = []
    while rest[0] != "]":
        arguments.append(_list_value(rest, levels - 1))
    rest.pop(0)
    assert len(arguments) >= 2
    of: Mapping[str, Callable[[list[int]], float]] = {
        "[MIN": min,
        "[MAX": max,
        "[MED": median,
        "[SM": lambda digits: sum(digits) % 10,
    }
    return int(of[first](arguments))


def carried_out(row: Row, options: Options) -> Row:
    if "after" in row:
        where = row.index("after")
        return carried_out(row[where + 1 :], options) + carried_out(row[:where], options)
    if "and" in row:
        where = row.index("and")
        return carried_out(row[:where], options) + carried_out(row[where + 1 :], options)
    times = {"twice": 2, "thrice": 3}.get(row[-1], 1)
    verb, *how = row[: len(row) - (times > 1)]
    act = [] if verb == "turn" else [f"I_{verb.upper()}"]
    turn = [f"I_TURN_{how[-1].upper()}"] if how else []
    once = {"around": (turn + act) * 4, "opposite": turn * 2 + act}.get(how[0] if how else "")
    return (turn + act if once is None else once) * times


ANSWERS: Mapping[str, Callable[[Row, Options], Row]] = {
    "reverse": lambda row, options: row[::-1],
    "copy": copied,
    "sort": lambda row, options: sorted(row, key=int),
    "odds_first": odds_first,
    "patterns": continued,
    "parity": parity,
    "even_pairs": even_pairs,
    "cycle_nav": place_on_circle,
    "mod_arith": value,
    "mod_arith_brackets": value,
    "dyck": closing,
    "anbncn": counted,
    "majority": majority,
    "addition": calculated,
    "multiplication": calculated,
    "copy_memory": remembered,
    "selective_copy": without_noise,
    "mqar": recalled,
    "listops": list_value,
    "scan": carried_out,
}
