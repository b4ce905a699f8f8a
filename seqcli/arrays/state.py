"""Represent the state of decoding, for arrays of any library.

Shapes use one alphabet: B batch (sources), S source length, K beam, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from seqcli.arrays.functions import Array, array_namespace


@dataclass(frozen=True)
class DecoderState:
    """The state of decoding. Every array has the batch first.

    Each of B sources has K hypotheses, stored next to each other: the memory has B rows, the past
    B * K.

    Args:
        memory: arrays computed from the source, shared by all hypotheses of one source.
        past: arrays computed from the target so far, updated at every step.
        position: number of target tokens processed so far.
        attention: (B * K, S) attention weights of the last step, or None.
        beams: K.
    """

    memory: tuple[Array, ...]
    past: tuple[Array, ...]
    position: int = 0
    attention: Array | None = None
    beams: int = 1

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All arrays that a step reads."""
        return (*self.past, *self.memory)

    def select(self, index: Array) -> DecoderState:
        """Return the state of the sources at ``index`` (B',), each with its K hypotheses."""
        xp = array_namespace(index)
        rows = index  # (B' * K,)
        if self.beams > 1:
            offsets = xp.arange(self.beams, dtype=index.dtype, device=index.device)  # (K,)
            rows = xp.reshape(index[:, None] * self.beams + offsets, (-1,))  # (B' * K,)
        memory = tuple(xp.take(part, index, axis=0) for part in self.memory)
        return replace(self.reorder(rows, self.beams), memory=memory)

    def reorder(self, index: Array, beams: int) -> DecoderState:
        """Return the state with the hypotheses at ``index`` (B * K'), K' = ``beams`` per source.

        A hypothesis stays with its source, so the memory does not change.
        """
        xp = array_namespace(index)
        past = tuple(xp.take(part, index, axis=0) for part in self.past)
        return replace(self, past=past, beams=beams)
