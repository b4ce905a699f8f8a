"""A batch of names without its padding.

The mask of a batch says which positions are symbols and which are padding. Instead of computing
the padding and multiplying it by a mask of zeros afterwards, the mask is applied once, to the ids:
the longest name comes first, and the symbols are laid end to end, position by position::

    a n n a .           mask 1 1 1 1 1        position 0   1   2  3 4
    b o .        ->          1 1 1       ->            abc nor n. a .
    c r .                    1 1 1       (.: the stop symbol)

At position t the names still running are the first ``counts[t]`` ones, so a step of the network
reads the first ``counts[t]`` rows of the state. What is left out costs nothing and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqcli.numpy_backend.parameters import Ids


@dataclass(frozen=True)
class Packed:
    """P symbols of B names, position by position, longest name first.

    Args:
        x: (P,) input ids.
        y: (P,) target ids.
        counts: (T,) names still running at each position, falling from B; they add up to P.
        order: (B,) where each name, longest first, stood in the batch.
    """

    x: Ids
    y: Ids
    counts: Ids
    order: Ids

    def __len__(self) -> int:
        """Return P."""
        return len(self.x)

    @cached_property
    def slices(self) -> list[slice]:
        """Return the rows of each position."""
        ends = np.cumsum(self.counts).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def before(self) -> Ids:
        """Return (P - B,): for each row after position 0, the same name's row one position back."""
        back: Ids = np.repeat(self.counts[:-1], self.counts[1:])
        return np.arange(self.counts[0], len(self)) - back

    def names(self) -> Ids:
        """Return (P,): the place in the batch of the name that each row belongs to."""
        return np.concatenate([self.order[:n] for n in self.counts])


def pack(target_in: Ids, target_out: Ids, lengths: Ids) -> Packed:
    """Sort names by length, longest first, and drop the padding.

    Args:
        target_in: (B, T) BOS + name, padded.
        target_out: (B, T) name + EOS, padded.
        lengths: (B,) symbols of each row that count, at least 1.
    """
    order = np.argsort(-lengths, kind="stable")
    mask = np.arange(lengths.max())[:, None] < lengths[order]  # (T, B)
    columns = target_in[order, : len(mask)].T, target_out[order, : len(mask)].T  # (T, B) each
    return Packed(columns[0][mask], columns[1][mask], mask.sum(axis=1), order)
