"""The commands of SCAN, their actions, and the published splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.arrays import hashing
from seqcli.arrays.ragged import Index, Ragged
from seqcli.errors import UsageError
from seqcli.tasks.base import Rows, Task
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

    C = S | S and S | S after S; S = V | V twice | V thrice; V is a primitive or ``turn``, followed
    by an optional side, which may be preceded by opposite or around. ``turn`` always has a side.
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
    """Return the indices of the commands in a published train and test set, copies included.

    The simple splits are random samples of the published sizes, where smaller sets are subsets of
    larger ones; all other sets are the published ones.

    Args:
        split: a name in ``SPLITS``.
        seed: seed of a simple split.
    """
    return SPLITS[split](seed)


def _simple(share: int, seed: int) -> Parts:
    """Assign a percentage of all commands to train and the others to test."""
    count = len(language())
    order = permute(np.arange(count, dtype=np.uint32), count, hashing.key(seed, "scan"))
    first = count * share // 100
    return order[:first].astype(np.int64), order[first:].astype(np.int64)


def _by_length(seed: int) -> Parts:
    """Assign all commands with at most 22 actions to train."""
    long = np.array([len(actions.split()) > 22 for actions in language().values()])
    return np.flatnonzero(~long), np.flatnonzero(long)


def _added(primitive: str, seed: int) -> Parts:
    """Hold out all commands with a primitive but the bare one, a tenth of the train set."""
    held = _holding([primitive])
    bare = list(language()).index(primitive)
    others = np.flatnonzero(~held)
    test = np.flatnonzero(held)
    return np.append(others, np.full(len(others) // 9, bare)), test[test != bare]


def _template(sides: str, held: Sequence[str], tested: Sequence[str], seed: int) -> Parts:
    """Hold out ``sides`` after the ``held`` primitives; test has them after the ``tested`` ones.

    The published sets also omit, without documenting it, all commands with it after ``turn``.
    """
    turned = _holding([f"turn {sides}"])
    kept_out = _holding([f"{primitive} {sides}" for primitive in held])
    test = _holding([f"{primitive} {sides}" for primitive in tested])
    return np.flatnonzero(~turned & ~kept_out), np.flatnonzero(~turned & test)


def _holding(phrases: Sequence[str]) -> NDArray[np.bool_]:
    """Return which commands contain any of the phrases."""
    return np.array([any(f" {p} " in f" {command} " for p in phrases) for command in language()])


def _joined(*actions: str) -> str:
    return " ".join(filter(None, actions))


_ALL = tuple(PRIMITIVES)
_FILLERS = ("look", "walk", "run", "jump")  # in the order in which the published splits add them

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


@dataclass(frozen=True)
class Scan(Task):
    """Execute a command: jump opposite left after walk -> I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP.

    Lake and Baroni, "Generalization without systematicity" (2018), and Loula et al., "Rearranging
    the familiar" (2018): 20,910 commands of up to 9 words, 1 to 48 actions. Train and test are the
    sets published at github.com/brendenlake/SCAN, regenerated from the grammar; only the simple
    splits are different samples of the same sizes. Val is a share of the published train set.

    Rows are in random order, and none is repeated before all have occurred. For all rows of simple,
    use ``--train 15892 --val 836 --test 4182``; fewer training rows are a random subset.
    """

    split: str = "simple"
    """Published split: simple, length, add_jump, add_turn_left, around_right, right,
    opposite_right, jump_around_right, filler_0 to filler_3, simple_p1 to simple_p64."""
    val_share: float = 0.05
    """Share of the published train set that is used for val."""

    name: ClassVar[str] = "scan"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "commands in words to actions, with the published splits"
    example: ClassVar[tuple[str, str]] = (
        "jump opposite left after walk",
        "I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP",
    )

    def __post_init__(self) -> None:
        registry.check("split of scan", self.split, SPLITS)
        if not 0 <= self.val_share <= 0.5:
            raise UsageError(f"task.val_share cannot be {self.val_share}", "choose from 0 to 0.5")

    def source_tokens(self) -> tuple[str, ...]:
        """Return the words of commands."""
        return WORDS

    def target_tokens(self) -> tuple[str, ...]:
        """Return the actions."""
        return ACTIONS

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        own = _parts(self.split, self.val_share, seed)[split]
        if not own.size:
            raise UsageError(f"there are no commands for {split}", "raise task.val_share")
        turn, place = np.divmod(index, len(own))
        keys = hashing.streams(hashing.key(seed, split, "order"), turn)
        commands = own[permute(place.astype(np.uint32), len(own), keys)]  # (N,)
        sources, targets = _encoded()
        return Rows(sources.take(commands), targets.take(commands))


@lru_cache(maxsize=32)
def _parts(split: str, val_share: float, seed: int) -> dict[str, Index]:
    """Return the indices of the commands of train, val and test.

    Commands that are repeated in train (``jump`` in add_jump) are not used for val.
    """
    known, test = published(split, seed)
    commands, copies = np.unique(known, return_counts=True)
    single = commands[copies == 1]
    order = permute(np.arange(len(single), dtype=np.uint32), len(single), hashing.key(seed, "val"))
    val = single[order[: round(val_share * len(single))]]
    return {"train": known[~np.isin(known, val)], "val": val, "test": test}


@lru_cache(maxsize=1)
def _encoded() -> tuple[Ragged, Ragged]:
    """Return all commands and their actions as indices into the alphabets."""
    sides = ((WORDS, language()), (ACTIONS, language().values()))
    words, actions = (
        Ragged.from_rows([[*map(tokens.index, text.split())] for text in texts])
        for tokens, texts in sides
    )
    return words, actions
