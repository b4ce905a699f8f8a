"""Beam search over sources and beams at once, with length normalization and n-best lists."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.data.vocabulary import BOS, EOS
from seqcli.engine.decoding import Hypothesis, end_only_at, log_probabilities
from seqcli.engine.proof import proved_best
from seqcli.models.base import Model, State


@dataclass
class Beams:
    """The unfinished answers of the sources still searched: B of them, K answers each.

    K is 1 before the first symbol, then as many as asked for, or as there are.
    """

    sources: Tensor  # (B,), which source each is
    scores: Tensor  # (B, K), log-probabilities so far
    symbols: Tensor  # (B, K), the last of each
    state: State  # batch B * K

    def keep(self, index: Tensor) -> Beams:
        """Return the searches at ``index`` (B',)."""
        state = self.state.select(index)
        return Beams(self.sources[index], self.scores[index], self.symbols[index], state)


class Trellis:
    """The steps of a search, written down as they are made; the answers are read off at its end.

    Answers are not copied about: each place in a beam remembers its symbol and the place before.

    Args:
        batch: sources.
        width: K.
        limit: symbols an answer has at most.
        nbest: answers wanted of each source.
    """

    def __init__(
        self, batch: int, width: int, limit: int, nbest: int, device: torch.device
    ) -> None:
        shape = (limit + 1, batch, width)
        self.symbols = torch.full(shape, EOS, device=device)  # (T + 1, B, K), from place 1 on
        self.before = torch.zeros(shape, dtype=torch.int64, device=device)  # (T + 1, B, K)
        self.totals = torch.full(shape, -torch.inf, device=device)  # of answers t symbols long
        self.scores = self.totals.clone()  # the same, normalized
        self.best = self.totals.new_full((batch, nbest), -torch.inf)  # the finished so far

    def finish(self, t: int, sources: Tensor, totals: Tensor, scores: Tensor) -> None:
        """Note what the answers in the beams (B, K) are worth if they end after t symbols."""
        self.totals[t, sources, : totals.shape[1]] = totals
        self.scores[t, sources, : totals.shape[1]] = scores
        every = torch.cat([self.best[sources], scores], dim=1)  # (B, n + K)
        self.best[sources] = every.topk(self.best.shape[1], dim=1).values

    def extend(self, t: int, beams: Beams, before: Tensor) -> None:
        """Note the t-th symbols and the places (B, K) in the beams before that they follow."""
        self.symbols[t, beams.sources, : before.shape[1]] = beams.symbols
        self.before[t, beams.sources, : before.shape[1]] = before

    def answers(self) -> list[list[Hypothesis]]:
        """Return the best answers to each source, best first."""
        steps, batch, width = self.scores.shape
        flat = self.scores.transpose(0, 1).flatten(1)  # (B, (T + 1) * K)
        scores, index = flat.topk(self.best.shape[1], dim=1)  # (B, n)
        totals = self.totals.transpose(0, 1).flatten(1).gather(1, index)  # (B, n)
        lengths, places = index // width, index % width  # (B, n) each
        ids = torch.full((*index.shape, steps - 1), EOS, device=index.device)  # (B, n, T)
        rows = torch.arange(batch, device=index.device)[:, None]  # (B, 1)
        for t in range(int(lengths.max()), 0, -1):
            inside = t <= lengths
            ids[:, :, t - 1] = torch.where(inside, self.symbols[t, rows, places], EOS)
            places = torch.where(inside, self.before[t, rows, places], places)
        columns = zip(*(x.tolist() for x in (ids, lengths, totals, scores)), strict=True)
        return [_hypotheses(*row) for row in columns]


def _hypotheses(
    ids: list[list[int]], lengths: list[int], totals: list[float], scores: list[float]
) -> list[Hypothesis]:
    rows = zip(ids, lengths, totals, scores, strict=True)
    return [
        Hypothesis(row[:size], total, score)
        for row, size, total, score in rows
        if score > -torch.inf
    ]


@torch.inference_mode()
def beam_search(
    model: Model,
    source: Tensor,
    lengths: Tensor,
    limit: int,
    width: int,
    length_penalty: float = 1.0,
    nbest: int = 1,
    ends: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Return the ``nbest`` best answers to each source, best first.

    An answer's score is its log-probability over (its length with the end symbol) **
    ``length_penalty``. A source leaves the search once no unfinished answer of its beam can
    still overtake the last of its ``nbest`` finished ones. Every answer may finish: one that
    reaches ``limit`` symbols is scored with the end symbol after it.

    Args:
        source: (B, S) ids.
        lengths: (B,), on the CPU.
        width: K, at least ``nbest``.
        ends: (B,) how long each answer is to be, where that is given; at most ``limit``.
    """
    batch, state = source.shape[0], model.start(source, lengths)
    if nbest > 1:
        return _search(model, state, batch, limit, width, length_penalty, nbest, ends)
    proved = proved_best(model, state, batch, limit, length_penalty, ends)
    open_ = torch.tensor([row for row, one in enumerate(proved) if one is None])
    if len(open_) == 0:
        return [[one] for one in proved if one is not None]
    open_ = open_.to(model.device)
    ends, state = None if ends is None else ends[open_], state.select(open_)
    found = iter(_search(model, state, len(open_), limit, width, length_penalty, 1, ends))
    return [next(found) if one is None else [one] for one in proved]


def _search(
    model: Model,
    state: State,
    batch: int,
    limit: int,
    width: int,
    length_penalty: float,
    nbest: int,
    ends: Tensor | None,
) -> list[list[Hypothesis]]:
    """Search from the state of ``batch`` sources; see `beam_search`."""
    trellis = Trellis(batch, width, limit, nbest, model.device)
    beams = _first(state, batch, model.device)
    for t in range(1, limit + 2):
        totals, state = _score(model, beams, t, ends)  # (B, K, V)
        ended = totals[:, :, EOS]  # (B, K)
        trellis.finish(t - 1, beams.sources, ended, ended / t**length_penalty)
        if t == limit + 1:  # the last step can only finish
            break
        beams, before = _grow(beams, totals, state, width)
        trellis.extend(t, beams, before)
        best_hope = beams.scores[:, 0] / (limit + 1) ** length_penalty  # (B,)
        open_ = (trellis.best[beams.sources, -1] < best_hope).nonzero()[:, 0]
        if len(open_) == 0:
            break
        if len(open_) < len(beams.sources):
            beams = beams.keep(open_)
    return trellis.answers()


def _first(state: State, batch: int, device: torch.device) -> Beams:
    """Return one empty answer to each source."""
    scores = torch.zeros((batch, 1), device=device)
    symbols = torch.full((batch, 1), BOS, device=device)
    return Beams(torch.arange(batch, device=device), scores, symbols, state)


def _score(model: Model, beams: Beams, t: int, ends: Tensor | None) -> tuple[Tensor, State]:
    """Return the log-probabilities (B, K, V) of the answers with each t-th symbol."""
    logits, state = model.step(beams.symbols.flatten(), beams.state)
    scores = log_probabilities(logits)  # (B * K, V)
    if ends is not None:
        wanted = ends[beams.sources].repeat_interleave(beams.scores.shape[1])  # (B * K,)
        scores = end_only_at(wanted, t - 1, scores)
    return beams.scores[:, :, None] + scores.view(*beams.scores.shape, -1), state


def _grow(beams: Beams, totals: Tensor, state: State, width: int) -> tuple[Beams, Tensor]:
    """Keep the best unfinished answers; return them and the places (B, K') they come from."""
    batch, before, vocabulary = totals.shape
    totals[:, :, EOS] = -torch.inf
    after = min(width, before * vocabulary)
    scores, flat = totals.flatten(1).topk(after, dim=1)  # (B, K')
    came = flat // vocabulary  # (B, K')
    first = torch.arange(0, batch * before, before, device=flat.device)[:, None]  # (B, 1)
    state = state.reorder((first + came).flatten(), after)
    return Beams(beams.sources, scores, flat % vocabulary, state), came
