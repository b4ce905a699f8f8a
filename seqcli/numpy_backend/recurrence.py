"""Pack a batch of names without padding, and run a cell over it, forward and backward.

The mask of a batch marks the positions that are tokens, not padding. Instead of computing the
padding and multiplying the result by zeros, the mask is applied once, to the ids: the longest name
comes first, and the tokens are stored position by position::

    a n n a .           mask 1 1 1 1 1        position 0   1   2  3 4
    b o .        ->          1 1 1       ->            abc nor n. a .
    c r .                    1 1 1       (. is <eos>)

At position t the first ``counts[t]`` names still have tokens, so a step of the network reads the
first ``counts[t]`` rows of the state.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqcli.numpy_backend.cells import Cache, Cell
from seqcli.numpy_backend.parameters import Floats, Ids, Parameters


@dataclass(frozen=True)
class Packed:
    """P tokens of B names, position by position, longest name first.

    Args:
        x: (P,) input ids.
        y: (P,) target ids.
        counts: (T,) the number of names with a token at each position, decreasing from B, with
            sum P.
        order: (B,) the row in the batch of each name, longest first.
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
        """Return (P - B,): for each row after position 0, the row of the same name before it."""
        back: Ids = np.repeat(self.counts[:-1], self.counts[1:])  # (P - B,)
        return np.arange(self.counts[0], len(self)) - back

    def names(self) -> Ids:
        """Return (P,): the row in the batch of the name that each token belongs to."""
        return np.concatenate([self.order[:n] for n in self.counts])


def pack(target_in: Ids, target_out: Ids, lengths: Ids) -> Packed:
    """Sort names by length, longest first, and remove the padding.

    Args:
        target_in: (B, T) BOS + name, padded.
        target_out: (B, T) name + EOS, padded.
        lengths: (B,) tokens of each row, at least 1.
    """
    order = np.argsort(-lengths, kind="stable")
    mask = np.arange(lengths.max())[:, None] < lengths[order]  # (T, B)
    columns = target_in[order, : len(mask)].T, target_out[order, : len(mask)].T  # (T, B) each
    return Packed(columns[0][mask], columns[1][mask], mask.sum(axis=1), order)


def rnn_forward(
    zx: Floats, batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, list[Cache]]:
    """Run the cell over the batch from a zero state.

    Args:
        zx: (P, gH) the inputs' products.
        batch: the batch, which has the rows of ``zx`` at each position.
        parameters: the weights.
        cell: the cell of the weights.

    Returns:
        a (P, H) after every token, and one cache per position.
    """
    state, outputs, caches = cell.zeros(len(batch.order), parameters), [], []
    for rows in batch.slices:
        unfinished = tuple(part[: rows.stop - rows.start] for part in state)  # (n, H) each
        state, cache = cell.forward(zx[rows], unfinished, parameters)
        outputs.append(state[0])
        caches.append(cache)
    return np.concatenate(outputs), caches  # (P, H)


def rnn_backward(
    da: Floats, caches: list[Cache], batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, Floats]:
    """Backpropagate through time, over the whole length of every name.

    Args:
        da: (P, H) the gradient of a from the output layer; the gradients from later positions are
            added in place.
        caches: from `rnn_forward`.
        batch: the batch of the forward pass.
        parameters: the weights.
        cell: the cell of the weights.

    Returns:
        dzx and dzh, (P, gH) each: the gradients at Wax x + ba and at Waa a + bh.
    """
    dstates = (da, *(np.zeros_like(da) for _ in range(cell.parts - 1)))  # (P, H) each
    dzx, dzh, slices = [], [], batch.slices
    for t in reversed(range(len(slices))):
        dstate = tuple(part[slices[t]] for part in dstates)  # (n, H) each
        dzx_t, dzh_t, dstate_before = cell.backward(dstate, caches[t], parameters)
        dzx.append(dzx_t)
        dzh.append(dzh_t)
        if t:
            first = slices[t - 1].start
            for part, gradient in zip(dstates, dstate_before, strict=True):
                part[first : first + len(gradient)] += gradient
    return np.concatenate(dzx[::-1]), np.concatenate(dzh[::-1])  # (P, gH) each
