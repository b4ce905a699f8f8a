"""SCAN: commands in words, and the actions that carry them out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from seqcli import registry
from seqcli.data.ragged import Index, Ragged
from seqcli.errors import UsageError
from seqcli.tasks import hashing
from seqcli.tasks.base import Rows, Task
from seqcli.tasks.scan_language import ACTIONS, SPLITS, WORDS, language, published
from seqcli.tasks.space import permute


@dataclass(frozen=True)
class Scan(Task):
    """Carry out a command: jump opposite left after walk -> I_WALK I_TURN_LEFT I_TURN_LEFT I_JUMP.

    Lake and Baroni, "Generalization without systematicity" (2018), and Loula et al., "Rearranging
    the familiar" (2018): 20,910 commands of up to 9 words, 1 to 48 actions. Train and test are the
    sets published at github.com/brendenlake/SCAN, made again from the grammar; only the simple
    splits are draws of our own, of the same sizes. Val is a share of the published train set.

    Rows come in random order, each once before any comes twice. To have all of simple, ask for
    ``--train 15892 --val 836 --test 4182``; fewer training rows are a random part of them.
    """

    split: str = "simple"
    """Published split: simple, length, add_jump, add_turn_left, around_right, right,
    opposite_right, jump_around_right, filler_0 to filler_3, simple_p1 to simple_p64."""
    val_share: float = 0.05
    """Share of the published train set that is kept for val."""

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

    def source_symbols(self) -> tuple[str, ...]:
        """Return the words of commands."""
        return WORDS

    def target_symbols(self) -> tuple[str, ...]:
        """Return the actions."""
        return ACTIONS

    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        own = _parts(self.split, self.val_share, seed)[split]
        if not own.size:
            raise UsageError(f"no commands are kept for {split}", "raise task.val_share")
        turn, place = np.divmod(index, len(own))
        keys = hashing.streams(hashing.key(seed, split, "order"), turn)
        commands = own[permute(place.astype(np.uint32), len(own), keys)]  # (N,)
        sources, targets = _encoded()
        return Rows(sources.take(commands), targets.take(commands))


@lru_cache(maxsize=32)
def _parts(split: str, val_share: float, seed: int) -> dict[str, Index]:
    """Return the numbers of the commands of train, val and test.

    Val takes no command that train is meant to see many times over (``jump`` in add_jump).
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
        Ragged.from_rows([[*map(symbols.index, text.split())] for text in texts])
        for symbols, texts in sides
    )
    return words, actions
