"""From the corpus's NumPy batches to tensors on the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD
from seqcli.training.torch_device import at_least_float32


@dataclass(frozen=True)
class TensorBatch:
    """A batch on the device; lengths stay on the CPU, where packing wants them."""

    source: Tensor  # (B, S)
    source_lengths: Tensor  # (B,)
    target_in: Tensor  # (B, T)
    target_out: Tensor  # (B, T)
    tokens: int  # target symbols that count, the end symbols among them
    weights: Tensor | None = None  # (B,) of the rows in the loss


def to_device(batch: Batch, device: torch.device) -> TensorBatch:
    """Copy a batch to the device; without sources they become (B, 0)."""
    none = torch.zeros(len(batch.rows), 0, dtype=torch.int64)
    source = none if batch.source is None else torch.from_numpy(batch.source)
    return TensorBatch(
        source.to(device),
        torch.from_numpy(batch.source_lengths),
        torch.from_numpy(batch.target_in).to(device),
        torch.from_numpy(batch.target_out).to(device),
        int(batch.target_lengths.sum()),
        None if batch.weights is None else torch.from_numpy(batch.weights).to(device),
    )


def cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sum the loss of logits (B, T, V) against targets (B, T) over all symbols but padding.

    Args:
        logits, targets: as said.
        smoothing: share of the target spread over all symbols.
        weights: (B,) how much each row counts in the sum to minimize; None where all are alike.

    Returns:
        the sum to minimize, with label smoothing (Szegedy et al. 2016, arXiv:1512.00567) and
        weights, and the plain sum to report, without them.
    """
    flat = at_least_float32(logits.flatten(0, 1))  # (B * T, V)
    wanted = targets.flatten()  # (B * T,)
    plain = F.cross_entropy(flat, wanted, ignore_index=PAD, reduction="sum")
    if weights is not None:
        each = F.cross_entropy(
            flat, wanted, ignore_index=PAD, reduction="none", label_smoothing=smoothing
        )
        return (each.view_as(targets).sum(1) * weights).sum(), plain.detach()
    if smoothing == 0:
        return plain, plain.detach()
    smoothed = F.cross_entropy(
        flat, wanted, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    return smoothed, plain.detach()
