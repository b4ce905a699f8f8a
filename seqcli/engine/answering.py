"""A model's answers to the rows of a split: free running, and teacher-forced loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from seqcli.config import DecodeConfig
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import Pairs
from seqcli.data.limits import Limits
from seqcli.data.ragged import Ragged
from seqcli.engine.batches import to_device
from seqcli.engine.beam_search import beam_search
from seqcli.engine.decoding import Hypothesis, greedy
from seqcli.engine.loss import cross_entropy
from seqcli.engine.metrics import Outcome
from seqcli.models.contract import Model

Tick = Callable[[], None]


def _silent() -> None:
    """Do nothing between batches."""


def answer(
    model: Model, batch: Batch, limits: Limits, decode: DecodeConfig, nbest: int = 1
) -> list[list[Hypothesis]]:
    """Return the n best answers to each row of a batch, best first."""
    data = to_device(batch, model.device)
    limit = limits.answer(data.source.shape[1])
    if decode.beam == 1 and nbest == 1:
        return [[best] for best in greedy(model, data.source, data.source_lengths, limit)]
    width = max(decode.beam, nbest)
    return beam_search(
        model, data.source, data.source_lengths, limit, width, decode.length_penalty, nbest
    )


def predictions(
    model: Model,
    pairs: Pairs,
    limits: Limits,
    decode: DecodeConfig,
    batch_size: int,
    tick: Tick = _silent,
) -> Ragged:
    """Return the best answer to each row, in the rows' order."""
    found: list[list[int]] = [[] for _ in range(len(pairs))]
    for batch in in_order(pairs, batch_size):
        for row, (best, *_) in zip(batch.rows, answer(model, batch, limits, decode), strict=True):
            found[row] = best.ids
        tick()
    return Ragged.from_rows(found)


@torch.inference_mode()
def mean_loss(model: Model, pairs: Pairs, batch_size: int, tick: Tick = _silent) -> float:
    """Return nats per target symbol over all rows, teacher forced, end symbols counted."""
    total, tokens = 0.0, 0
    for batch in in_order(pairs, batch_size):
        data = to_device(batch, model.device)
        logits = model(data.source, data.source_lengths, data.target_in)  # (B, T, V)
        total += float(cross_entropy(logits, data.target_out)[0])
        tokens += data.tokens
        tick()
    return total / max(tokens, 1)


def outcome(
    model: Model,
    pairs: Pairs,
    limits: Limits,
    decode: DecodeConfig,
    batch_size: int,
    tick: Tick = _silent,
) -> Outcome:
    """Score a split: the loss, and the answers beside the truths."""
    model.eval()
    loss = mean_loss(model, pairs, batch_size, tick)
    found = predictions(model, pairs, limits, decode, batch_size, tick)
    return Outcome(loss, pairs.targets, found)


def in_order(pairs: Pairs, batch_size: int) -> Iterator[Batch]:
    """Cut rows into batches of like lengths, nothing drawn at random."""
    return BatchStream(pairs, batch_size, seed=0, shuffle=False).epoch(0)


def sample_rows(pairs: Pairs, most: int, seed: int) -> Pairs:
    """Return at most ``most`` rows, drawn once and for all by ``seed``."""
    if len(pairs) <= most:
        return pairs
    return pairs.take(np.sort(np.random.default_rng(seed).permutation(len(pairs))[:most]))
