"""Score and decode rows with a trained model of any backend, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ensemble import Ensemble
from seqcli.arrays.functions import Array
from seqcli.arrays.ragged import Index, Ragged
from seqcli.config.sections import SamplingConfig
from seqcli.data.batches import Batch, BatchStream, padded_batch
from seqcli.data.corpus import MaxLengths, Pairs
from seqcli.decoding.loop import Hypothesis, PrefixedModel, StepModel
from seqcli.decoding.search import (
    Search,
    attention_weights,
    next_token_probabilities,
    sample,
    search,
    target_probabilities,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Tick = Callable[[], None]

LABEL_LIMIT = 2  # tokens: the label and EOS, which counts in its log-probability
LONG_LINE = 64  # tokens; batches of longer sources are smaller, so that memory stays bounded


class Backend(Protocol):
    """A model with its array library."""

    @property
    def model(self) -> StepModel:
        """The model, in evaluation mode."""

    def with_model(self, model: Ensemble) -> Backend:
        """Return the backend of an ensemble whose members are on the same device."""

    def array(self, values: NDArray[Any]) -> Array:
        """Return values as an array of this library, on the model's device."""

    def sources(self, batch: Batch) -> tuple[Array, Array]:
        """Return the sources (B, S), (B, 0) for a language model, and their lengths (B,)."""

    def nats(self, batch: Batch) -> Floats:
        """Return (B,) the negative log-likelihood of each target, EOS included."""

    def inference(self) -> AbstractContextManager[object]:
        """Return a context without gradient computation."""


def do_nothing() -> None:
    """Do nothing after a batch."""


def row_nats(backend: Backend, pairs: Pairs, batch_size: int, tick: Tick = do_nothing) -> Floats:
    """Return (N,) the negative log-likelihood of each target, EOS included.

    Args:
        backend: the model.
        pairs: N rows.
        batch_size: rows of a batch.
        tick: called after each batch.
    """
    nats = np.zeros(len(pairs))
    for batch in in_order(pairs, batch_size):
        with backend.inference():
            nats[batch.rows] = backend.nats(batch)
        tick()
    return nats


def mean_loss(backend: Backend, pairs: Pairs, batch_size: int, tick: Tick = do_nothing) -> float:
    """Return the mean loss in nats per target token, EOS included; see `row_nats`."""
    nats = row_nats(backend, pairs, batch_size, tick)
    return float(nats.sum()) / max(len(pairs.targets.tokens) + len(pairs), 1)


def predictions(
    backend: Backend,
    pairs: Pairs,
    limits: MaxLengths,
    settings: Search,
    batch_size: int,
    tick: Tick = do_nothing,
    oracle_length: bool = False,
) -> tuple[Ragged, Flags]:
    """Return the best prediction of each row, and whether it is truncated (N,).

    Args:
        backend: the model.
        pairs: N rows.
        limits: the maximum lengths.
        settings: the beam width, the length penalty and the number of hypotheses.
        batch_size: rows of a batch.
        tick: called after each batch.
        oracle_length: whether each prediction is forced to the length of its target.
    """
    rows: list[list[int]] = [[] for _ in range(len(pairs))]
    truncated = np.zeros(len(pairs), np.bool_)
    for batch in in_order(pairs, batch_size):
        ends = batch.target_lengths - 1 if oracle_length else None
        hypotheses = decode_batch(backend, batch, limits, settings, ends)
        for row, (best, *_) in zip(batch.rows.tolist(), hypotheses, strict=True):
            rows[row], truncated[row] = best.ids, best.truncated
        tick()
    return Ragged.from_rows(rows), truncated


def decode_sources(
    backend: Backend, sources: Ragged, limits: MaxLengths, settings: Search, batch_size: int
) -> list[list[Hypothesis]]:
    """Return the predictions of each source, in order; none for an empty source."""
    hypotheses: list[list[Hypothesis]] = [[] for _ in range(len(sources))]
    pairs = Pairs(Ragged.from_rows([[]] * len(sources)), sources)
    for rows in _batches_by_length(sources, batch_size):
        decoded = decode_batch(backend, padded_batch(pairs, rows), limits, settings)
        for row, candidates in zip(rows.tolist(), decoded, strict=True):
            hypotheses[row] = candidates
    return hypotheses


def decode_batch(
    backend: Backend, batch: Batch, limits: MaxLengths, settings: Search, ends: Index | None = None
) -> list[list[Hypothesis]]:
    """Return the predictions of each row of a batch, best first.

    Args:
        backend: the model.
        batch: B rows.
        limits: the maximum lengths; labels have exactly one token.
        settings: the beam width, the length penalty and the number of hypotheses.
        ends: (B,) the exact length of each prediction; None leaves it free.
    """
    limit, ends = _limit(batch, limits, ends)
    native = None if ends is None else backend.array(ends)
    with backend.inference():
        return search(backend.model, *backend.sources(batch), limit, settings, native)


