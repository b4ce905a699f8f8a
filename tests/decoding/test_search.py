"""Greedy and beam search against searching by brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from seqcli.arrays.state import DecoderState
from seqcli.config import ModelConfig
from seqcli.data.vocabulary import BOS, EOS, PAD
from seqcli.decoding import loop
from seqcli.decoding.loop import Frontier, Hypothesis, decode, next_scores
from seqcli.decoding.search import Search, attention_weights, search
from seqcli.decoding.strategies import GreedyCertificate
from seqcli.models.base import Model
from seqcli.models.build import build

SOURCE, LENGTHS = (
    torch.randint(4, 9, (6, 4), generator=torch.manual_seed(0)),
    torch.tensor([4, 4, 3, 2, 4, 1]),
)
SYMBOLS = (4, 5, 6)  # of the target


def greedy(
    model: Model, limit: int, ends: Tensor | None = None, width: int = 1
) -> list[Hypothesis]:
    return [best for (best,) in search(model, SOURCE, LENGTHS, limit, Search(width), ends)]


def certified(model: Model, limit: int, penalty: float) -> list[Hypothesis | None]:
    strategy = GreedyCertificate(penalty)
    first = Frontier.first(torch.arange(len(SOURCE)), model.start(SOURCE, LENGTHS))
    decode(model, first, limit, strategy)
    return strategy.hypotheses()


def model_of(seed: int, cell: str = "gru", scale: float = 3.0) -> Model:
    torch.manual_seed(seed)
    config = ModelConfig(cell=cell, hidden=8, embedding=4, heads=2, feedforward=8, dropout=0.0)
    model = build(config, 9, 4 + len(SYMBOLS), 20).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.data *= scale  # so that the order of answers is not a matter of luck
    return model


def scores(model: Model, row: int, answers: Sequence[tuple[int, ...]]) -> list[float]:
    """Return the log-probability of each answer with its end symbol, from one forward pass."""
    length = LENGTHS[row : row + 1].expand(len(answers))
    source = SOURCE[row : row + 1, : int(length[0])].expand(len(answers), -1)  # (N, S)
    width = 1 + max(map(len, answers))
    padded = [[BOS, *ids, *[PAD] * (width - 1 - len(ids))] for ids in answers]
    steps = next_scores(model(source, length, torch.tensor(padded)).detach().clone())  # (N, T, V)
    return [
        sum(float(steps[n, t, symbol]) for t, symbol in enumerate((*ids, EOS)))
        for n, ids in enumerate(answers)
    ]


def score(model: Model, row: int, ids: tuple[int, ...]) -> float:
    return scores(model, row, [ids])[0]


def every_answer(limit: int) -> list[tuple[int, ...]]:
    return [ids for n in range(limit + 1) for ids in itertools.product(SYMBOLS, repeat=n)]


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("cell", ["gru", "lstm", "transformer"])
def test_a_wide_beam_finds_the_very_best_answers(cell: str, penalty: float) -> None:
    model, limit = model_of(1, cell), 3
    found = search(model, SOURCE, LENGTHS, limit, Search(40, penalty, 5))
    for row in range(3):
        ranked = sorted(
            (
                (one / (len(ids) + 1) ** penalty, ids)
                for one, ids in zip(
                    scores(model, row, every_answer(limit)), every_answer(limit), strict=True
                )
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
    for row, found in enumerate(greedy(model, limit)):
        ids: list[int] = []
        length = LENGTHS[row : row + 1]
        while len(ids) < limit:
            logits = model(
                SOURCE[row : row + 1, : int(length)], length, torch.tensor([[BOS, *ids]])
            )
            symbol = int(next_scores(logits[:, -1].detach().clone()).argmax())
            if symbol == EOS:
                break
            ids.append(symbol)
        assert found.ids == ids
        assert found.log_probability == pytest.approx(score(model, row, tuple(ids)), abs=1e-4)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_each_source_is_searched_as_if_it_were_alone(width: int) -> None:
    model, how = model_of(2), Search(width, nbest=width)
    together = search(model, SOURCE, LENGTHS, 6, how)
    for row in range(len(SOURCE)):
        length = LENGTHS[row : row + 1]
        (alone,) = search(model, SOURCE[row : row + 1, : int(length)], length, 6, how)
        assert [best.ids for best in alone] == [best.ids for best in together[row]]


@pytest.mark.parametrize("ends", [None, torch.tensor([3, 0, 2, 1, 4, 2])])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "transformer"])
def test_one_answer_alone_is_the_first_of_several(
    cell: str, penalty: float, ends: Tensor | None
) -> None:
    for seed in range(5):
        model = model_of(seed, cell)
        alone = search(model, SOURCE, LENGTHS, 6, Search(3, penalty, 1), ends)
        several = search(model, SOURCE, LENGTHS, 6, Search(3, penalty, 3), ends)
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
        found = certified(model, 3, penalty)
        for row, best in enumerate(found):
            if best is None:
                continue
            proved += 1
            every = every_answer(3)
            exact = {
                ids: one / (len(ids) + 1) ** penalty
                for ids, one in zip(every, scores(model, row, every), strict=True)
            }
            assert tuple(best.ids) == max(exact, key=lambda ids: exact[ids])
            assert best.score == pytest.approx(exact[tuple(best.ids)], rel=1e-3)
    assert 0 < proved < 4 * len(SOURCE)


def test_scores_fall_and_answers_differ() -> None:
    for answers in search(model_of(3), SOURCE, LENGTHS, 8, Search(4, nbest=4)):
        scores = [best.score for best in answers]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(best.ids) for best in answers}) == len(answers)


class Endless(Model):
    """Never wants to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def start(self, source: Tensor, source_lengths: Tensor) -> DecoderState:
        return DecoderState((), (torch.zeros(len(source), 1),))

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        logits = torch.zeros(len(token), 7)
        logits[:, EOS] = -30.0
        return logits, state


