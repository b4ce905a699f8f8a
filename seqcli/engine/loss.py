"""Cross-entropy in nats per target symbol, the end symbol counted, padding not."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from seqcli.data.vocabulary import PAD
from seqcli.engine.precision import at_least_float32


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
    """Sum the loss of logits (B, T, V) against targets (B, T) over all symbols but padding.

    Returns:
        the sum to minimise, with label smoothing (Szegedy et al. 2016, arXiv:1512.00567), and
        the plain sum to report, without it.
    """
    flat = at_least_float32(logits.flatten(0, 1))  # (B * T, V)
    wanted = targets.flatten()  # (B * T,)
    plain = F.cross_entropy(flat, wanted, ignore_index=PAD, reduction="sum")
    if smoothing == 0:
        return plain, plain.detach()
    smoothed = F.cross_entropy(
        flat, wanted, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    return smoothed, plain.detach()
