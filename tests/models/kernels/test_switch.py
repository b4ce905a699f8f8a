"""The switch between kernels and plain autograd code."""

from __future__ import annotations

import pytest
import torch

from seqcli.errors import UsageError
from seqcli.models import kernels


def test_reference_switches_every_kernel_off_and_is_undone() -> None:
    assert kernels.enabled(torch.zeros(1))
    with kernels.using("reference"):
        assert not kernels.enabled(torch.zeros(1))
    assert kernels.enabled(torch.zeros(1))


def test_kernels_run_on_the_cpu_only() -> None:
    assert not kernels.enabled(torch.zeros(1, device="meta"))


def test_backward_kernels_need_gradients_and_no_autocast() -> None:
    assert kernels.trains(torch.zeros(1))
    with torch.no_grad():
        assert not kernels.trains(torch.zeros(1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not kernels.trains(torch.zeros(1))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="no kernels are called 'fast'"):
        kernels.use("fast")
