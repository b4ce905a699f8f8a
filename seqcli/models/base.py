"""The interface of every model, and the PyTorch backend that decodes and scores with it.

`seqcli.models` explains the letters of the shapes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.arrays.ensemble import Ensemble
from seqcli.arrays.state import DecoderState
from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD


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


@dataclass(frozen=True)
class TorchBackend:
    """A model or an ensemble on its device, in evaluation mode."""

    model: Model | Ensemble

    def with_model(self, model: Ensemble) -> TorchBackend:
        """Return the backend of an ensemble on the same device."""
        return TorchBackend(model)

    def array(self, values: NDArray[Any]) -> Tensor:
        """Return values as a tensor on the model's device."""
        return copy_to(torch.from_numpy(values), self.model.device)

    def sources(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the sources (B, S), (B, 0) for a language model, and their lengths (B,).

        The lengths stay on the CPU, where packing needs them.
        """
        source = batch.source
        if source is None:
            source = np.zeros((len(batch.rows), 0), np.int64)
        return self.array(source), torch.from_numpy(batch.source_lengths)

    def nats(self, batch: Batch) -> NDArray[np.float64]:
        """Return (B,) the negative log-likelihood of each target, EOS included."""
        logits = self.model(*self.sources(batch), self.array(batch.target_in))  # (B, T, V)
        if logits.dtype in (torch.bfloat16, torch.float16):  # too coarse for a softmax
            logits = logits.float()
        targets = self.array(batch.target_out)  # (B, T)
        flat = logits.flatten(0, 1), targets.flatten()  # (B * T, V), (B * T,)
        nats = F.cross_entropy(*flat, ignore_index=PAD, reduction="none").view_as(targets)  # (B, T)
        sums: NDArray[np.float64] = nats.sum(1).cpu().double().numpy()  # (B,)
        return sums

    def inference(self) -> AbstractContextManager[object]:
        """Return a context that disables gradients."""
        return torch.inference_mode()
