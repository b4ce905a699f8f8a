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
    """The unfinished answers of the sources still searched. B of them, K answers each."""

    sources: Tensor  # (B,), which source each is
    scores: Tensor  # (B, K), log-probabilities so far
    tokens: Tensor  # (B, K, t)
    state: State  # batch B * K

    def keep(self, index: Tensor) -> Beams:
        """Return the searches at ``index`` (B',)."""
        width = self.scores.shape[1]
        flat = (index[:, None] * width + torch.arange(width, device=index.device)).flatten()
        return Beams(
            self.sources[index], self.scores[index], self.tokens[index], self.state.select(flat)
        )


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
    still overtake the worst of its K finished ones. Every answer may finish: one that reaches
    ``limit`` symbols is scored with the end symbol after it.

    Args:
        source: (B, S) ids.
        lengths: (B,), on the CPU.
        width: K, at least ``nbest``.
    """
    batch, device = source.shape[0], source.device
    done = Done.none(batch, width, limit, device)
    beams = _first(model, source, lengths, width)
    for t in range(1, limit + 2):
        beams = _advance(model, beams, done, t, length_penalty, final=t == limit + 1)
        if t == limit + 1:
            break
        best_hope = beams.scores[:, 0] / (limit + 1) ** length_penalty  # (B,)
        open_ = (done.scores[beams.sources, -1] < best_hope).nonzero()[:, 0]
        if len(open_) == 0:
            break
        if len(open_) < len(beams.sources):
            beams = beams.keep(open_)
    return [_answers(done, i, nbest) for i in range(batch)]


def _first(model: Model, source: Tensor, lengths: Tensor, width: int) -> Beams:
    """Return K beams a source, of which only the first is alive."""
    batch, device = source.shape[0], source.device
    state = model.start(source, lengths)
    repeat = torch.arange(batch, device=device).repeat_interleave(width)
    scores = torch.full((batch, width), -torch.inf, device=device)
    scores[:, 0] = 0.0
    tokens = torch.full((batch, width, 1), BOS, device=device)
    return Beams(torch.arange(batch, device=device), scores, tokens, state.select(repeat))


def _advance(
    model: Model, beams: Beams, done: Done, t: int, length_penalty: float, final: bool
) -> Beams:
    """Add the t-th symbol to every beam; hand the finished to ``done``, keep the K best others.

    The last step (``final``) can only finish.
    """
    batch, width = beams.scores.shape
    logits, state = model.step(beams.tokens[:, :, -1].flatten(), beams.state)
    steps = log_probabilities(logits).view(batch, width, -1)  # (B, K, V)
    totals = beams.scores[:, :, None] + steps  # (B, K, V)
    ended = totals[:, :, EOS]  # (B, K)
    done.add(beams.sources, ended / t**length_penalty, ended, beams.tokens[:, :, 1:])
    if final:
        return beams
    totals[:, :, EOS] = -torch.inf
    scores, flat = totals.flatten(1).topk(width, dim=1)  # (B, K)
    came, symbol = flat // steps.shape[2], flat % steps.shape[2]  # (B, K) each
    rows = torch.arange(batch, device=flat.device)[:, None]
    tokens = torch.cat([beams.tokens[rows, came], symbol[:, :, None]], dim=2)  # (B, K, t + 1)
    return Beams(beams.sources, scores, tokens, state.reorder((rows * width + came).flatten()))


def _answers(done: Done, source: int, nbest: int) -> list[Hypothesis]:
    scores, totals = done.scores[source].tolist(), done.totals[source].tolist()
    rows = done.tokens[source].tolist()
    return [
        Hypothesis(row[: row.index(EOS)] if EOS in row else row, total, score)
        for row, total, score in zip(rows[:nbest], totals, scores, strict=False)
        if score > -torch.inf
    ]
