"""Searching for answers, written once over `start`, `step`, `select` for every model.

All searches are batched in tensors; rows that are done leave the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.models.base import Model

NEVER = (PAD, BOS, UNK)  # ids that are not answers
LABEL_STEPS = 2  # the label and the end, which counts in its log-probability


@dataclass(frozen=True)
class Hypothesis:
    """One answer: ids without BOS and EOS, its log-probability, and the score it is ranked by.

    ``log_probability``: nats over all ids and EOS, also where the answer is ``truncated``: it has
    as many ids as an answer may have, so the model might have gone on.
    """

    ids: list[int]
    log_probability: float
    score: float
    truncated: bool = False


def log_probabilities(logits: Tensor) -> Tensor:
    """Return log-probabilities (B, V) in float32, with ids that are no answers at -inf."""
    scores = torch.log_softmax(logits.float(), dim=1)
    scores[:, list(NEVER)] = -torch.inf
    return scores


def end_only_at(ends: Tensor, place: int, scores: Tensor) -> Tensor:
    """Keep the end symbol for the place it belongs to: there nothing else may stand.

    Args:
        ends: (B,) the number of symbols before the end.
        place: symbols there are so far.
        scores: (B, V) log-probabilities of the next symbol.
    """
    end = torch.arange(scores.shape[1], device=scores.device) == EOS  # (V,)
    return scores.masked_fill(end != (ends == place)[:, None], -torch.inf)  # (B, V)


def label_ends(source: Tensor) -> Tensor:
    """Return where the answers (B,) to a source (B, S) end if each is one label."""
    return torch.ones(source.shape[0], dtype=torch.int64, device=source.device)


@torch.inference_mode()
def greedy(
    model: Model, source: Tensor, lengths: Tensor, limit: int, ends: Tensor | None = None
) -> list[Hypothesis]:
    """Take the likeliest token at each step, until EOS or ``limit`` tokens.

    An answer of ``limit`` tokens is given EOS after them, whose log-probability counts as well.

    Args:
        source: (B, S) ids.
        lengths: (B,), on the CPU.
        ends: (B,) how long each answer is to be, where that is given; at most ``limit``.
    """
    batch, device = source.shape[0], source.device
    state = model.start(source, lengths)
    rows = torch.arange(batch, device=device)  # the rows still in the batch
    tokens = torch.full((batch, limit + 1), EOS, device=device)  # (B, T + 1)
    totals = torch.zeros(batch, device=device)
    token = torch.full((batch,), BOS, device=device)
    for t in range(limit + 1):
        running = token != EOS
        logits, state = model.step(token, state)
        scores = log_probabilities(logits)  # (B, V)
        if ends is not None:
            scores = end_only_at(ends[rows], t, scores)
        elif t == limit:  # only EOS is left
            scores = end_only_at(torch.full_like(rows, limit), t, scores)
        best, likeliest = scores.max(dim=1)  # (B,) each
        token = torch.where(running, likeliest, EOS)
        totals[rows] += best * running
        tokens[rows, t] = token
        left = int((token != EOS).sum())
        if left == 0:
            break
        if left <= len(rows) * 3 // 4:
            index = (token != EOS).nonzero()[:, 0]
            rows, token, state = rows[index], token[index], state.select(index)
    return _read_off(tokens, totals)


def _read_off(tokens: Tensor, totals: Tensor) -> list[Hypothesis]:
    """Cut each row of tokens (B, T + 1) at its EOS."""
    sizes = (tokens == EOS).int().argmax(1).tolist()
    rows = zip(tokens.tolist(), sizes, totals.tolist(), strict=True)
    return [Hypothesis(row[:size], total, total / (size + 1)) for row, size, total in rows]


@torch.inference_mode()
def attention_weights(model: Model, source: Tensor, ids: list[int]) -> Tensor | None:
    """Return where the model looks while it writes ``ids`` and the end symbol.

    Args:
        source: (1, S) ids.

    Returns:
        (T + 1, S) weights on the CPU, or None for a model without attention.
    """
    state = model.start(source, torch.tensor([source.shape[1]]))
    rows = []
    for token in [BOS, *ids]:
        _, state = model.step(torch.tensor([token], device=source.device), state)
        if state.attention is None:
            return None
        rows.append(state.attention[0].float().cpu())
    return torch.stack(rows)  # (T + 1, S)