def test_the_limit_holds_and_cut_answers_are_still_given() -> None:
    assert [len(best.ids) for best in greedy(Endless(), 5)] == [5] * 6
    for answers in search(Endless(), SOURCE, LENGTHS, 5, Search(3, nbest=3)):
        assert answers
        assert all(len(best.ids) <= 5 for best in answers)


def test_an_answer_cut_at_the_limit_is_marked_and_its_log_probability_has_the_end_too() -> None:
    cut = greedy(Endless(), 5)
    expected = -5 * math.log(6) - (30 + math.log(6))  # five tokens out of six, and EOS after all
    assert [best.log_probability for best in cut] == pytest.approx([expected] * 6)
    assert all(best.truncated for best in cut)
    for width in (1, 3):
        for best in greedy(model_of(1), 5, width=width):
            assert best.truncated == (len(best.ids) == 5)


def test_attention_weights_have_a_row_for_each_symbol_and_the_end() -> None:
    torch.manual_seed(0)
    config = ModelConfig(attention="additive", hidden=8, embedding=4, dropout=0.0)
    weights = attention_weights(
        build(config, 9, 7, 20).eval().requires_grad_(False), SOURCE[:1], [4, 5, 6]
    )
    assert weights is not None
    assert weights.shape == (4, 4)
    assert weights.sum(axis=1) == pytest.approx([1.0] * 4)
    assert attention_weights(model_of(0), SOURCE[:1], [4]) is None


def exhaustively(model: Model, row: int, size: int) -> tuple[int, ...]:
    """Return the likeliest answer of a length."""
    return max(itertools.product(SYMBOLS, repeat=size), key=lambda ids: score(model, row, ids))


@pytest.mark.parametrize("cell", ["lstm", "transformer"])
def test_a_given_length_is_kept_by_greedy_and_by_beam(cell: str) -> None:
    model, ends = model_of(1, cell), torch.tensor([3, 0, 2, 1, 4, 2])
    found = greedy(model, 4, ends)
    assert [len(best.ids) for best in found] == ends.tolist()
    searched = search(model, SOURCE, LENGTHS, 4, Search(30, nbest=2), ends)
    for row, size in enumerate(ends.tolist()):
        best = searched[row][0]
        assert tuple(best.ids) == exhaustively(model, row, size)
        assert best.log_probability == pytest.approx(score(model, row, tuple(best.ids)), abs=1e-4)
        assert {len(one.ids) for one in searched[row]} == {size}


def test_a_given_length_brings_an_endless_model_to_its_end() -> None:
    ends = torch.tensor([5, 4, 3, 2, 1, 0])
    assert [len(best.ids) for best in greedy(Endless(), 5, ends)] == ends.tolist()


@pytest.mark.parametrize("settings", [Search(1), Search(3), Search(3, 0.0, 2)])
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_reading_one_step_late_changes_no_prediction(monkeypatch, settings, scale) -> None:
    """On a GPU it is known one step late which sources are done."""
    model, reads = model_of(3, scale=scale), []
    at_once = search(model, SOURCE, LENGTHS, 7, settings)

    def start_reading(done: Tensor):
        flags = done.clone().numpy()
        return lambda: (reads.append(flags), flags)[1]

    monkeypatch.setattr(loop, "is_on_gpu", lambda array: True)
    monkeypatch.setattr(loop, "start_reading", start_reading)
    monkeypatch.setattr(loop, "send", lambda values, like: torch.from_numpy(values))
    assert search(model, SOURCE, LENGTHS, 7, settings) == at_once
    assert reads
