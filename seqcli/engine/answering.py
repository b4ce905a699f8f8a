"""A model's answers to the rows of a split: free running, and teacher-forced loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from seqcli.arrays.ragged import Ragged
from seqcli.config import DecodeConfig
from seqcli.data.batches import Batch, BatchStream
from seqcli.data.corpus import MaxLengths, Pairs
from seqcli.engine.beam_search import beam_search
from seqcli.engine.decoding import LABEL_STEPS, Hypothesis, greedy, label_ends
from seqcli.metrics.predictions import Flags, Outcome
from seqcli.models.base import Model
from seqcli.statistics import Floats
from seqcli.training.torch_batches import row_losses, to_device

Tick = Callable[[], None]


def _silent() -> None:
    """Do nothing between batches."""


def answer(
    model: Model,
    batch: Batch,
    limits: MaxLengths,
    decode: DecodeConfig,
    nbest: int = 1,
    oracle_length: bool = False,
) -> list[list[Hypothesis]]:
    """Return the n best answers to each row of a batch, best first.

    With ``oracle_length`` answers are told when to end: they are as long as the batch's targets.
    """
    data = to_device(batch, model.device)
    asked = data.source, data.source_lengths
    limit, ends = limits.prediction(data.source.shape[1]), None
    if limits.labels:
        limit, ends = LABEL_STEPS, label_ends(data.source)
    elif oracle_length:
        ends = torch.from_numpy(batch.target_lengths - 1).to(model.device)  # (B,)
        limit = int(ends.max())
    if decode.beam == 1 and nbest == 1:
        found = [[best] for best in greedy(model, *asked, limit, ends)]
    else:
        width = max(decode.beam, nbest)
        found = beam_search(model, *asked, limit, width, decode.length_penalty, nbest, ends)
    return found if ends is not None else [_marked(answers, limit) for answers in found]


def _marked(answers: list[Hypothesis], limit: int) -> list[Hypothesis]:
    """Mark the answers that have as many tokens as they may have."""
    return [replace(one, truncated=True) if len(one.ids) == limit else one for one in answers]


def predictions(
    model: Model,
    pairs: Pairs,
    limits: MaxLengths,
    decode: DecodeConfig,
    batch_size: int,
    tick: Tick = _silent,
    oracle_length: bool = False,
) -> tuple[Ragged, Flags]:
    """Return the best answer to each row and whether it is truncated (N,); see `answer`."""
    found: list[list[int]] = [[] for _ in range(len(pairs))]
    truncated = np.zeros(len(pairs), np.bool_)
    for batch in in_order(pairs, batch_size):
        answers = answer(model, batch, limits, decode, oracle_length=oracle_length)
        for row, (best, *_) in zip(batch.rows, answers, strict=True):
            found[row], truncated[row] = best.ids, best.truncated
        tick()
    return Ragged.from_rows(found), truncated


@torch.inference_mode()
def losses(model: Model, pairs: Pairs, batch_size: int, tick: Tick = _silent) -> Floats:
    """Return (N,) nats of each row's target, teacher forced, the end symbol counted."""
    found = np.zeros(len(pairs))
    for batch in in_order(pairs, batch_size):
        data = to_device(batch, model.device)
        logits = model(data.source, data.source_lengths, data.target_in)  # (B, T, V)
        found[batch.rows] = row_losses(logits, data.target_out).double().cpu().numpy()
        tick()
    return found


def mean_loss(model: Model, pairs: Pairs, batch_size: int, tick: Tick = _silent) -> float:
    """Return nats per target symbol over all rows, as in `losses`."""
    nats = losses(model, pairs, batch_size, tick)
    return float(nats.sum()) / max(len(pairs.targets.tokens) + len(pairs), 1)


def outcome(
    model: Model,
    pairs: Pairs,
    limits: MaxLengths,
    decode: DecodeConfig,
    batch_size: int,
    tick: Tick = _silent,
    oracle_length: bool = False,
) -> Outcome:
    """Score a split: the loss, and the answers beside the truths; see `answer`."""
    model.eval()
    nats = losses(model, pairs, batch_size, tick)
    found, truncated = predictions(model, pairs, limits, decode, batch_size, tick, oracle_length)
    return Outcome(pairs.targets, found, nats, truncated=truncated)


def in_order(pairs: Pairs, batch_size: int) -> Iterator[Batch]:
    """Cut rows into batches of like lengths, nothing drawn at random."""
    return BatchStream(pairs, batch_size, seed=0, shuffle=False).epoch(0)


def sample_rows(pairs: Pairs, most: int, seed: int) -> Pairs:
    """Return at most ``most`` rows, drawn once and for all by ``seed``."""
    if len(pairs) <= most:
        return pairs
    return pairs.take(np.sort(np.random.default_rng(seed).permutation(len(pairs))[:most]))
