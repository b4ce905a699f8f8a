"""Greedy and beam search against searching by brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.config import DecodeConfig, ModelConfig
from seqcli.data.batches import padded_batch
from seqcli.data.corpus import MaxLengths, Pairs
from seqcli.data.vocabulary import BOS, EOS
from seqcli.engine.answering import answer
from seqcli.engine.beam_search import beam_search
from seqcli.engine.decoding import attention_weights, greedy, log_probabilities
from seqcli.engine.proof import proved_best
from seqcli.models.base import Model, State
from seqcli.models.build import build

SOURCE, LENGTHS = (
    torch.randint(4, 9, (6, 4), generator=torch.manual_seed(0)),
    torch.tensor([4, 4, 3, 2, 4, 1]),
)
SYMBOLS = (4, 5, 6)  # of the target


def model_of(seed: int, cell: str = "gru", scale: float = 3.0) -> Model:
    torch.manual_seed(seed)
    config = ModelConfig(cell=cell, hidden=8, embedding=4, heads=2, feedforward=8, dropout=0.0)
    model = build(config, 9, 4 + len(SYMBOLS), 20).eval()
    for weight in model.parameters():
        weight.data *= scale  # so that the order of answers is not a matter of luck
    return model


def score(model: Model, row: int, ids: tuple[int, ...]) -> float:
    """Return the log-probability of an answer with its end symbol."""
    length = LENGTHS[row : row + 1]
    target = torch.tensor([[BOS, *ids]])
    logits = model(SOURCE[row : row + 1, : int(length)], length, target)
    steps = log_probabilities(logits[0].detach().clone())
    return sum(float(steps[t, symbol]) for t, symbol in enumerate((*ids, EOS)))


def every_answer(limit: int) -> list[tuple[int, ...]]:
    return [ids for n in range(limit + 1) for ids in itertools.product(SYMBOLS, repeat=n)]


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("cell", ["gru", "lstm", "transformer"])
def test_a_wide_beam_finds_the_very_best_answers(cell: str, penalty: float) -> None:
    model, limit = model_of(1, cell), 3
    found = beam_search(model, SOURCE, LENGTHS, limit, 40, penalty, nbest=5)
    for row in range(3):
        ranked = sorted(
            (
                (score(model, row, ids) / (len(ids) + 1) ** penalty, ids)
                for ids in every_answer(limit)
            ),
            reverse=True,
        )
        assert [tuple(best.ids) for best in found[row]] == [ids for _, ids in ranked[:5]]
        for best, (expected, ids) in zip(found[row], ranked, strict=False):
            assert best.score == pytest.approx(expected, abs=1e-4)
            assert best.log_probability == pytest.approx(score(model, row, ids), abs=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_takes_the_likeliest_symbol_at_each_step(seed: int) -> None:
    model, limit = model_of(seed), 7
    for row, found in enumerate(greedy(model, SOURCE, LENGTHS, limit)):
        ids: list[int] = []
        length = LENGTHS[row : row + 1]
        while len(ids) < limit:
            logits = model(
                SOURCE[row : row + 1, : int(length)], length, torch.tensor([[BOS, *ids]])
            )
            symbol = int(log_probabilities(logits[:, -1].detach().clone()).argmax())
            if symbol == EOS:
                break
            ids.append(symbol)
        assert found.ids == ids
        assert found.log_probability == pytest.approx(score(model, row, tuple(ids)), abs=1e-4)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_each_source_is_searched_as_if_it_were_alone(width: int) -> None:
    model = model_of(2)
    together = beam_search(model, SOURCE, LENGTHS, 6, width, nbest=width)
    for row in range(len(SOURCE)):
        length = LENGTHS[row : row + 1]
        (alone,) = beam_search(
            model, SOURCE[row : row + 1, : int(length)], length, 6, width, nbest=width
        )
        assert [best.ids for best in alone] == [best.ids for best in together[row]]


@pytest.mark.parametrize("ends", [None, torch.tensor([3, 0, 2, 1, 4, 2])])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "transformer"])
def test_one_answer_alone_is_the_first_of_several(
    cell: str, penalty: float, ends: Tensor | None
) -> None:
    for seed in range(5):
        model = model_of(seed, cell)
        alone = beam_search(model, SOURCE, LENGTHS, 6, 3, penalty, 1, ends)
        several = beam_search(model, SOURCE, LENGTHS, 6, 3, penalty, 3, ends)
        for (best,), (first, *_) in zip(alone, several, strict=True):
            assert best.ids == first.ids
            assert best.log_probability == pytest.approx(first.log_probability, abs=1e-4)
            assert best.score == pytest.approx(first.score, abs=1e-4)


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("cell", ["gru", "transformer"])
def test_what_greedy_search_proves_is_the_very_best_answer(cell: str, penalty: float) -> None:
    proved = 0
    for seed in range(4):
        model = model_of(seed, cell, scale=8.0)
        found = proved_best(model, model.start(SOURCE, LENGTHS), len(SOURCE), 3, penalty)
        for row, best in enumerate(found):
            if best is None:
                continue
            proved += 1
            scores = {
                ids: score(model, row, ids) / (len(ids) + 1) ** penalty for ids in every_answer(3)
            }
            assert tuple(best.ids) == max(scores, key=lambda ids: scores[ids])
            assert best.score == pytest.approx(scores[tuple(best.ids)], rel=1e-3)
    assert 0 < proved < 4 * len(SOURCE)


def test_scores_fall_and_answers_differ() -> None:
    for answers in beam_search(model_of(3), SOURCE, LENGTHS, 8, 4, nbest=4):
        scores = [best.score for best in answers]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(best.ids) for best in answers}) == len(answers)


class Endless(Model):
    """Never wants to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        return State((), (torch.zeros(len(source), 1),))

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        logits = torch.zeros(len(token), 7)
        logits[:, EOS] = -30.0
        return logits, state


