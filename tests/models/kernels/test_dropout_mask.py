"""Dropout masks: which generator draws them, and that both have the right distribution."""

from __future__ import annotations

from unittest import mock

import pytest
import torch

from seqcli.models import kernels
from seqcli.models.kernels import dropout_mask as kernel
from seqcli.models.kernels.dropout_mask import dropout_scales, dropped_relu


@pytest.mark.parametrize("mode", kernels.MODES)
@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_scales_drop_their_share_and_keep_the_mean(p: float, mode: str) -> None:
    torch.manual_seed(0)
    with kernels.using(mode):
        scales = dropout_scales(torch.zeros(200, 1000), p)
    assert set(scales.unique().tolist()) == {0.0, torch.tensor(1 / (1 - p)).item()}
    assert abs(float((scales == 0).float().mean()) - p) < 0.005


def test_the_mode_chooses_the_generator() -> None:
    with mock.patch.object(kernel, "_draw", wraps=kernel._draw) as draw:
        dropout_scales(torch.zeros(3), 0.5)
        assert draw.call_count == 1
        with kernels.using("reference"):
            dropout_scales(torch.zeros(3), 0.5)
        assert draw.call_count == 1


@pytest.mark.parametrize("mode", kernels.MODES)
def test_dropped_relu_is_relu_then_dropout(mode: str) -> None:
    inputs = torch.randn(20, 30, dtype=torch.float64, requires_grad=True)
    with kernels.using(mode):
        torch.manual_seed(7)
        together = dropped_relu(inputs * 2, 0.4)
        torch.manual_seed(7)
        apart = torch.relu(inputs * 2) * dropout_scales(inputs, 0.4)
    torch.testing.assert_close(together, apart)
    grads = [torch.autograd.grad(out.square().sum(), inputs)[0] for out in (together, apart)]
    torch.testing.assert_close(*grads)
