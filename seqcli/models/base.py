"""The interface of every model.

Shapes use one alphabet: B batch, S source length, T target length, V vocabulary, E embedding,
H hidden, N heads, K beam.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seqcli.arrays.state import DecoderState


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

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        """Encode the source (B, S); return the state before the first target token."""
        raise TypeError(f"{type(self).__name__} has no start")

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Read one token of each hypothesis (B * K,).

        Returns:
            logits (B * K, V) for the next token, and the new state.
        """
        raise TypeError(f"{type(self).__name__} has no step")

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.parameters()).device


def copy_to(values: Tensor, device: torch.device) -> Tensor:
    """Copy CPU values to the device.

    With CUDA they are copied from pinned memory, which does not wait for steps that still run.
    """
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
