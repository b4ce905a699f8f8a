"""Represent corpora: encoded pairs, their codec, their splits, and maximum lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.hashing import Hashes, row_hashes
from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.token_rows import take_texts
from seqcli.data.vocabulary import (
    Normalizer,
    Tokenizer,
    Vocabulary,
    feature_text,
    feature_tokens,
    is_feature,
)
from seqcli.schema import Bounds, Count, Plain

if TYPE_CHECKING:
    from seqcli.events import DataRead

MAX_TOKENS = 1_000_000  # in a training row
ROOM = 10  # tokens by which a prediction may exceed the longest training target


@dataclass(frozen=True)
class MaxLengths:
    """Maximum lengths of the training rows, in tokens.

    For sources up to the longest training source, a prediction may be ROOM tokens longer than the
    longest training target; for longer sources the limit grows proportionally.

    Args:
        source, target: the maximum length of each side.
        labels: whether each target, and so each prediction, is a label of one token.
    """

    source: int
    target: int
    labels: bool = False

    def prediction(self, source: int) -> int:
        """Return the maximum length of a prediction for a source of ``source`` tokens."""
        room = self.target + ROOM
        return room if source <= self.source else -(-room * source // max(self.source, 1))

    @property
    def positions(self) -> int:
        """The number of learned positions: the longest source, its prediction, and ``<eos>``."""
        return self.source + self.prediction(self.source) + 1


SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Pairs:
    """The encoded rows of one split.

    Args:
        targets: N rows of target ids, without BOS and EOS.
        sources: N rows of source ids, or None for a language model.
        unknown_targets, unknown_sources: the texts of the UNK tokens, in order; may be empty if
            they are not needed.
        weights: (N,) training weight of each row, 1 on average; None if all are equal.
    """

    targets: Ragged
    sources: Ragged | None = None
    unknown_targets: tuple[str, ...] = ()
    unknown_sources: tuple[str, ...] = ()
    weights: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def source_lengths(self) -> Index:
        """(N,); zeros without sources."""
        if self.sources is None:
            return np.zeros(len(self), np.int64)
        return self.sources.lengths

    def source_lengths_of(self, rows: Index) -> Index:
        """Return the source lengths (B,) of the given rows; zeros without sources."""
        return (
            np.zeros(len(rows), np.int64) if self.sources is None else self.sources.lengths_of(rows)
        )

    def take(self, rows: Index) -> Pairs:
        """Return the given rows, in the given order."""
        targets, texts = (
            self.targets.take(rows),
            take_texts(self.targets, self.unknown_targets, rows),
        )
        weights = None if self.weights is None else self.weights[rows]
        if self.sources is None:
            return Pairs(targets, None, texts, (), weights)
        source_texts = take_texts(self.sources, self.unknown_sources, rows)
        return Pairs(targets, self.sources.take(rows), texts, source_texts, weights)

    def sample(self, size: int, seed: int) -> Pairs:
        """Return a random sample of at most ``size`` rows, in their original order."""
        if len(self) <= size:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:size]))


@dataclass(frozen=True)
class Codec:
    """Convert text to ids and back, for both sides. Checkpoints store the codec.

    Args:
        target, target_tokenizer: vocabulary and tokenizer of the targets.
        source, source_tokenizer: those of the sources; ``source`` is None for a language model.
        normalizer: normalizes texts before tokenization.
        features: whether a source may be followed by a tab and features such as ``N;ACC;PL``.
    """

    target: Vocabulary
    target_tokenizer: Tokenizer
    source: Vocabulary | None = None
    source_tokenizer: Tokenizer = field(default_factory=lambda: Tokenizer("words"))
    normalizer: Normalizer = field(default_factory=Normalizer)
    features: bool = False

    @property
    def grapheme_rule(self) -> str:
        """The version of the grapheme segmentation rules; "" if no side uses graphemes."""
        used = [self.target_tokenizer] + [self.source_tokenizer] * (self.source is not None)
        return next((one.rule for one in used if one.rule), "")

    @property
    def text_settings(self) -> dict[str, str]:
        """The settings that determine the tokens of a text, by their names in messages."""
        sources = {"the tokenization of sources": self.source_tokenizer.style}
        return {
            **(sources if self.source is not None else {}),
            "the tokenization of targets": self.target_tokenizer.style,
            "normalization": self.normalizer.normalize,
            "lowercasing": self.normalizer.lower,
        }

    @property
    def copy_ids(self) -> list[int]:
        """For each source id the target id of the same token, or PAD; empty without a source."""
        return [] if self.source is None else self.source.ids_in(self.target)

    def tokenize_source(self, text: str) -> list[str]:
        """Tokenize a source as written by a user; its features come last."""
        features = ""
        if self.features:
            text, _, features = text.partition("\t")
        return self.with_features(
            self.source_tokenizer.split(self.normalizer.source(text)), features
        )

    def columns_note(self, text: str) -> str:
        """Describe what is wrong with the columns of a source; "" if they are correct."""
        tabs = text.count("\t")
        if tabs == self.features or not text.strip():
            return ""
        if self.features:
            columns = f"{tabs + 1} columns" if tabs else "no features"
            return f"{columns}; this model takes source<TAB>features"
        has_tab_tokens = self.source is not None and any("\t" in one for one in self.source.tokens)
        return "" if has_tab_tokens else f"{tabs + 1} columns; this model takes the source alone"

    def with_features(self, tokens: list[str], features: str) -> list[str]:
        """Append the tokens of the features to those of a source."""
        return [*tokens, *feature_tokens(features, self.normalizer)] if features else tokens

    def tokenize_target(self, text: str) -> list[str]:
        """Tokenize a target as written by a user."""
        return self.target_tokenizer.split(self.normalizer.target(text))

    def source_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of source ids."""
        return self.detokenize_source(self.source.decode(row)) if self.source else ""

    def detokenize_source(self, tokens: Sequence[str]) -> str:
        """Join the tokens of a source: the inverse of ``tokenize_source``."""
        if not self.features:
            return self.source_tokenizer.join(tokens)
        text = self.source_tokenizer.join([one for one in tokens if not is_feature(one)])
        features = feature_text([one for one in tokens if is_feature(one)])
        return f"{text}\t{features}" if features else text

    def target_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of target ids."""
        return self.target_tokenizer.join(self.target.decode(row))


@dataclass(frozen=True)
class Provenance:
    """Where the rows of a corpus come from; a checkpoint stores it to recognize the same data.

    A field that does not apply is None.

    Args:
        task, version, options: the task that generated the rows, its version and its options.
        path: the path of the user's file or folder, or key -> the file of each split.
        sha256: the digest of the file, or of several files; of those in a folder, by name.
        seed: the random seed of the generated rows, or of the split by source.
        sizes: split -> number of generated rows.
        overlap: two splits (``train-val``) -> number of generated rows that are in both.
        max_source, max_target: the length of the longest training source and target, in tokens.
    """

    task: str | None = None
    version: int | None = None
    options: Mapping[str, Plain] | None = None
    path: str | Mapping[str, str] | None = None
    sha256: str | tuple[str, ...] | Mapping[str, str] | None = None
    seed: Count | None = None
    sizes: Mapping[str, Count] | None = None
    overlap: Mapping[str, Count] | None = None
    max_source: Annotated[int, Bounds(0, MAX_TOKENS)] | None = None
    max_target: Annotated[int, Bounds(0, MAX_TOKENS)] | None = None

    def has_same_rows(self, other: Provenance) -> bool:
        """Return whether both describe the same rows, which may have moved to another path."""
        compared = (one.name for one in fields(Provenance) if one.name != "path")
        return all(getattr(self, name) == getattr(other, name) for name in compared)


@dataclass(frozen=True)
class Distillation:
    """Training rows that a teacher predicted; see `seqcli.api.distilling`.

    Args:
        teacher: the run folder of the teacher, or its checkpoint.
        unlabelled: the file of unlabelled sources; None without one.
        sha256: the digest of that file.
        rows: the number of rows: ``gold``, and those of the teacher for sources of ``train`` and
            for ``unlabelled`` sources.
        left_out: reason -> number of sources without a row.
        other_data: whether the teacher was trained on other data.
    """

    teacher: str
    unlabelled: str | None = None
    sha256: str | None = None
    rows: Mapping[str, Count] = field(default_factory=dict)
    left_out: Mapping[str, Count] = field(default_factory=dict)
    other_data: bool = False


@dataclass(frozen=True)
class Corpus:
    """Encoded splits with the codec that made them.

    Args:
        name: its display name, such as ``"reverse"`` or the stem of the user's file.
        splits: split name -> rows; always includes ``train``.
        baselines: split (val and test, else train) -> baseline ("chance", "majority" ...) ->
            metric -> score.
        provenance: where the rows come from.
        notes: messages for the user, one line each (skipped rows, repeats ...).
        reading: how the user's files were read; None for a task.
        named_rows: the file that lists every row of the findings in `reading`, or its content.
        distillation: the rows of a teacher among the training rows; None without a teacher.
    """

    name: str
    codec: Codec
    splits: Mapping[str, Pairs]
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)
    notes: tuple[str, ...] = ()
    reading: DataRead | None = None
    named_rows: bytes | Path = b""
    distillation: Distillation | None = None


_ENDS = (0.8, 0.9)  # fractions of the hash range at which train and val end


def split_rows(hashes: NDArray[np.uint64]) -> dict[str, Index]:
    """Split rows by their hashes and return the rows of each nonempty split in file order.

    Rows with the same hash (N,) belong to the same split, and adding rows does not move existing
    ones. If 80/10/10 would leave val or test without a hash, each gets one as long as train keeps
    one: two distinct hashes make train and val, a single one only train.
    """
    distinct, which = np.unique(hashes, return_inverse=True)
    owner = np.searchsorted(_ends(distinct), which, side="right")  # (N,)
    rows_by_split = {split: np.flatnonzero(owner == number) for number, split in enumerate(SPLITS)}
    return {split: rows for split, rows in rows_by_split.items() if rows.size}


def _ends(hashes: NDArray[np.uint64]) -> list[int]:
    """Return the ends of train and val among the distinct hashes."""
    count = len(hashes)
    train, val = (int(np.searchsorted(hashes / 2.0**64, end)) for end in _ENDS)
    train = min(max(train, 1), max(count - 2, 1))
    return [train, min(max(val, train + 1), max(count - 1, train + 1))]


def overlaps(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Count the rows of split b that are also in split a, for each pair of splits "a-b"."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {
        f"{one}-{other}": _shared(ordered[one], ordered[other])
        for one, other in combinations(hashes, 2)
    }


def repeats(hashes: Mapping[str, Hashes]) -> dict[str, int]:
    """Count the rows of each split that repeat an earlier row."""
    ordered = {split: np.sort(rows) for split, rows in hashes.items()}
    return {split: int((rows[1:] == rows[:-1]).sum()) for split, rows in ordered.items()}


def _shared(one: Hashes, other: Hashes) -> int:
    """Count the items of ``other`` that are in ``one``, both sorted (np.isin is far slower)."""
    places = np.searchsorted(one, other).clip(max=len(one) - 1)
    return int((one[places] == other).sum())


def fingerprints(splits: Mapping[str, Pairs]) -> dict[str, Index]:
    """Return the sorted hashes of the distinct targets of each split.

    The hashes are int64 (the bits of the unsigned hashes), a type every checkpoint can store.
    """
    return {split: np.unique(_hashes(pairs.targets)) for split, pairs in splits.items()}


def known(names: Ragged, rows: Index) -> NDArray[np.bool_]:
    """Return a mask (N,): whether each name is among the rows of the fingerprints."""
    if not len(rows):
        return np.zeros(len(names), np.bool_)
    hashes = _hashes(names)
    places = np.searchsorted(rows, hashes).clip(max=len(rows) - 1)
    is_known: NDArray[np.bool_] = rows[places] == hashes
    return is_known


def _hashes(rows: Ragged) -> Index:
    return row_hashes(rows).view(np.int64)
