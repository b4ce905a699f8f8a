"""Scaled dot-product attention; over short sequences differentiated by hand.

PyTorch's fused kernel is made for long sequences: on the CPU it takes 1.5 ms for 64 rows of 11
symbols in 4 heads, there and back, and most of that is not arithmetic. Batched products take
three quarters of it on one thread and less than half on two, if the softmax between them is
written as sums: `torch.softmax` works row by row.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqcli.models.attending import learns_by_hand

LONGEST = 48  # symbols; beyond, the fused kernel is as fast and keeps no weights
LEAST = 1 << 15  # numbers in the query; below, the time goes into calling the operations


def attend(
    query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Attend with queries (B, N, T, D) to S positions.

    Args:
        query: as said.
        keys, values: (B, N, S, D).
        mask: (B, 1, 1, S), True where looking is allowed; never a row of nothing.
        causal: whether position t sees none after it; then S is T and there is no mask.

    Returns:
        (B, N, T, D).
    """
    if not _is_short(query, keys):
        return F.scaled_dot_product_attention(query, keys, values, mask, is_causal=causal)
    return attend_shortly(query, keys, values, _bias(query, mask, causal))


def _is_short(query: Tensor, keys: Tensor) -> bool:
    """Whether gradients are wanted of what is quicker written out."""
    if query.device.type != "cpu" or not learns_by_hand(query):
        return False
    return max(query.shape[2], keys.shape[2]) <= LONGEST and query.numel() >= LEAST


def _bias(query: Tensor, mask: Tensor | None, causal: bool) -> Tensor | None:
    """Return what a mask adds to the scores (B * N, T, S), broadcast."""
    size = query.shape[2]
    if causal:
        return query.new_full((1, size, size), -torch.inf).triu_(1)  # (1, T, T)
    if mask is None:
        return None
    bias = query.new_zeros(mask.shape).masked_fill_(~mask, -torch.inf)  # (B, 1, 1, S)
    return bias[:, 0].repeat_interleave(query.shape[1], dim=0)  # (B * N, 1, S)


def attend_shortly(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """Attend with batched products and a softmax written out.

    Args:
        query: (B, N, T, D).
        keys, values: (B, N, S, D).
        bias: added to the scores, broadcast to (B * N, T, S): 0 or -inf; never a row of -inf.

    Returns:
        (B, N, T, D)
    """
    return _ShortAttention.apply(query, keys, values, bias)  # type: ignore[no-any-return,no-untyped-call]


class _ShortAttention(torch.autograd.Function):
    """See `attend_shortly`."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None
    ) -> Tensor:
        """See `attend_shortly`."""
        shape, scale = query.shape, 1 / math.sqrt(query.shape[3])
        query, keys, values = (
            part.flatten(0, 1) for part in (query, keys, values)
        )  # (B * N, T, D)
        turned = keys.transpose(1, 2)  # (B * N, D, S)
        if bias is None:
            weights = torch.bmm(query, turned).mul_(scale)  # (B * N, T, S)
        else:
            weights = torch.baddbmm(bias, query, turned, alpha=scale)  # (B * N, T, S)
        weights.sub_(weights.amax(2, keepdim=True)).exp_()
        weights.div_(weights.sum(2, keepdim=True))
        ctx.save_for_backward(query, keys, values, weights)
        return torch.bmm(weights, values).view(shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Return the gradients of query, keys and values."""
        query, keys, values, weights = ctx.saved_tensors
        batch, heads, _, width = grad.shape
        grad = grad.flatten(0, 1)  # (B * N, T, D)
        to_values = torch.bmm(weights.transpose(1, 2), grad)  # (B * N, S, D)
        through = torch.bmm(grad, values.transpose(1, 2)).mul_(weights)  # (B * N, T, S)
        to_scores = through.addcmul_(weights, through.sum(2, keepdim=True), value=-1)
        to_scores.mul_(1 / math.sqrt(width))
        to_query = torch.bmm(to_scores, keys)  # (B * N, T, D)
        to_keys = torch.bmm(to_scores.transpose(1, 2), query)  # (B * N, S, D)
        parts = (to_query, to_keys, to_values)
        return *(part.view(batch, heads, *part.shape[1:]) for part in parts), None
