"""The schema of a checkpoint: every key that is read, with its type (`seqcli.schema`).

The keys of ``config`` are checked by `seqcli.config`, and those of ``training`` by the parts of the
trainer that restore them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import numpy as np

from seqcli import __version__, registry, schema
from seqcli.checkpoints.archive import DEEPEST, MAX_INT_BITS, MOST_VALUES
from seqcli.data.corpus import Codec, Distillation, Provenance
from seqcli.data.vocabulary import FORMS, SIDES, Normalizer, Tokenizer, Vocabulary
from seqcli.errors import CheckpointError
from seqcli.schema import Array, Count, Number, Open, Plain, is_array, quoted


class CodecSection(TypedDict):
    """How text becomes ids; see `seqcli.data.corpus.Codec`."""

    source: list[str] | None
    source_tokens: str
    target: list[str]
    target_tokens: str
    normalize: Literal[FORMS]  # type: ignore[valid-type]
    lower: Literal[SIDES]  # type: ignore[valid-type]
    features: bool
    grapheme_rule: str


@dataclass(frozen=True)
class FileLocation:
    """Two paths of a data file, either of which may lead to it after it has moved.

    Args:
        absolute: the absolute path.
        relative: the path relative to the run folder.
    """

    absolute: str = ""
    relative: str = ""


@dataclass(frozen=True, eq=False)
class RunRecord(Provenance):
    """What a checkpoint stores of its run: the data it was trained on, and how that was chosen.

    It is stored as the section ``about``. A field that is None was not stored.

    Args:
        name: the display name of the corpus.
        rows: split -> number of rows.
        baselines: split -> baseline -> metric -> score; see `seqcli.data.corpus.Corpus`.
        origins: configuration key -> where its value was set.
        locations: configuration key of a data file -> its paths.
        fingerprints: split -> hashes (N,) of its texts, of a language model; NumPy arrays with
            either backend.
        distillation: the rows of a teacher among the training rows.
    """

    name: str | None = None
    rows: Mapping[str, Count] | None = None
    baselines: Mapping[str, Mapping[str, Mapping[str, Number]]] | None = None
    origins: Mapping[str, str] | None = None
    locations: Mapping[str, FileLocation] | None = None
    fingerprints: Mapping[str, Annotated[Any, Array(("int64",), axes=1)]] | None = None
    distillation: Distillation | None = None


class MetricsSection(TypedDict, total=False):
    """The scores of an epoch: metric -> score, and the number of the epoch."""

    epoch: Count


class Sections(TypedDict):
    """The sections of a checkpoint."""

    format: int
    version: str
    config: dict[str, Plain]
    codec: CodecSection
    weights: dict[str, Annotated[Any, Array()]]
    about: RunRecord
    metrics: Annotated[MetricsSection, Open(Number)]
    training: dict[str, Any] | None


FORMAT = 5


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint: everything needed to use a trained model.

    Args:
        config: the run's configuration as nested dicts of scalars and lists.
        codec: vocabularies and token styles of both sides.
        weights: parameter name -> tensor or NumPy array.
        record: the training data and its baseline scores.
        metrics: the scores of the epoch the weights are from.
        training: the state to resume from (optimizer, schedule, random states, progress); None in
            ``best.pt``.
        version: the version of seqcli that wrote it.
        format: the number of the layout.
    """

    config: Mapping[str, Any]
    codec: Codec
    weights: Mapping[str, Any]
    record: RunRecord = field(default_factory=RunRecord)
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, Any] | None = None
    version: str = __version__
    format: int = FORMAT


