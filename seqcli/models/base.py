"""The interface of every model, and the state it decodes with.

Shapes use one alphabet: B batch, S source length, T target length, V vocabulary, E embedding,
H hidden, N heads, K beam.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class State:
    """The state of decoding. Every tensor has the batch first.

    Each of B sources has K hypotheses, stored next to each other: the memory has B rows, the past
    B * K.

    Args:
        memory: what was computed from the source; shared by all hypotheses of one source.
        past: what was computed from the target so far; changes with every step.
        position: target tokens read so far.
        attention: (B * K, S) attention weights of the last step, if the model has any.
        beams: K.
    """

    memory: tuple[Tensor, ...]
    past: tuple[Tensor, ...]
    position: int = 0
    attention: Tensor | None = None
    beams: int = 1

    def select(self, index: Tensor) -> State:
        """Return the state of the sources at ``index`` (B',), each with its K hypotheses."""
        offsets = torch.arange(self.beams, device=index.device)  # (K,)
        rows = (index[:, None] * self.beams + offsets).flatten()  # (B' * K,)
        memory = tuple(part.index_select(0, index) for part in self.memory)
        return replace(self.reorder(rows, self.beams), memory=memory)

    def reorder(self, index: Tensor, beams: int) -> State:
        """Return the state with the hypotheses at ``index`` (B * K'), K' = ``beams`` per source.

        A hypothesis stays with its source, so the memory does not change.
        """
        past = tuple(part.index_select(0, index) for part in self.past)
        return replace(self, past=past, beams=beams)


class Model(nn.Module):
    """A model scores a target given a source: all at once, or one token at a time."""

    def forward(self, source: Tensor, source_lengths: Tensor, target_in: Tensor) -> Tensor:
        """Score every next token under teacher forcing.

        Args:
            source: (B, S) token ids, padded at the end; (B, 0) for a language model.
            source_lengths: (B,), on the CPU.
            target_in: (B, T) token ids, BOS first.

        Returns:
            logits (B, T, V).
        """
        raise TypeError(f"{type(self).__name__} has no forward")

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """Encode the source (B, S); return the state before the first target token."""
        raise TypeError(f"{type(self).__name__} has no start")

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one token of each hypothesis (B * K,).

        Returns:
            logits (B * K, V) for the next token, and the new state.
        """
        raise TypeError(f"{type(self).__name__} has no step")

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device
