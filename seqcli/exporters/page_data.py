"""The data of a page that runs a model in the browser: tokens, weights, examples and checks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ensemble import Ensemble, Member
from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, to_plain
from seqcli.config.sections import SamplingConfig
from seqcli.data.baselines import scored_splits
from seqcli.data.build import corpus as build_corpus
from seqcli.data.corpus import ROOM, Codec, MaxLengths, Pairs
from seqcli.data.vocabulary import SPECIALS
from seqcli.decoding import inference
from seqcli.decoding.search import Search
from seqcli.errors import SeqcliError
from seqcli.exporters.metadata import ExportSource
from seqcli.numpy_backend.forward import load_model
from seqcli.numpy_backend.forward.base import NumpyBackend

EXAMPLES = 6  # sources to try
LONGEST_EXAMPLE = 40  # characters
LONGEST_CHECK = 40  # tokens of a source, and of a prediction before `ROOM` more
READ = 500  # rows to choose examples from
BATCH = 64
_STEPS = 32767  # the largest 16-bit integer

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class StoredWeights:
    """The weights of one model as a page contains them.

    Args:
        dtype: float32, or int16 with a factor for each row of a matrix.
        shapes: the name and shape of each array, in the order of ``data``.
        data: the numbers, little-endian.
        arrays: name -> the array that the page computes with.
    """

    dtype: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    data: bytes
    arrays: Mapping[str, Array]

    @property
    def base64(self) -> str:
        """The numbers as text."""
        return base64.b64encode(self.data).decode("ascii")


def as_float32(weights: Mapping[str, Array]) -> StoredWeights:
    """Store weights as 32-bit floating-point numbers."""
    arrays = {name: np.ascontiguousarray(array, "<f4") for name, array in weights.items()}
    data = b"".join(array.tobytes() for array in arrays.values())
    return StoredWeights("float32", _shapes(arrays), data, arrays)


def as_int16(weights: Mapping[str, Array]) -> StoredWeights:
    """Store matrices as 16-bit integers with a 32-bit factor for each row, vectors as float32.

    The error is at most 1/65534 of the largest weight of a row, which is smaller than that of
    16-bit floating-point numbers for all but small weights.
    """
    arrays, parts = {}, []
    for name, array in weights.items():
        array = np.ascontiguousarray(array, "<f4")
        if array.ndim == 2:
            factors = (np.abs(array).max(axis=1, initial=0) / _STEPS).astype("<f4")  # (rows,)
            divisors = np.where(factors > 0, factors, 1)[:, None]  # (rows, 1)
            integers = np.rint(array / divisors).clip(-_STEPS, _STEPS).astype("<i2")
            parts += [factors.tobytes(), integers.tobytes()]
            array = integers.astype(np.float32) * factors[:, None]
        else:
            parts.append(array.tobytes())
        arrays[name] = array
    return StoredWeights("int16", _shapes(arrays), b"".join(parts), arrays)


def _shapes(arrays: Mapping[str, Array]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, array.shape) for name, array in arrays.items())


def joint_limits(sources: Sequence[ExportSource]) -> MaxLengths:
    """Return the maximum lengths: the largest of any member."""
    limits = [one.limits for one in sources]
    largest = max(one.source for one in limits), max(one.target for one in limits)
    return MaxLengths(*largest, labels=limits[0].labels)


def describe_texts(codec: Codec) -> dict[str, Any]:
    """Return what a page needs to tokenize and to write texts."""
    return {
        "source": None if codec.source is None else _side(codec, "source"),
        "target": _side(codec, "target"),
        "normalize": codec.normalizer.normalize,
        "features": codec.features,
    }


def _side(codec: Codec, side: str) -> dict[str, Any]:
    vocabulary, tokenizer = getattr(codec, side), getattr(codec, f"{side}_tokenizer")
    return {
        "tokenization": tokenizer.style,
        "joiner": tokenizer.joiner,
        "tokens": list(vocabulary.tokens),
        "lower": codec.normalizer.lower in (side, "both"),
    }


def describe_lengths(sources: Sequence[ExportSource]) -> dict[str, Any]:
    """Return the maximum lengths, as `seqcli.data.corpus.MaxLengths` and `predict` have them."""
    limits = joint_limits(sources)
    models = [one for one in sources if one.config.model.cell == "transformer"]
    learned = [one for one in models if one.config.model.positions == "learned"]
    return {
        "source": limits.source,
        "target": limits.target,
        "labels": limits.labels,
        "room": ROOM,
        "longest": max(sources[0].config.data.max_length, limits.source),
        "positions": min((one.limits.positions for one in learned), default=None),
        "continued": any(one.config.model.continue_positions for one in learned),
    }


def describe_member(source: ExportSource, stored: StoredWeights) -> dict[str, Any]:
    """Return the configuration of a model, the names of its weights and the maps of its ids."""
    return {
        "config": to_plain(source.config)["model"],
        "dtype": stored.dtype,
        "shapes": stored.shapes,
        "copyIds": source.codec.copy_ids,
        "sourceIds": None if source.source_ids is None else source.source_ids.tolist(),
        "targetIds": None if source.target_ids is None else source.target_ids.tolist(),
    }


def forward(
    sources: Sequence[ExportSource], weights: Sequence[Mapping[str, Array]] | None = None
) -> NumpyBackend:
    """Return the model or the ensemble in NumPy, if given with other weights."""
    members = []
    for i, one in enumerate(sources):
        checkpoint = one.checkpoint
        if weights is not None:
            checkpoint = replace(checkpoint, weights=weights[i])
        double = one.config.train.precision == "float64"
        model = load_model(checkpoint, one.config, one.limits, one.path, "f8" if double else "f4")
        members.append(Member(model, one.source_ids, one.target_ids))
    if len(members) == 1:
        return NumpyBackend(members[0].model)
    return NumpyBackend(Ensemble(tuple(members)))


def check_rows(sources: Sequence[ExportSource], backend: NumpyBackend, count: int) -> Pairs:
    """Return rows to compare outputs on: random sources with the model's predictions for them.

    For a language model they are samples. The rows are random, so that the page does not reveal
    texts of the training data.
    """
    limits, vocabulary = joint_limits(sources), sources[0].codec.source
    shorter = min(limits.source, LONGEST_CHECK), min(limits.target, LONGEST_CHECK)
    limits = MaxLengths(*shorter, labels=limits.labels)
    random = np.random.default_rng(0)
    if vocabulary is None:
        longest = limits.prediction(0)
        rows = inference.sample_texts(backend, count, (), longest, SamplingConfig(), random)
        return Pairs(Ragged.from_rows(rows))
    first, last = len(SPECIALS), len(vocabulary)
    lengths = random.integers(1, limits.source + 1, count)
    drawn = Ragged.from_rows([random.integers(first, last, size).tolist() for size in lengths])
    decoded = inference.decode_sources(backend, drawn, limits, Search(), BATCH)
    return Pairs(Ragged.from_rows([best.ids for (best,) in decoded]), drawn)


def log_probabilities(backend: NumpyBackend, rows: Pairs) -> NDArray[np.float64]:
    """Return the log-probability (N,) of each target in nats, EOS included."""
    nats: NDArray[np.float64] = inference.row_nats(backend, rows, BATCH)
    return -nats


def describe_checks(rows: Pairs, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the rows and their log-probabilities, which the page compares with its own."""
    sources = Ragged.from_rows([[]] * len(rows)) if rows.sources is None else rows.sources
    return [
        {"source": sources[i].tolist(), "target": rows.targets[i].tolist(), "score": score}
        for i, score in enumerate(np.round(scores, 6).tolist())
    ]


def examples(config: Config, codec: Codec) -> tuple[list[str], str]:
    """Return sources to try, of several lengths, and the name of their split.

    Without a source, or if the data is missing, there are none.
    """
    if codec.source is None:
        return [], ""
    try:
        corpus = build_corpus(config.data, config.task)
    except SeqcliError:  # the data is missing or has changed
        return [], ""
    split = scored_splits(corpus.splits)[-1]
    sources = corpus.splits[split].take(np.arange(min(READ, len(corpus.splits[split])))).sources
    if sources is None or corpus.codec.source is None:
        return [], ""
    texts = {corpus.codec.source_text(sources[i].tolist()) for i in range(len(sources))}
    fitting = sorted((one for one in texts if len(one) <= LONGEST_EXAMPLE), key=_length_and_text)
    places = np.linspace(0, len(fitting) - 1, min(EXAMPLES, len(fitting))).astype(int)
    return [fitting[place] for place in dict.fromkeys(places.tolist())], split


def _length_and_text(text: str) -> tuple[int, str]:
    return len(text), text