def to_plain(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the checkpoint as plain data, ready to be written.

    Raises:
        ValueError: a value has a type that could not be read back (a bug of the caller).
    """
    return _checked(
        {
            "format": checkpoint.format,
            "version": checkpoint.version,
            "config": checkpoint.config,
            "codec": _codec_to_plain(checkpoint.codec),
            "weights": checkpoint.weights,
            "about": schema.to_plain(checkpoint.record),
            "metrics": checkpoint.metrics,
            "training": checkpoint.training,
        }
    )


def from_plain(value: object, path: Path) -> Checkpoint:
    """Return the checkpoint that was read from ``path`` as ``value``.

    Raises:
        CheckpointError: it is not a checkpoint of seqcli, has another layout or a value of a wrong
            type, or its weights are not finite.
    """
    _check_kind(value, path)
    try:
        plain = schema.read(Sections, value)
        codec = _codec_from_plain(plain["codec"])
    except ValueError as error:
        hint = "it was not written by this seqcli; train again"
        raise CheckpointError(f"{path}: {error}", hint) from error
    _check_graphemes(codec, plain["codec"]["grapheme_rule"], path)
    _check_finite(plain["weights"], "weights", path)
    record = plain.pop("about")
    return Checkpoint(**{**plain, "codec": codec, "record": record})


def _check_graphemes(codec: Codec, stored: str, path: Path) -> None:
    """Refuse a model whose texts would be split into different graphemes than in training."""
    if codec.grapheme_rule != stored:
        message = f"{path}: its graphemes follow {stored or 'no rule'}"
        hint = f"install a version of regex with {stored or 'the same rule'}, or train again"
        raise CheckpointError(f"{message}, the installed regex has {codec.grapheme_rule}", hint)


def _check_finite(arrays: Mapping[str, Any], where: str, path: Path) -> None:
    """Refuse weights that are NaN or infinite."""
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            message = f"{path}: {where}.{name} contains NaN or infinite numbers"
            raise CheckpointError(
                message, "use a checkpoint from before, or train again with a lower --lr"
            )


def _check_kind(value: object, path: Path) -> None:
    if not isinstance(value, dict) or "format" not in value or "codec" not in value:
        hint = "it may be another program's file; give a run folder or a file of `seqcli train`"
        raise CheckpointError(f"{path}: is not a checkpoint of seqcli", hint)
    if value["format"] != FORMAT:
        message = (
            f"{path}: has layout {quoted(value['format'], 40)}, this seqcli reads layout {FORMAT}"
        )
        raise CheckpointError(message, "it was written by another seqcli; upgrade, or train again")


def _checked(value: object) -> dict[str, Any]:
    """Return a plain copy of all sections, verified to be readable."""
    copier = _Copier()
    plain: dict[str, Any] = copier.copy(value, "", 0)
    schema.read(Sections, plain)
    return plain


def _need(true: bool, where: str, what: str) -> None:
    if not true:
        raise ValueError(f"{where} {what}")


class _Copier:
    """Copy plain data; refuse other types, and excessive depth or size."""

    def __init__(self) -> None:
        self.values = 0

    def copy(self, value: object, where: str, depth: int) -> Any:
        self.values += 1
        _need(self.values <= MOST_VALUES, where, "has too many values")
        _need(depth <= DEEPEST, where, "is nested too deeply")
        if isinstance(value, Mapping):
            self.values += len(value)
            return {
                _key(key, where): self.copy(item, f"{where}.{key}".lstrip("."), depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            items = [self.copy(item, where, depth + 1) for item in value]
            return items if isinstance(value, list) else tuple(items)
        return _leaf(value, where)


def _key(key: object, where: str) -> str | int:
    if isinstance(key, (str, int)) and not isinstance(key, bool):
        return sys.intern(str(key)) if isinstance(key, str) else key
    raise ValueError(f"{where} has a key that is neither text nor a whole number")


def _leaf(value: object, where: str) -> Any:
    """Return a scalar as a built-in type (``np.float64`` is not readable), an array unchanged."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool) or is_array(value):
        return value
    if isinstance(value, int):
        _need(value.bit_length() <= MAX_INT_BITS, where, "is too large a number")
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):  # one object per text: then equal checkpoints make equal pickles
        return sys.intern(str(value))
    raise ValueError(f"{where} has a type that checkpoints cannot contain: {type(value).__name__}")


def _codec_to_plain(codec: Codec) -> dict[str, Any]:
    source = None if codec.source is None else list(codec.source.tokens)
    return {
        "source": source,
        "source_tokens": codec.source_tokenizer.style,
        "target": list(codec.target.tokens),
        "target_tokens": codec.target_tokenizer.style,
        "normalize": codec.normalizer.normalize,
        "lower": codec.normalizer.lower,
        "features": codec.features,
        "grapheme_rule": codec.grapheme_rule,
    }


def _codec_from_plain(plain: CodecSection) -> Codec:
    source = None if plain["source"] is None else _vocabulary(plain["source"], "codec.source")
    return Codec(
        _vocabulary(plain["target"], "codec.target"),
        _tokenizer(plain["target_tokens"], "codec.target_tokens"),
        source,
        _tokenizer(plain["source_tokens"], "codec.source_tokens"),
        Normalizer(plain["normalize"], plain["lower"]),
        plain["features"],
    )


def _vocabulary(tokens: list[str], where: str) -> Vocabulary:
    _need(len(set(tokens)) == len(tokens), where, "repeats a token")
    return Vocabulary(tuple(tokens))


def _tokenizer(style: str, where: str) -> Tokenizer:
    names = ", ".join(registry.TOKEN_STYLES)
    _need(style in registry.TOKEN_STYLES, where, f"must be one of {names}")
    return Tokenizer(style)
