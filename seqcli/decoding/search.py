"""Decode a batch of sources: greedily, by beam search, or by sampling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.functions import Array, array_namespace, to_numpy
from seqcli.arrays.state import DecoderState
from seqcli.config.sections import SamplingConfig
from seqcli.data.vocabulary import BOS
from seqcli.decoding.loop import Frontier, Hypothesis, StepModel, decode, next_scores
from seqcli.decoding.strategies import (
    BeamSearch,
    Floats,
    Greedy,
    GreedyCertificate,
    Sampling,
    probabilities,
)


@dataclass(frozen=True)
class Search:
    """Settings of the search for predictions.

    Args:
        beam: K; 1 is greedy decoding.
        length_penalty: see `BeamSearch`.
        nbest: number of predictions per source, at most ``beam``.
    """

    beam: int = 1
    length_penalty: float = 1.0
    nbest: int = 1


def search(
    model: StepModel,
    source: Array,
    source_lengths: Array,
    limit: int,
    settings: Search,
    ends: Array | None = None,
) -> list[list[Hypothesis]]:
    """Return the ``nbest`` best predictions of each source, best first.

    Args:
        model: any model, in evaluation mode.
        source: (B, S) ids; (B, 0) for a language model.
        source_lengths: (B,), on the CPU.
        limit: maximum length; predictions that reach it are marked as truncated.
        settings: the beam width, the length penalty and the number of hypotheses.
        ends: (B,) the exact length of each prediction, at most ``limit``; None leaves it free.
    """
    first = _first(source, model.start(source, source_lengths))
    if settings.beam == 1:
        greedy = Greedy()
        decode(model, first, limit, greedy, ends)
        hypotheses = greedy.hypotheses()
    elif settings.nbest == 1:
        hypotheses = _certified_or_searched(model, first, limit, settings, ends)
    else:
        hypotheses = _beam_search(model, first, limit, settings, ends)
    if ends is not None:
        return hypotheses
    return [_mark_truncated(of_source, limit) for of_source in hypotheses]


def sample(
    model: StepModel,
    source: Array,
    source_lengths: Array,
    limit: int,
    settings: SamplingConfig,
    random: np.random.Generator,
    ends: Array | None = None,
) -> list[Hypothesis]:
    """Sample one target for each source; see `search` for the other arguments.

    Log-probabilities are those of the model, independent of the temperature.

    Args:
        settings: temperature, top-k and top-p.
        random: the random number generator.
    """
    sampling = Sampling(settings, random)
    decode(model, _first(source, model.start(source, source_lengths)), limit, sampling, ends)
    drawn = [one for (one,) in sampling.hypotheses()]
    return drawn if ends is not None else _mark_truncated(drawn, limit)


def next_token_probabilities(model: StepModel, source: Array, settings: SamplingConfig) -> Floats:
    """Return the distribution (V,) of the first token for a source (1, S)."""
    state = model.start(source, _lengths(source))
    logits, _ = model.step(_bos(source), state)  # (1, V)
    distribution: Floats = probabilities(to_numpy(next_scores(logits)), settings)[0]
    return distribution


def target_probabilities(
    model: StepModel, source: Array, source_lengths: Array, targets: NDArray[np.integer]
) -> Floats:
    """Return the probability (B, T) of each token of targets, given the tokens before it.

    Args:
        model: any model, in evaluation mode.
        source: (B, S) ids.
        source_lengths: (B,), on the CPU.
        targets: (B, T) ids, each with EOS; the probabilities of the padding mean nothing.
    """
    state, token = model.start(source, source_lengths), _bos(source)
    columns, rows = [], np.arange(len(targets))
    for ids in targets.T:  # (B,)
        logits, state = model.step(token, state)
        columns.append(to_numpy(next_scores(logits))[rows, ids])  # (B,)
        token = array_namespace(source).asarray(ids, dtype=token.dtype, device=token.device)
    return np.exp(np.stack(columns, axis=1).astype(np.float64))  # (B, T)


def attention_weights(
    model: StepModel, source: Array, ids: Sequence[int]
) -> NDArray[np.floating] | None:
    """Return the attention weights for predicting ``ids`` and EOS.

    Args:
        source: (1, S) ids.

    Returns:
        (T + 1, S), or None for a model without attention.
    """
    xp, bos = array_namespace(source), _bos(source)
    state, rows = model.start(source, _lengths(source)), []
    for token in [BOS, *ids]:
        _, state = model.step(bos * 0 + token, state)
        if state.attention is None:
            return None
        rows.append(state.attention[0])  # (S,)
    return to_numpy(xp.stack(rows))  # (T + 1, S)


def _first(source: Array, state: DecoderState) -> Frontier:
    xp = array_namespace(source)
    return Frontier.first(xp.arange(source.shape[0], device=source.device), state)


def _bos(source: Array) -> Array:
    xp = array_namespace(source)
    return xp.full((source.shape[0],), BOS, dtype=xp.int64, device=source.device)  # (B,)


def _lengths(source: Array) -> Array:
    """Return the lengths (B,) of sources without padding, on the CPU."""
    xp = array_namespace(source)
    return xp.full((source.shape[0],), source.shape[1], dtype=xp.int64)


def _certified_or_searched(
    model: StepModel, first: Frontier, limit: int, settings: Search, ends: Array | None
) -> list[list[Hypothesis]]:
    """Search with a beam for the sources whose greedy prediction has no certificate."""
    xp = array_namespace(first.rows)
    greedy = GreedyCertificate(settings.length_penalty)
    decode(model, first, limit, greedy, ends)
    certified = greedy.hypotheses()
    open_ = [row for row, hypothesis in enumerate(certified) if hypothesis is None]
    searched: Iterator[list[Hypothesis]] = iter(())
    if open_:
        index = xp.asarray(open_, dtype=xp.int64, device=first.rows.device)
        left = first.select(index)
        left = replace(left, rows=xp.arange(len(open_), device=index.device))
        ends = None if ends is None else xp.take(ends, index, axis=0)
        searched = iter(_beam_search(model, left, limit, settings, ends))
    return [next(searched) if one is None else [one] for one in certified]


def _beam_search(
    model: StepModel, first: Frontier, limit: int, settings: Search, ends: Array | None
) -> list[list[Hypothesis]]:
    beam = BeamSearch(settings.beam, settings.length_penalty, settings.nbest)
    decode(model, first, limit, beam, ends)
    return beam.hypotheses()


def _mark_truncated(hypotheses: list[Hypothesis], limit: int) -> list[Hypothesis]:
    return [replace(one, truncated=True) if len(one.ids) == limit else one for one in hypotheses]
