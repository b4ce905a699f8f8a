"""The PyTorch backend of decoding and scoring; see `seqcli.decoding.inference.Backend`."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.arrays.ensemble import Ensemble
from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD
from seqcli.models.base import Model, copy_to


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
