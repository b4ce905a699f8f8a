"""Recurrent layers over embedded tokens: every shortcut against the reference."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor

from seqcli.models import kernels
from seqcli.models.cells import Cell, GRUCell, LSTMCell, RNNCell
from seqcli.models.embedding import EmbeddedTokens
from seqcli.models.kernels import rnn_layer as kernel
from seqcli.models.rnn import TorchRNN, make_rnn

CELLS = [RNNCell(), RNNCell("relu"), GRUCell(), LSTMCell()]
IDS = ["rnn", "relu", "gru", "lstm"]


def read(rnn: TorchRNN, tokens: EmbeddedTokens, lengths: Tensor | None) -> list[Tensor]:
    """Return outputs, last state, and the gradients of the table and all weights."""
    outputs, last = rnn.run_embedded(tokens, lengths)
    total = outputs.square().sum() + sum(part.square().sum() for part in last)
    return [outputs, *last, *torch.autograd.grad(total, [tokens.table, *rnn.parameters()])]


def layer(cell: Cell, layers: int, both: bool) -> tuple[TorchRNN, EmbeddedTokens]:
    """Return a layer of 4 units and 3 rows of 8 tokens, 2 of them distinct."""
    torch.manual_seed(1)
    rnn = make_rnn(cell, 6, 4, layers, 0.0, both).double()
    assert isinstance(rnn, TorchRNN)
    table = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    return rnn, EmbeddedTokens(torch.randint(0, 2, (3, 8)), table)


@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 8, 5])], ids=["even", "ragged"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=IDS)
def test_shortcuts_agree_with_the_reference(
    cell: Cell, both: bool, layers: int, lengths: Tensor | None
) -> None:
    rnn, tokens = layer(cell, layers, both)
    by_hand = layers == 1 and not isinstance(cell, LSTMCell)
    name = "both_directions" if by_hand else "one_hot_layer"
    with mock.patch.object(kernel, name, wraps=getattr(kernel, name)) as ran:
        fast = read(rnn, tokens, lengths)
        assert ran.call_count == 1
        with kernels.using("reference"):
            plain = read(rnn, tokens, lengths)
        assert ran.call_count == 1
    for ours, theirs in zip(fast, plain, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_many_distinct_tokens_are_looked_up() -> None:
    rnn, _ = layer(LSTMCell(), 1, True)
    table = torch.randn(24, 6, dtype=torch.float64, requires_grad=True)
    tokens = EmbeddedTokens(torch.arange(24).view(3, 8), table)
    with mock.patch.object(kernel, "one_hot_layer", side_effect=AssertionError):
        read(rnn, tokens, None)
