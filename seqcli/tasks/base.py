"""The contract of a synthetic task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from seqcli.data.ragged import Index, Ragged

SPLIT_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}  # of the instance space, whatever is drawn


@dataclass(frozen=True)
class Rows:
    """A batch of rows of a task, as indices into its alphabets (0 is the first symbol)."""

    sources: Ragged
    targets: Ragged


@dataclass(frozen=True)
class Task:
    """A synthetic task. A subclass is a frozen dataclass whose fields are the task's options.

    Rows are a pure function of (seed, split, index): the same whether streamed or stored, in any
    order. Splits are disjoint by construction. Options are validated in ``__post_init__``
    (``UsageError``). ``version`` goes up whenever the same (seed, split, index) gives other rows.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]  # one line for `seqcli tasks`
    example: ClassVar[tuple[str, str]]  # source and target, as text

    def source_symbols(self) -> tuple[str, ...]:
        """Return the source alphabet."""
        raise NotImplementedError

    def target_symbols(self) -> tuple[str, ...]:
        """Return the target alphabet."""
        raise NotImplementedError

    def rows(self, seed: int, split: str, index: NDArray[np.int64]) -> Rows:
        """Return the rows at ``index`` (N,) of a split."""
        raise NotImplementedError

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Return guesses that need no learning, by name ("copy_last" ...), as target indices."""
        return {}
