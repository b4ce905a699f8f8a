"""Beam search over sources and beams at once, with length normalisation and n-best lists."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.data.vocabulary import BOS, EOS
from seqcli.engine.decoding import Hypothesis, log_probabilities
from seqcli.models.contract import Model, State


@dataclass
class Beams:
    """The unfinished answers of the sources still searched: B of them, K answers each.

    K is 1 before the first symbol, then as many as asked for, or as there are.
    """

    sources: Tensor  # (B,), which source each is
    scores: Tensor  # (B, K), log-probabilities so far
    tokens: Tensor  # (B, K, t)
    state: State  # batch B * K

    def keep(self, index: Tensor) -> Beams:
        """Return the searches at ``index`` (B',)."""
        state = self.state.select(index)
        return Beams(self.sources[index], self.scores[index], self.tokens[index], state)


@dataclass
class Done:
    """The best finished answers of every source: K places each, -inf where empty."""

    scores: Tensor  # (B, K), normalised
    totals: Tensor  # (B, K), log-probabilities
    tokens: Tensor  # (B, K, limit + 1), the end symbol and all after it EOS

    @classmethod
    def none(cls, batch: int, width: int, limit: int, device: torch.device) -> Done:
        """Return empty places."""
        scores = torch.full((batch, width), -torch.inf, device=device)
        tokens = torch.full((batch, width, limit + 1), EOS, device=device)
        return cls(scores, scores.clone(), tokens)

    def add(self, sources: Tensor, scores: Tensor, totals: Tensor, tokens: Tensor) -> None:
        """Offer answers (B', M) with tokens (B', M, t) to the given sources; the best stay."""
        length, width = tokens.shape[2], self.scores.shape[1]
        full = self.tokens.new_full((*tokens.shape[:2], self.tokens.shape[2]), EOS)
        full[:, :, :length] = tokens  # (B', M, limit + 1)
        every = torch.cat([self.scores[sources], scores], dim=1)  # (B', K + M)
        best, index = every.topk(width, dim=1)  # (B', K)
        self.scores[sources] = best
        self.totals[sources] = torch.cat([self.totals[sources], totals], 1).gather(1, index)
        kept = index[:, :, None].expand(-1, -1, full.shape[2])
        self.tokens[sources] = torch.cat([self.tokens[sources], full], 1).gather(1, kept)


@torch.inference_mode()
def beam_search(
    model: Model,
    source: Tensor,
    lengths: Tensor,
    limit: int,
    width: int,
    length_penalty: float = 1.0,
    nbest: int = 1,
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
    """
    batch, device = source.shape[0], source.device
    done = Done.none(batch, width, limit, device)
    beams = _first(model, source, lengths)
    for t in range(1, limit + 2):
        beams = _advance(model, beams, done, t, length_penalty, width)
        if t == limit + 1:  # the last step can only finish
            break
        best_hope = beams.scores[:, 0] / (limit + 1) ** length_penalty  # (B,)
        open_ = (done.scores[beams.sources, nbest - 1] < best_hope).nonzero()[:, 0]
        if len(open_) == 0:
            break
        if len(open_) < len(beams.sources):
            beams = beams.keep(open_)
    return [_answers(done, i, nbest) for i in range(batch)]


def _first(model: Model, source: Tensor, lengths: Tensor) -> Beams:
    """Return one empty answer to each source."""
    batch, device = source.shape[0], source.device
    scores = torch.zeros((batch, 1), device=device)
    tokens = torch.full((batch, 1, 1), BOS, device=device)
    return Beams(torch.arange(batch, device=device), scores, tokens, model.start(source, lengths))


def _advance(
    model: Model, beams: Beams, done: Done, t: int, length_penalty: float, width: int
) -> Beams:
    """Add the t-th symbol to every beam; hand the finished to ``done``, keep the best others."""
    batch, before = beams.scores.shape
    logits, state = model.step(beams.tokens[:, :, -1].flatten(), beams.state)
    steps = log_probabilities(logits).view(batch, before, -1)  # (B, K, V)
    totals = beams.scores[:, :, None] + steps  # (B, K, V)
    ended = totals[:, :, EOS]  # (B, K)
    done.add(beams.sources, ended / t**length_penalty, ended, beams.tokens[:, :, 1:])
    totals[:, :, EOS] = -torch.inf
    after = min(width, totals[0].numel())
    scores, flat = totals.flatten(1).topk(after, dim=1)  # (B, K')
    came, symbol = flat // steps.shape[2], flat % steps.shape[2]  # (B, K') each
    rows = torch.arange(batch, device=flat.device)[:, None]
    tokens = torch.cat([beams.tokens[rows, came], symbol[:, :, None]], dim=2)  # (B, K', t + 1)
    state = state.reorder((rows * before + came).flatten(), after)
    return Beams(beams.sources, scores, tokens, state)


def _answers(done: Done, source: int, nbest: int) -> list[Hypothesis]:
    scores, totals = done.scores[source].tolist(), done.totals[source].tolist()
    rows = done.tokens[source].tolist()
    return [
        Hypothesis(row[: row.index(EOS)] if EOS in row else row, total, score)
        for row, total, score in zip(rows[:nbest], totals, scores, strict=False)
        if score > -torch.inf
    ]