def test_the_limit_holds_and_cut_answers_are_still_given() -> None:
    assert [len(best.ids) for best in greedy(Endless(), SOURCE, LENGTHS, 5)] == [5] * 6
    for answers in beam_search(Endless(), SOURCE, LENGTHS, 5, 3, nbest=3):
        assert answers
        assert all(len(best.ids) <= 5 for best in answers)


def test_an_answer_cut_at_the_limit_is_marked_and_its_log_probability_has_the_end_too() -> None:
    cut = greedy(Endless(), SOURCE, LENGTHS, 5)
    expected = -5 * math.log(6) - (30 + math.log(6))  # five tokens out of six, and EOS after all
    assert [best.log_probability for best in cut] == pytest.approx([expected] * 6)
    limits = MaxLengths(source=4, target=7)
    pairs = Pairs(Ragged.from_rows([[]] * 2), Ragged.from_rows([[4, 5], [5]]))
    batch = padded_batch(pairs, np.arange(2))
    for best, *_ in answer(Endless(), batch, limits, DecodeConfig(1)):
        assert (len(best.ids), best.truncated) == (17, True)
    for width in (1, 3):
        decode = DecodeConfig(width, 0.0)
        for best, *_ in answer(model_of(1), batch, limits, decode):
            assert best.truncated == (len(best.ids) == 17)


def test_attention_weights_have_a_row_for_each_symbol_and_the_end() -> None:
    torch.manual_seed(0)
    config = ModelConfig(attention="additive", hidden=8, embedding=4, dropout=0.0)
    weights = attention_weights(build(config, 9, 7, 20).eval(), SOURCE[:1], [4, 5, 6])
    assert weights is not None
    assert weights.shape == (4, 4)
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    assert attention_weights(model_of(0), SOURCE[:1], [4]) is None


def exhaustively(model: Model, row: int, size: int) -> tuple[int, ...]:
    """Return the likeliest answer of a length."""
    return max(itertools.product(SYMBOLS, repeat=size), key=lambda ids: score(model, row, ids))


@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_a_given_length_is_kept_by_greedy_and_by_beam(cell: str) -> None:
    model, ends = model_of(1, cell), torch.tensor([3, 0, 2, 1, 4, 2])
    found = greedy(model, SOURCE, LENGTHS, 4, ends)
    assert [len(best.ids) for best in found] == ends.tolist()
    searched = beam_search(model, SOURCE, LENGTHS, 4, 30, nbest=2, ends=ends)
    for row, size in enumerate(ends.tolist()):
        best = searched[row][0]
        assert tuple(best.ids) == exhaustively(model, row, size)
        assert best.log_probability == pytest.approx(score(model, row, tuple(best.ids)), abs=1e-4)
        assert {len(one.ids) for one in searched[row]} == {size}


def test_a_given_length_brings_an_endless_model_to_its_end() -> None:
    ends = torch.tensor([5, 4, 3, 2, 1, 0])
    assert [len(best.ids) for best in greedy(Endless(), SOURCE, LENGTHS, 5, ends)] == ends.tolist()
