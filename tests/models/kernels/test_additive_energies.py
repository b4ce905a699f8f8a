"""Energies of additive attention: the kernel against the formula."""

from __future__ import annotations

import torch

from seqcli.models import kernels
from seqcli.models.kernels.additive_energies import additive_energies, additive_energies_reference


def test_the_kernel_computes_the_formula_and_runs_without_gradients() -> None:
    torch.manual_seed(0)
    queries, keys, energy = torch.randn(3, 2, 8), torch.randn(3, 5, 8), torch.randn(8)
    expected = additive_energies_reference(queries, keys, energy)
    with torch.no_grad():
        fast = additive_energies(queries, keys, energy)
        with kernels.using("reference"):
            plain = additive_energies(queries, keys, energy)
    torch.testing.assert_close(fast, expected, atol=2e-6, rtol=1e-5)
    assert torch.equal(plain, expected)
    assert not torch.equal(fast, plain)  # other rounding: the kernel ran
