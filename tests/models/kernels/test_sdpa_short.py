"""Attention over short sequences, against PyTorch's own and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.models.kernels import sdpa_short
from seqcli.models.kernels.sdpa_short import attend, attend_short

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], dtype=torch.bool)[:, None, None]


def tensors(steps: int, places: int) -> list[Tensor]:
    """Return queries, keys and values of 2 rows and 3 heads of 4."""
    torch.manual_seed(0)
    sizes = (steps, places, places)
    return [
        torch.randn(2, 3, size, 4, dtype=torch.float64, requires_grad=True) * 3 for size in sizes
    ]


@pytest.mark.parametrize(
    ("steps", "mask", "causal"),
    [(5, None, False), (5, None, True), (4, MASK, False), (4, None, False)],
    ids=["itself", "causal", "padded", "another"],
)
def test_it_is_what_the_fused_kernel_computes(
    steps: int, mask: Tensor | None, causal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tensors(steps, 5)
    weights = torch.randn(2, 3, steps, 4, dtype=torch.float64)

    def seen(out: Tensor) -> list[Tensor]:
        return [out, *torch.autograd.grad((out * weights).sum(), parts)]

    monkeypatch.setattr(sdpa_short, "MIN_ELEMENTS", 0)
    ours = seen(attend(*parts, mask, causal))
    monkeypatch.setattr(F, "scaled_dot_product_attention", None)
    again = seen(attend(*parts, mask, causal))  # so it was not the kernel
    monkeypatch.undo()
    theirs = seen(F.scaled_dot_product_attention(*parts, mask, is_causal=causal))
    for mine, same, other in zip(ours, again, theirs, strict=True):
        torch.testing.assert_close(mine, other)
        assert torch.equal(mine, same)


def test_gradients_pass_the_check_by_finite_differences() -> None:
    parts = [part.detach().requires_grad_() for part in tensors(3, 3)]
    bias = torch.full((1, 3, 3), -torch.inf, dtype=torch.float64).triu(1)
    assert torch.autograd.gradcheck(lambda *parts: attend_short(*parts, bias), parts)


def test_large_scores_do_not_overflow() -> None:
    parts = [part * 1000 for part in tensors(4, 4)]
    assert attend_short(*parts, None).isfinite().all()
