"""Sums over clusters: rows that share a source are right or wrong together and count as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def cluster_ids(groups: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return (N,) ids from 0 without gaps, equal where ``groups`` are equal."""
    ids: NDArray[np.int64] = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return ids


def cluster_sums(values: Floats, clusters: NDArray[np.int64]) -> Floats:
    """Return (..., C) the sums over the rows (..., N) of each cluster."""
    number = int(clusters.max(initial=-1)) + 1
    if number == len(clusters):  # every row is its own: only the order may differ
        alone = np.empty_like(values)
        alone[..., clusters] = values
        return alone
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(clusters, row, number) for row in flat]).astype(np.float64)
    return sums.reshape(*values.shape[:-1], number)
