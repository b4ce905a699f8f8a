"""The tied output layer. Dropout: its share, its mean, and the operations that have it inside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqcli.models.cells import Cell, GRUCell, LSTMCell, RNNCell
from seqcli.models.embedding import Dropout, EmbeddedTokens, Embedding, EndMarks, TiedLinear
from seqcli.models.rnn import make_rnn


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
def test_dropout_with_its_neighbors_is_dropout_beside_them(share: float, training: bool) -> None:
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


CELLS = [RNNCell(), RNNCell("relu"), GRUCell(), LSTMCell()]
TOKENS = torch.tensor([[3, 3, 7, 1], [7, 3, 1, 1]])


def test_symbols_are_what_an_embedding_gives() -> None:
    embedding = Embedding(9, 5, 0.0)
    tokens = embedding.embed(TOKENS)
    assert len(tokens.table) == 3
    torch.testing.assert_close(tokens.vectors(), embedding(TOKENS))


@pytest.mark.parametrize("tokens", [TOKENS, TOKENS[:, :1]], ids=["fewer", "as many"])
def test_a_projection_is_that_of_each_position(tokens: Tensor) -> None:
    embedded, layer = Embedding(9, 5, 0.0).embed(tokens), torch.nn.Linear(5, 4)
    projected = embedded.projected(layer.weight, layer.bias)
    torch.testing.assert_close(projected, layer(embedded.vectors()))


def test_type_dropout_drops_the_same_at_all_positions_of_a_token() -> None:
    torch.manual_seed(0)
    embedding = Embedding(9, 400, 0.25)
    vectors = embedding.embed(TOKENS).vectors()  # (2, 4, 400)
    dropped = vectors == 0
    assert torch.equal(dropped[0, 0], dropped[1, 1])
    assert not torch.equal(dropped[0, 0], dropped[0, 2])
    assert abs(float(dropped.float().mean()) - 0.25) < 0.05
    torch.testing.assert_close(vectors[~dropped], embedding(TOKENS)[~dropped] / 0.75)
    torch.testing.assert_close(embedding.eval().embed(TOKENS).vectors(), embedding(TOKENS))


def test_position_dropout_draws_for_every_position() -> None:
    torch.manual_seed(0)
    embedding = Embedding(9, 400, 0.25, "position")
    vectors = embedding.embed(TOKENS).vectors()  # (2, 4, 400)
    dropped = vectors == 0
    assert not torch.equal(dropped[0, 0], dropped[1, 1])
    assert abs(float(dropped.float().mean()) - 0.25) < 0.05
    torch.testing.assert_close(vectors[~dropped], embedding(TOKENS)[~dropped] / 0.75)
    torch.testing.assert_close(embedding.eval().embed(TOKENS).vectors(), embedding(TOKENS))


@pytest.mark.parametrize("begun", [False, True], ids=["zeros", "begun"])
@pytest.mark.parametrize("lengths", [None, torch.tensor([3, 8, 5])], ids=["even", "ragged"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", CELLS, ids=["rnn", "relu", "gru", "lstm"])
def test_a_stack_reads_few_symbols_as_it_reads_their_vectors(
    cell: Cell, both: bool, layers: int, lengths: Tensor | None, begun: bool
) -> None:
    torch.manual_seed(1)
    stack = make_rnn(cell, 6, 4, layers, 0.0, both).double()
    table = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    places = torch.randint(0, 2, (3, 8))
    runs = layers * (2 if both else 1)
    zeros = torch.zeros(runs, 3, 4, dtype=torch.float64)
    state = tuple(torch.randn_like(zeros) for _ in range(cell.states)) if begun else None

    def seen(outputs: Tensor, after: tuple[Tensor, ...]) -> list[Tensor]:
        total = outputs.square().sum() + sum(part.square().sum() for part in after)
        return [outputs, *after, *torch.autograd.grad(total, [table, *stack.parameters()])]

    folded = seen(*stack.run_embedded(EmbeddedTokens(places, table), lengths, state))
    plain = seen(*stack(F.embedding(places, table), lengths, state))
    for ours, theirs in zip(folded, plain, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("inputs", [4, 9])
def test_a_tied_output_layer_learns_with_the_embeddings(inputs: int) -> None:
    torch.manual_seed(0)
    embedding = nn.Embedding(11, 4)
    layer = TiedLinear(embedding, inputs, scale=0.5)
    vectors = torch.randn(2, 3, inputs)
    logits = layer(vectors)
    same = F.linear(vectors, layer.weight, layer.bias)
    torch.testing.assert_close(logits, same)
    assert sum(p.numel() for p in layer.parameters()) == 11 + (0 if inputs == 4 else 4 * inputs)
    logits[..., 5].sum().backward()
    assert embedding.weight.grad is not None
    assert embedding.weight.grad[5].abs().sum() > 0


def test_the_ends_of_every_source_are_marked() -> None:
    ends, x = EndMarks(4), torch.zeros(4, 3, 4)
    first, last = ends.marks.weight
    marked = ends(x, torch.tensor([3, 2, 1, 0]))
    expected = torch.zeros(4, 3, 4)
    expected[:, 0] += first
    for row, length in enumerate([3, 2, 1]):
        expected[row, length - 1] += last
    torch.testing.assert_close(marked, expected)
    assert ends(torch.zeros(2, 0, 4), torch.tensor([0, 0])).shape == (2, 0, 4)
