"""Measure from the rows alone whether source and target are aligned monotonically.

Two translation tables p(target token | source token) are fitted by expectation-maximization (EM):
one with free alignments, where every target token comes from any source position with equal
probability (IBM model 1; Brown et al. 1993), and one with alignments whose position never
decreases. For pronunciation and transliteration letter by letter, the second explains the targets
better; for reversed or sorted sequences and for translated words, it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Ragged

Floats = NDArray[np.float64]
Ids = NDArray[np.int64]

MAX_ROWS = 500  # rows that are aligned, evenly spaced in the data
MAX_CELLS = 100_000  # pairs of a source and a target position that are aligned, about a second
FREE_ITERATIONS, MONOTONIC_ITERATIONS = 8, 5  # of EM
SMOOTHING = 0.01  # added to the expected counts


def monotonic_gain(sources: Ragged, targets: Ragged) -> float:
    """Return how much better monotonic alignments explain the targets than free ones.

    Args:
        sources, targets: N rows each.

    Returns:
        the difference of the mean log-likelihood, in nats per target token; 0.0 if no row has
        both source and target tokens.
    """
    batch = _sampled(sources, targets)
    if batch is None:
        return 0.0
    table = np.full((batch.source.max() + 1, batch.target.max() + 1), 1.0)
    table /= table.shape[1]
    for _ in range(FREE_ITERATIONS):
        free, posterior = free_alignment(batch.emissions(table), *batch.masks)
        table = batch.reestimated(table, posterior)
    monotonic = free
    for _ in range(MONOTONIC_ITERATIONS):
        monotonic, posterior = monotonic_alignment(batch.emissions(table), *batch.masks)
        table = batch.reestimated(table, posterior)
    return float((monotonic - free).sum() / batch.masks[1].sum())


def free_alignment(
    emissions: Floats, in_source: NDArray[np.bool_], in_target: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Align every target token with any source position, all equally likely beforehand.

    Args:
        emissions: (B, S, T), p(y_t | x_j); 0 for padded source positions.
        in_source: (B, S), false for padding.
        in_target: (B, T), false for padding.

    Returns:
        the log-likelihood of each row (B,), and p(a_t = j | x, y) (B, S, T), 0 for padding.
    """
    total = emissions.sum(1)  # (B, T)
    likelihood = np.log(total / in_source.sum(1, keepdims=True)) * in_target  # (B, T)
    return likelihood.sum(1), emissions / total[:, None] * in_target[:, None]


def monotonic_alignment(
    emissions: Floats, in_source: NDArray[np.bool_], in_target: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Align with positions that never decrease, by the scaled forward-backward algorithm.

    From position j, each of the positions j, j + 1, ... is equally likely; the first target token
    comes from any position. Arguments and results are those of `free_alignment`.
    """
    lengths = in_source.sum(1)
    choices = np.maximum(lengths[:, None] - np.arange(in_source.shape[1]), 1)  # (B, S)
    forward, scales = np.empty(emissions.shape), np.empty(in_target.shape)
    position = np.zeros(in_source.shape)
    position[:, 0] = 1.0
    for t in range(in_target.shape[1]):
        reached = np.cumsum(position / choices, axis=1) * emissions[:, :, t]  # (B, S)
        scales[:, t] = reached.sum(1)
        forward[:, :, t] = position = reached / scales[:, t, None]
    posterior, backward = np.empty(emissions.shape), np.ones(in_source.shape)
    for t in reversed(range(in_target.shape[1])):
        posterior[:, :, t] = forward[:, :, t] * backward
        rest = emissions[:, :, t] * backward / scales[:, t, None]  # (B, S)
        backward = np.cumsum(rest[:, ::-1], axis=1)[:, ::-1] / choices
    return (np.log(scales) * in_target).sum(1), posterior * in_target[:, None]


@dataclass(frozen=True)
class _Batch:
    """Padded rows: ``source`` (B, S) and ``target`` (B, T), with masks of the same shapes."""

    source: Ids
    target: Ids
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]]

    def emissions(self, table: Floats) -> Floats:
        """Return p(y_t | x_j) (B, S, T): 0 for padded source positions, else 1 for padded targets.

        A padded target token thereby changes neither the likelihood nor the other posteriors.
        """
        in_source, in_target = self.masks
        found = table[self.source[:, :, None], self.target[:, None]]  # (B, S, T)
        return np.where(in_target[:, None], found, 1.0) * in_source[:, :, None]

    def reestimated(self, table: Floats, posterior: Floats) -> Floats:
        """Return the table for the expected counts of a posterior (B, S, T)."""
        cells = self.source[:, :, None] * table.shape[1] + self.target[:, None]  # (B, S, T)
        counts = np.bincount(cells.ravel(), posterior.ravel(), table.size) + SMOOTHING
        counts = counts.reshape(table.shape)
        reestimated: Floats = counts / counts.sum(1, keepdims=True)
        return reestimated


def _sampled(sources: Ragged, targets: Ragged) -> _Batch | None:
    """Return evenly spaced rows that have both sides, fewer if they are long; None without any.

    Rows of more than twice the mean length are left out, since all are padded to the longest.
    """
    lengths = np.stack([sources.lengths, targets.lengths])  # (2, N)
    usable = (lengths > 0).all(0)  # (N,)
    if not usable.any():
        return None
    usable &= (lengths <= 2 * lengths[:, usable].mean(1, keepdims=True)).all(0)
    rows = np.flatnonzero(usable)
    count = min(len(rows), MAX_ROWS, max(1, int(MAX_CELLS / lengths[:, rows].prod(0).mean())))
    rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    (source, sizes), (target, steps) = sources.padded(rows, 0), targets.padded(rows, 0)
    in_source = np.arange(source.shape[1]) < sizes[:, None]  # (B, S)
    in_target = np.arange(target.shape[1]) < steps[:, None]  # (B, T)
    return _Batch(_dense(source), _dense(target), (in_source, in_target))


def _dense(ids: Ids) -> Ids:
    """Number the ids that occur from 0 on, so that the table is small."""
    return np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int64)
