"""Dropout: its share, its mean, and the operations that have it inside."""

from __future__ import annotations

import pytest
import torch

from seqcli.models.dropout import Dropout


@pytest.mark.parametrize("share", [0.001, 0.2, 0.25, 0.5, 0.999])
def test_dropout_drops_its_share_and_keeps_the_mean(share: float) -> None:
    torch.manual_seed(0)
    drop = Dropout(share)
    out = torch.stack([drop(torch.ones(5003)) for _ in range(300)])
    assert abs(float((out == 0).float().mean()) - share) < 0.002
    assert abs(float(out.mean()) - 1) < 0.05 / (1 - share) ** 0.5
    columns = (out == 0).float().mean(0)  # no lane of the 64-bit draws is special
    assert float(columns.std()) < 0.035
    assert torch.equal(drop.eval()(torch.ones(3)), torch.ones(3))


def test_the_same_seed_drops_the_same() -> None:
    drop, ones = Dropout(0.3), torch.ones(100)
    torch.manual_seed(5)
    first = drop(ones)
    second = drop(ones)
    torch.manual_seed(5)
    assert torch.equal(drop(ones), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_dropout_with_its_neighbours_is_dropout_beside_them(share: float, training: bool) -> None:
    drop = Dropout(share).train(training)
    base = torch.randn(20, 30, dtype=torch.float64, requires_grad=True)
    inner = torch.randn(20, 30, dtype=torch.float64, requires_grad=True)
    pairs = [
        (lambda: drop.added(base, inner), lambda: base + drop(inner)),
        (lambda: drop.relu(inner * 2), lambda: drop(torch.relu(inner * 2))),
    ]
    for together, apart in pairs:
        found = []
        for run in (together, apart):
            torch.manual_seed(7)
            out = run()
            grads = torch.autograd.grad(out.square().sum(), [base, inner], allow_unused=True)
            found.append([out, *(grad for grad in grads if grad is not None)])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs)
