"""Symbols that are embedded and projected once, however often they stand in a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from seqcli.models.cells import Cell, GRUCell, LSTMCell, RNNCell
from seqcli.models.embedding import Embedding, Symbols
from seqcli.models.stacks import make_stack

CELLS = [RNNCell(), RNNCell("relu"), GRUCell(), LSTMCell()]
TOKENS = torch.tensor([[3, 3, 7, 1], [7, 3, 1, 1]])


def test_symbols_are_what_an_embedding_gives() -> None:
    embedding = Embedding(9, 5, 0.0)
    symbols = embedding.symbols(TOKENS)
    assert len(symbols.table) == 3
    torch.testing.assert_close(symbols.vectors(), embedding(TOKENS))


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[:, :1]], ids=["fewer", "as many"])
def test_a_projection_is_that_of_each_place(tokens: Tensor) -> None:
    symbols, layer = Embedding(9, 5, 0.0).symbols(tokens), torch.nn.Linear(5, 4)
    torch.testing.assert_close(
        symbols.projected(layer.weight, layer.bias), layer(symbols.vectors())
    )


def test_what_is_dropped_of_a_symbol_is_dropped_at_all_its_places() -> None:
    torch.manual_seed(0)
    embedding = Embedding(9, 400, 0.25)
    vectors = embedding.symbols(TOKENS).vectors()  # (2, 4, 400)
    dropped = vectors == 0
    assert torch.equal(dropped[0, 0], dropped[1, 1])
    assert not torch.equal(dropped[0, 0], dropped[0, 2])
    assert abs(float(dropped.float().mean()) - 0.25) < 0.05
    torch.testing.assert_close(vectors[~dropped], embedding(TOKENS)[~dropped] / 0.75)
    torch.testing.assert_close(embedding.eval().symbols(TOKENS).vectors(), embedding(TOKENS))


@pytest.mark.parametrize("begun", [False, True], ids=["zeros", "begun"])
@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 8, 5])], ids=["even", "ragged"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=["rnn", "relu", "gru", "lstm"])
def test_a_stack_reads_few_symbols_as_it_reads_their_vectors(
    cell: Cell, both: bool, layers: int, lengths: Tensor | None, begun: bool
) -> None:
    torch.manual_seed(1)
    stack = make_stack(cell, 6, 4, layers, 0.0, both).double()
    table = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    places = torch.randint(0, 2, (3, 8))
    runs = layers * (2 if both else 1)
    zeros = torch.zeros(runs, 3, 4, dtype=torch.float64)
    state = tuple(torch.randn_like(zeros) for _ in range(cell.states)) if begun else None

    def seen(outputs: Tensor, after: tuple[Tensor, ...]) -> list[Tensor]:
        total = outputs.square().sum() + sum(part.square().sum() for part in after)
        return [outputs, *after, *torch.autograd.grad(total, [table, *stack.parameters()])]

    folded = seen(*stack.read(Symbols(places, table), lengths, state))
    plain = seen(*stack(F.embedding(places, table), lengths, state))
    for ours, theirs in zip(folded, plain, strict=True):
        torch.testing.assert_close(ours, theirs)
