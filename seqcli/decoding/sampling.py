"""Sample tokens from the model's distribution, with temperature, top-k and top-p.

Both backends sample in NumPy: with the same seed they produce the same texts, up to rounding of the
logits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.functions import to_numpy
from seqcli.arrays.namespace import Array, array_namespace
from seqcli.config.sections import SamplingConfig
from seqcli.decoding.greedy import Greedy

Floats = NDArray[np.float64]


class Sampling(Greedy):
    """Sample the next token; see `seqcli.decoding.loop.Strategy`.

    Args:
        settings: temperature, top-k and top-p.
        random: one uniform number is drawn for each source and step.
    """

    def __init__(self, settings: SamplingConfig, random: np.random.Generator) -> None:
        self.settings, self.random = settings, random

    def choose(self, scores: Array) -> tuple[Array, Array]:
        """See `Greedy.choose`."""
        xp = array_namespace(scores)
        drawn = draw(probabilities(to_numpy(scores[:, 0]), self.settings), self.random)  # (R,)
        tokens = xp.asarray(drawn[:, None], device=scores.device)  # (R, 1)
        return xp.take_along_axis(scores, tokens[..., None], axis=-1)[..., 0], tokens


def probabilities(scores: NDArray[np.floating], settings: SamplingConfig) -> Floats:
    """Return the probabilities (B, V) to sample from.

    Args:
        scores: (B, V) log-probabilities; -inf for ids that must not be sampled.
        settings: the temperature is applied first, then top-k, then top-p to the rest.
    """
    shifted = scores.astype(np.float64)  # (B, V)
    shifted -= shifted.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf at a low temperature is fine: exp(-inf) is 0
        weights = np.exp(shifted / settings.temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    if settings.top_k or settings.top_p < 1:
        weights = keep_likeliest(weights, settings.top_k, settings.top_p)
        weights /= weights.sum(axis=1, keepdims=True)
    return weights


def keep_likeliest(weights: Floats, top_k: int, top_p: float) -> Floats:
    """Return probabilities (B, V) with the unlikely ones set to 0; the rest is not rescaled.

    Args:
        weights: (B, V) probabilities.
        top_k: number to keep (Fan et al. 2018, arXiv:1805.04833); 0 keeps all.
        top_p: keep the fewest that together have this probability, at least one (nucleus
            sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.
    """
    order = np.argsort(-weights, axis=1, kind="stable")  # (B, V)
    falling = np.take_along_axis(weights, order, axis=1)  # (B, V)
    if top_k:
        falling[:, top_k:] = 0.0
        falling /= falling.sum(axis=1, keepdims=True)
    falling[:, 1:][np.cumsum(falling, axis=1)[:, :-1] >= top_p] = 0.0
    kept = np.empty_like(falling)
    np.put_along_axis(kept, order, falling, axis=1)
    return kept


def draw(weights: Floats, random: np.random.Generator) -> NDArray[np.int64]:
    """Sample one id from each row of probabilities (B, V)."""
    heights = np.cumsum(weights, axis=1)  # (B, V)
    # in (0, 1]: an id of probability 0 is never the first whose height reaches the target
    target = (1.0 - random.random(len(heights))) * heights[:, -1]
    ids: NDArray[np.int64] = np.argmax(heights >= target[:, None], axis=1)  # (B,)
    return ids
