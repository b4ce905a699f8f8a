"""Hand-written steps of the cells against the cells' own equations."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor

from seqcli.models import kernels
from seqcli.models.cells import Cell, GRUCell, LSTMCell, RNNCell
from seqcli.models.kernels.cell_step import combine, combine_reference, step_of

CELLS = [RNNCell(), RNNCell("relu"), GRUCell(), LSTMCell()]
IDS = ["rnn", "relu", "gru", "lstm"]


def values(cell: Cell) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """Return inputs, recurrent products and a state for 3 rows and 5 units."""
    torch.manual_seed(0)
    wide = [torch.randn(3, cell.gates * 5, dtype=torch.float64) for _ in range(2)]
    state = tuple(torch.randn(3, 5, dtype=torch.float64) for _ in range(cell.states))
    return wide[0].requires_grad_(), wide[1].requires_grad_(), state


@pytest.mark.parametrize("cell", CELLS, ids=IDS)
def test_a_step_is_the_cells_equations(cell: Cell) -> None:
    inputs, recurrent, state = values(cell)
    step = step_of(cell)
    assert step is not None
    ours, _ = step.forward(inputs, recurrent, state)
    for mine, other in zip(ours, cell.combine(inputs, recurrent, state), strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("cell", CELLS, ids=IDS)
def test_a_step_backward_is_that_of_autograd(cell: Cell) -> None:
    inputs, recurrent, state = values(cell)
    state = tuple(part.requires_grad_() for part in state)
    after = cell.combine(inputs, recurrent, state)
    grads = tuple(torch.randn_like(part) for part in after)
    total = sum((part * grad).sum() for part, grad in zip(after, grads, strict=True))
    expected = torch.autograd.grad(total, [inputs, recurrent, *state], allow_unused=True)
    step = step_of(cell)
    assert step is not None
    with torch.no_grad():
        _, cache = step.forward(inputs, recurrent, state)
        grad_inputs, grad_recurrent = torch.empty_like(inputs), torch.empty_like(recurrent)
        before = step.backward(grads, cache, grad_inputs, grad_recurrent)
    for mine, other in zip((grad_inputs, grad_recurrent, *before), expected, strict=True):
        torch.testing.assert_close(mine, torch.zeros_like(mine) if other is None else other)


@pytest.mark.parametrize("cell", CELLS, ids=IDS)
def test_the_step_runs_where_no_gradient_is_needed(cell: Cell) -> None:
    inputs, recurrent, state = values(cell)
    with torch.no_grad(), mock.patch.object(type(cell), "combine", side_effect=AssertionError):
        fast = combine(cell, inputs, recurrent, state)
        with kernels.using("reference"), pytest.raises(AssertionError):
            combine(cell, inputs, recurrent, state)
    plain = combine_reference(cell, inputs, recurrent, state)
    for mine, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(mine, other)


def test_a_subclass_with_equations_of_its_own_has_no_step() -> None:
    class Slower(GRUCell):
        """A GRU with other equations."""

    assert step_of(Slower()) is None
