"""Batches as tensors on a device, and the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from seqcli.data.batches import Batch
from seqcli.data.vocabulary import PAD


@dataclass(frozen=True)
class TensorBatch:
    """A batch on the device.

    Args:
        source: (B, S) token ids.
        source_lengths: (B,), on the CPU, where packing needs them.
        target_in, target_out: (B, T) token ids.
        weights: (B,) the weights of the rows in the loss, or None if all are 1.
    """

    source: Tensor
    source_lengths: Tensor
    target_in: Tensor
    target_out: Tensor
    weights: Tensor | None = None


def to_device(batch: Batch, device: torch.device) -> TensorBatch:
    """Copy a batch to the device; missing sources become (B, 0)."""

    def copy(array: NDArray[Any]) -> Tensor:
        return copy_to(torch.from_numpy(array), device)

    source = np.zeros((len(batch.rows), 0), np.int64) if batch.source is None else batch.source
    return TensorBatch(
        copy(source),
        torch.from_numpy(batch.source_lengths),
        copy(batch.target_in),
        copy(batch.target_out),
        None if batch.weights is None else copy(batch.weights),
    )


def copy_to(values: Tensor, device: torch.device) -> Tensor:
    """Copy CPU values to the device.

    With CUDA they are copied from pinned memory, which does not wait for steps that still run.
    """
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def at_least_float32(logits: Tensor) -> Tensor:
    """Convert half precision, which is too coarse for a softmax, to float32."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy, summed over all tokens except padding.

    Args:
        logits: (B, T, V).
        targets: (B, T) token ids.
        smoothing: label smoothing (Szegedy et al. 2016, arXiv:1512.00567): the share of the
            target that is spread over all tokens.
        weights: (B,) the weights of the rows in the objective, or None if all are 1.

    Returns:
        the objective, with label smoothing and weights, and the sum in nats, without them.
    """
    flat = at_least_float32(logits.flatten(0, 1))  # (B * T, V)
    flat_targets = targets.flatten()  # (B * T,)
    nats = F.cross_entropy(flat, flat_targets, ignore_index=PAD, reduction="sum")
    if weights is not None:
        each = F.cross_entropy(
            flat, flat_targets, ignore_index=PAD, reduction="none", label_smoothing=smoothing
        )
        return (each.view_as(targets).sum(1) * weights).sum(), nats.detach()
    if smoothing == 0:
        return nats, nats.detach()
    smoothed = F.cross_entropy(
        flat, flat_targets, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    return smoothed, nats.detach()
