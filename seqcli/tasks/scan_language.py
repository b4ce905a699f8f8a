"""The commands of SCAN, what they mean, and the published ways to split them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from seqcli.data.ragged import Index
from seqcli.tasks import hashing
from seqcli.tasks.space import permute

WORDS = (
    *("walk", "look", "run", "jump", "turn"),
    *("left", "right", "opposite", "around", "twice", "thrice", "and", "after"),
)
ACTIONS = ("I_WALK", "I_LOOK", "I_RUN", "I_JUMP", "I_TURN_LEFT", "I_TURN_RIGHT")
PRIMITIVES = {"walk": "I_WALK", "look": "I_LOOK", "run": "I_RUN", "jump": "I_JUMP"}
SIDES = {"left": "I_TURN_LEFT", "right": "I_TURN_RIGHT"}

Parts = tuple[Index, Index]


@lru_cache(maxsize=1)
def language() -> Mapping[str, str]:
    """Return the actions of each of the 20,910 commands.

    C = S | S and S | S after S; S = V | V twice | V thrice; V = a primitive or ``turn``, with a
    side, that opposite or around (``turn`` not without).
    """
    verbs = {**PRIMITIVES}
    for (verb, action), (side, turn) in product({**PRIMITIVES, "turn": ""}.items(), SIDES.items()):
        verbs[f"{verb} {side}"] = _joined(turn, action)
        verbs[f"{verb} opposite {side}"] = _joined(turn, turn, action)
        verbs[f"{verb} around {side}"] = _joined(*[turn, action] * 4)
    often = {"": 1, " twice": 2, " thrice": 3}
    phrases = {v + o: _joined(*[a] * n) for (v, a), (o, n) in product(verbs.items(), often.items())}
    pairs = list(product(phrases.items(), repeat=2))
    joined = {f"{one} and {two}": _joined(a, b) for (one, a), (two, b) in pairs}
    return phrases | joined | {f"{one} after {two}": _joined(b, a) for (one, a), (two, b) in pairs}


def published(split: str, seed: int) -> Parts:
    """Return the numbers of the commands in a published train and test set, copies included.

    The simple splits are random draws of the published sizes, and smaller ones are part of larger
    ones; every other set is the published one.

    Args:
        split: a name in ``SPLITS``.
        seed: of the draw of a simple split.
    """
    return SPLITS[split](seed)


def _simple(share: int, seed: int) -> Parts:
    """Put a share, in percent, of all commands into train and the others into test."""
    count = len(language())
    order = permute(np.arange(count, dtype=np.uint32), count, hashing.key(seed, "scan"))
    first = count * share // 100
    return order[:first].astype(np.int64), order[first:].astype(np.int64)


def _by_length(seed: int) -> Parts:
    """Put all of at most 22 actions into train."""
    long = np.array([len(actions.split()) > 22 for actions in language().values()])
    return np.flatnonzero(~long), np.flatnonzero(long)


def _added(primitive: str, seed: int) -> Parts:
    """Leave to train, of all that holds a primitive, the bare primitive: a tenth of its rows."""
    held = _holding([primitive])
    bare = list(language()).index(primitive)
    others = np.flatnonzero(~held)
    test = np.flatnonzero(held)
    return np.append(others, np.full(len(others) // 9, bare)), test[test != bare]


def _template(sides: str, held: Sequence[str], asked: Sequence[str], seed: int) -> Parts:
    """Keep ``sides`` after the ``held`` primitives out of train; ask for it after the ``asked``.

    The published sets leave out, without saying so, every command with it after ``turn``.
    """
    turned = _holding([f"turn {sides}"])
    kept_out = _holding([f"{primitive} {sides}" for primitive in held])
    test = _holding([f"{primitive} {sides}" for primitive in asked])
    return np.flatnonzero(~turned & ~kept_out), np.flatnonzero(~turned & test)


def _holding(phrases: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which commands hold the words of any of the phrases, one after another."""
    return np.array([any(f" {p} " in f" {command} " for p in phrases) for command in language()])


def _joined(*actions: str) -> str:
    return " ".join(filter(None, actions))


_ALL = tuple(PRIMITIVES)
_FILLERS = ("look", "walk", "run", "jump")  # in the order in which they are added

SPLITS: Mapping[str, Callable[[int], Parts]] = {
    "simple": partial(_simple, 80),
    "length": _by_length,
    "add_jump": partial(_added, "jump"),
    "add_turn_left": partial(_added, "turn left"),
    "around_right": partial(_template, "around right", _ALL, _ALL),
    "right": partial(_template, "right", _ALL, _ALL),
    "opposite_right": partial(_template, "opposite right", _ALL, _ALL),
    "jump_around_right": partial(_template, "around right", ["jump"], ["jump"]),
    **{
        f"filler_{count}": partial(_template, "around right", _FILLERS[count:], ["jump"])
        for count in range(4)
    },
    **{f"simple_p{share}": partial(_simple, share) for share in (1, 2, 4, 8, 16, 32, 64)},
}