def sample_batch(
    backend: Backend,
    batch: Batch,
    limits: MaxLengths,
    settings: SamplingConfig,
    random: np.random.Generator,
    max_length: int | None = None,
) -> list[Hypothesis]:
    """Sample a target for each row of a batch."""
    limit, ends = _limit(batch, limits, None)
    limit = limit if ends is not None or max_length is None else max_length
    native = None if ends is None else backend.array(ends)
    with backend.inference():
        source = backend.sources(batch)
        return sample(backend.model, *source, limit, settings, random, native)


def decode_texts(
    backend: Backend, prefix: Sequence[int], limit: int, settings: Search
) -> list[Hypothesis]:
    """Return the most likely continuations of a prefix by a language model, best first."""
    model = PrefixedModel(backend.model, prefix)
    with backend.inference():
        (hypotheses,) = search(model, *backend.sources(texts(1)), limit, settings)
    return hypotheses


def sample_texts(
    backend: Backend,
    count: int,
    prefix: Sequence[int],
    limit: int,
    settings: SamplingConfig,
    random: np.random.Generator,
) -> list[list[int]]:
    """Sample continuations of a prefix, of at most ``limit`` tokens, from a language model."""
    model = PrefixedModel(backend.model, prefix)
    with backend.inference():
        drawn = sample(model, *backend.sources(texts(count)), limit, settings, random)
    return [one.ids for one in drawn]


def next_token(backend: Backend, prefix: Sequence[int], settings: SamplingConfig) -> Floats:
    """Return the distribution (V,) of the token after a prefix, by a language model."""
    with backend.inference():
        source, _ = backend.sources(texts(1))
        return next_token_probabilities(PrefixedModel(backend.model, prefix), source, settings)


def token_probabilities(
    backend: Backend,
    sources: Ragged,
    hypotheses: Sequence[Sequence[Hypothesis]],
    batch_size: int,
) -> list[list[list[float]]]:
    """Return the probabilities of the tokens of each hypothesis of each source, and of EOS.

    Their product is the probability of the hypothesis.
    """
    owners = np.array([row for row, some in enumerate(hypotheses) for _ in some], np.int64)
    targets = Ragged.from_rows([one.ids for some in hypotheses for one in some])
    pairs, found = Pairs(targets, sources.take(owners)), [list[float]()] * len(targets)
    for batch in in_order(pairs, batch_size):
        with backend.inference():
            source = backend.sources(batch)
            probabilities = target_probabilities(backend.model, *source, batch.target_out)
        lengths = batch.target_lengths.tolist()
        for row, values, length in zip(batch.rows.tolist(), probabilities, lengths, strict=True):
            found[row] = values[:length].tolist()
    one_by_one = iter(found)
    return [[next(one_by_one) for _ in some] for some in hypotheses]


def attention_map(
    backend: Backend, source: Sequence[int], prediction: Sequence[int]
) -> NDArray[np.floating] | None:
    """Return the attention weights (T + 1, S) of a prediction and EOS; None without attention."""
    pairs = Pairs(Ragged.from_rows([prediction]), Ragged.from_rows([source]))
    with backend.inference():
        arrays, _ = backend.sources(padded_batch(pairs, np.zeros(1, np.int64)))
        return attention_weights(backend.model, arrays, prediction)


def in_order(pairs: Pairs, batch_size: int) -> Iterator[Batch]:
    """Yield batches of rows of similar length, without shuffling."""
    return BatchStream(pairs, batch_size, shuffle=False).epoch(0)


def texts(count: int) -> Batch:
    """Return a batch of ``count`` empty targets without sources, for a language model."""
    return padded_batch(Pairs(Ragged.from_rows([[]] * count)), np.arange(count))


def _limit(batch: Batch, limits: MaxLengths, ends: Index | None) -> tuple[int, Index | None]:
    """Return the maximum length of the predictions of a batch, and their lengths if known."""
    if limits.labels:
        return LABEL_LIMIT, np.ones(len(batch.rows), np.int64)
    if ends is not None:
        return int(ends.max()), ends
    return limits.prediction(0 if batch.source is None else batch.source.shape[1]), None


def _batches_by_length(sources: Ragged, batch_size: int) -> Iterator[Index]:
    """Yield the rows of each batch, shortest first; empty sources are in none."""
    lengths = sources.lengths
    order = np.argsort(lengths, kind="stable")
    order = order[np.searchsorted(lengths[order], 1) :]
    while len(order):
        size = min(batch_size, len(order))
        while size > 1 and size * int(lengths[order[size - 1]]) > batch_size * LONG_LINE:
            size //= 2
        yield order[:size]
        order = order[size:]
