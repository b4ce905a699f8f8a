"""Recurrent cells: the loop over a cell is the reference, and how a new cell runs."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.models.attention import AdditiveAttention
from seqcli.models.build import build
from seqcli.models.cells import Cell, CellState, GRUCell, LSTMCell, NormalizedCell, RNNCell
from seqcli.models.decoders import BahdanauDecoder
from seqcli.models.rnn import CellRNN, make_rnn


def looped_like(cell: Cell, layers: int, both: bool) -> tuple[CellRNN, torch.nn.Module]:
    """Return a looped and a PyTorch layer with the same weights."""
    torch.manual_seed(3)
    fused = make_rnn(cell, 5, 4, layers, 0.0, both)
    looped = CellRNN(cell, 5, 4, layers, 0.0, both)
    names = [f"l{n}{side}" for n in range(layers) for side in ("", "_reverse")[: 1 + both]]
    for i, run in enumerate(names):
        for name, part in (("ih", looped.inputs[i]), ("hh", looped.recurrent[i])):
            part.weight.data = getattr(fused.layer, f"weight_{name}_{run}").data
            part.bias.data = getattr(fused.layer, f"bias_{name}_{run}").data
    return looped, fused


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    "cell", [RNNCell(), RNNCell("relu"), GRUCell(), LSTMCell()], ids=["rnn", "relu", "gru", "lstm"]
)
def test_the_loop_and_the_torch_layer_agree(cell: Cell, layers: int, both: bool) -> None:
    looped, fused = looped_like(cell, layers, both)
    inputs, lengths = torch.randn(3, 6, 5), torch.tensor([6, 2, 4])
    for given in (None, lengths):
        ours, our_state = looped(inputs, given)
        theirs, their_state = fused(inputs, given)
        torch.testing.assert_close(ours, theirs)
        for mine, other in zip(our_state, their_state, strict=True):
            torch.testing.assert_close(mine, other)


class MinimalGate(Cell):
    """The minimal gated unit (Zhou et al. 2016), to prove that a cell is one definition."""

    gates: ClassVar[int] = 2

    def combine(self, inputs: Tensor, recurrent: Tensor, state: CellState) -> CellState:
        (hidden,) = state
        size = hidden.shape[1]
        forget = torch.sigmoid(inputs[:, :size] + recurrent[:, :size])
        new = torch.tanh(inputs[:, size:] + forget * recurrent[:, size:])
        return (torch.lerp(hidden, new, forget),)


@pytest.mark.parametrize("attention", ["none", "additive", "general"])
def test_a_new_cell_is_one_definition_and_one_line(
    attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.CELLS, "minimal", f"{__name__}:MinimalGate")  # type: ignore[arg-type]
    config = ModelConfig(cell="minimal", attention=attention, hidden=6, embedding=4, layers=2)
    model = build(config, 9, 9, 9)
    source, lengths = torch.randint(4, 9, (2, 5)), torch.tensor([5, 3])
    assert model(source, lengths, torch.randint(4, 9, (2, 4))).shape == (2, 4, 9)
    logits, _ = model.step(torch.tensor([1, 1]), model.start(source, lengths))
    assert logits.shape == (2, 9)


def test_bahdanau_decoder_is_the_textbook_one() -> None:
    """Against the formulas, one row and one step at a time, with nothing projected ahead."""
    torch.manual_seed(0)
    hidden, context, embedding = 4, 8, 3
    attention = AdditiveAttention(hidden, 2)
    config = ModelConfig(hidden=hidden, embedding=embedding, dropout=0.0)
    decoder = BahdanauDecoder(config, 9, GRUCell(), attention).eval()
    memory, tokens, state = (
        torch.randn(2, 5, context),
        torch.randint(4, 9, (2, 3)),
        torch.randn(2, hidden),
    )
    prepared = decoder.prepare(memory, None, memory[:, 0])
    logits, _, _, weights = decoder(tokens, prepared, (state[None],))
    cell = torch.nn.GRUCell(embedding + context, hidden)
    cell.weight_ih.data = torch.cat(
        [decoder.from_input.weight, decoder.from_context.weight], 1
    ).data
    cell.weight_hh.data = decoder.from_state.weight.data
    cell.bias_ih.data, cell.bias_hh.data = (
        decoder.from_input.bias.data,
        decoder.from_state.bias.data,
    )
    for row in range(2):
        now = state[row]
        for t in range(3):
            scores = [
                attention.energy(torch.tanh(attention.query(now) + attention.key(memory[row, s])))
                for s in range(5)
            ]
            alpha = torch.softmax(torch.cat(scores), 0)
            seen = sum(alpha[s] * memory[row, s] for s in range(5))
            word = decoder.embedding(tokens[row, t])
            now = cell(torch.cat([word, seen])[None], now[None])[0]
            expected = decoder.output(torch.cat([now, seen, word]))
            torch.testing.assert_close(logits[row, t], expected, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(weights[row, t], alpha, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cell", [RNNCell(), GRUCell(), LSTMCell()], ids=["rnn", "gru", "lstm"])
def test_a_normalized_cell_ignores_scale_and_shift_of_its_products(cell: Cell) -> None:
    torch.manual_seed(0)
    size = cell.gates * 4
    inputs, recurrent = torch.randn(2, 3, size).double().unbind()
    state = tuple(torch.randn(3, 4).double() for _ in range(cell.states))
    normalized = NormalizedCell(cell, 4).double()
    expected = normalized.combine(inputs, recurrent, state)
    scaled = normalized.combine(7 * inputs + 2, 0.5 * recurrent - 1, state)
    for one, other in zip(scaled, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    layers = [torch.nn.functional.layer_norm(part, (size,)) for part in (inputs, recurrent)]
    for one, other in zip(expected, cell.combine(*layers, state), strict=True):
        torch.testing.assert_close(one, other)
