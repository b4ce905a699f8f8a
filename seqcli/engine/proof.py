"""Greedy answers that are proved to be the best: for these a beam search need not be made.

No answer grows likelier by another symbol, so whatever goes on from an unfinished one of
log-probability p scores at most p / (limit + 1) ** penalty. Where none of the answers that greedy
search leaves aside may thus come up to what it finished, a beam of any width would find the same:
what was left aside is then less likely than the greedy path at each of its steps, so the path is
the first of every beam. (Bounds on what may still overtake end a beam search in Huang et al. 2017,
arXiv:1809.00069; here they save its beginning.) Models that are sure of themselves pass for most
sources, at the price of one answer a source.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.arrays.state import DecoderState
from seqcli.data.vocabulary import BOS, EOS
from seqcli.engine.decoding import Hypothesis, end_only_at, log_probabilities
from seqcli.models.base import Model


@dataclass
class Paths:
    """The greedy path of each of B sources, and what it has come to."""

    symbols: Tensor  # (B, T)
    best: Tensor  # (B,), the highest score of the answers on the path
    total: Tensor  # (B,), its log-probability
    size: Tensor  # (B,), its number of symbols
    rival: Tensor  # (B,), the log-probability of the likeliest unfinished answer left aside

    @classmethod
    def of(cls, batch: int, limit: int, device: torch.device) -> Paths:
        """Return paths of no symbols."""
        nothing = torch.full((batch,), -torch.inf, device=device)
        symbols = torch.full((batch, limit + 1), EOS, device=device)
        size = torch.zeros(batch, dtype=torch.int64, device=device)
        return cls(symbols, nothing, nothing.clone(), size, nothing.clone())

    def end(self, rows: Tensor, t: int, totals: Tensor, scores: Tensor) -> None:
        """Note what the paths ``rows`` (R,) are worth if they end after t symbols."""
        better = (scores > self.best[rows]).nonzero()[:, 0]
        won = rows[better]
        self.best[won], self.total[won], self.size[won] = scores[better], totals[better], t

    def go_on(
        self, rows: Tensor, t: int, symbols: Tensor, totals: Tensor, aside: Tensor, most: float
    ) -> Tensor:
        """Add symbols to the paths ``rows`` (R,); return which are over (R,).

        A path is over where nothing can come of it any more, or what was left aside is as likely.

        Args:
            symbols, totals: (R,), of the paths now.
            aside: (R,), log-probabilities of the likeliest answers that are left for them.
            most: what a log-probability is divided by at the most.
        """
        self.symbols[rows, t] = symbols
        rival = torch.maximum(self.rival[rows], aside)  # (R,)
        over = (totals / most <= self.best[rows]) | (totals <= rival)
        self.rival[rows] = torch.where(over, torch.maximum(rival, totals), rival)
        return over

    def answers(self, proved: Tensor) -> list[Hypothesis | None]:
        """Return the best answer on each path, or None where it is not ``proved`` (B,)."""
        parts = (self.symbols, self.size, self.total, self.best, proved)
        rows = zip(*(part.tolist() for part in parts), strict=True)
        return [
            Hypothesis(symbols[:size], total, score) if sure else None
            for symbols, size, total, score, sure in rows
        ]


@torch.inference_mode()
def proved_best(
    model: Model,
    state: DecoderState,
    batch: int,
    limit: int,
    length_penalty: float,
    ends: Tensor | None = None,
) -> list[Hypothesis | None]:
    """Return the best answer to each source, or None where greedy search does not prove it.

    Args:
        state: of ``batch`` sources, as `Model.start` returns it.
        limit, length_penalty, ends: see `engine.beam_search.beam_search`.
    """
    paths = Paths.of(batch, limit, model.device)
    rows = torch.arange(batch, device=model.device)  # the sources still in the batch
    token, total = torch.full_like(rows, BOS), torch.zeros(batch, device=model.device)
    most = (limit + 1) ** length_penalty
    for t in range(limit + 1):
        logits, state = model.step(token, state)
        scores = log_probabilities(logits)  # (R, V)
        if ends is not None:
            scores = end_only_at(ends[rows], t, scores)
        scores += total[:, None]
        paths.end(rows, t, scores[:, EOS], scores[:, EOS] / (t + 1) ** length_penalty)
        scores[:, EOS if t < limit else slice(None)] = -torch.inf
        (total, aside), (token, _) = (part.unbind(1) for part in scores.topk(2, dim=1))  # (R,)
        over = paths.go_on(rows, t, token, total, aside, most)
        left = (~over).nonzero()[:, 0]
        if len(left) == 0:
            break
        if len(left) <= len(rows) * 3 // 4:
            rows, token, total, state = rows[left], token[left], total[left], state.select(left)
    return paths.answers(paths.rival / most <= paths.best)
