"""Corpora: encoded pairs with their codec, and the maximum lengths of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqcli.arrays.ragged import Index, Ragged
from seqcli.data.token_rows import take_texts
from seqcli.data.tokenizers import Normalizer, Tokenizer, feature_text, feature_tokens, is_feature
from seqcli.data.vocabulary import Vocabulary
from seqcli.events import DataRead

ROOM = 10  # tokens an answer may be longer than any seen in training


@dataclass(frozen=True)
class MaxLengths:
    """Maximum lengths of the training rows, in tokens.

    Up to the longest source of training an answer may be ROOM tokens longer than the longest
    target; a longer source gets proportionally more.

    Args:
        source, target: the longest of each side.
        labels: whether each target is a label: one token, and so is every answer.
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
        """Number of learned positions: the longest source, its prediction, and one ``<eos>``."""
        return self.source + self.prediction(self.source) + 1


SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Pairs:
    """The encoded rows of one split.

    Args:
        targets: N rows of target ids, without BOS and EOS.
        sources: N rows of source ids, or None for a language model.
        unknown_targets, unknown_sources: the tokens that have no id, where the rows say UNK, in
            order; may be left empty where nobody will ask for them.
        weights: (N,) how much each row counts in training, 1 on average; None where all are alike.
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
        """Return the lengths (B,) of some sources; zeros without sources."""
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
        strange = take_texts(self.sources, self.unknown_sources, rows)
        return Pairs(targets, self.sources.take(rows), texts, strange, weights)

    def sample(self, size: int, seed: int) -> Pairs:
        """Return at most ``size`` rows in their order, drawn once by ``seed``."""
        if len(self) <= size:
            return self
        return self.take(np.sort(np.random.default_rng(seed).permutation(len(self))[:size]))


@dataclass(frozen=True)
class Codec:
    """Convert text to ids and back, for both sides: the part of a corpus that a checkpoint stores.

    Args:
        target, target_tokens: tokens of the targets, and how they are cut.
        source, source_tokens: those of the sources; ``source`` is None for a language model.
        form: what is done to a text before it is cut.
        features: whether a source may go on, after a tab, with features such as ``N;ACC;PL``.
    """

    target: Vocabulary
    target_tokenizer: Tokenizer
    source: Vocabulary | None = None
    source_tokenizer: Tokenizer = field(default_factory=lambda: Tokenizer("words"))
    normalizer: Normalizer = field(default_factory=Normalizer)
    features: bool = False

    @property
    def grapheme_rule(self) -> str:
        """The version of the rules for graphemes; "" if no side uses them."""
        used = [self.target_tokenizer] + [self.source_tokenizer] * (self.source is not None)
        return next((one.rule for one in used if one.rule), "")

    def tokenize_source(self, text: str) -> list[str]:
        """Return the tokens of a source as a user writes it; its features come last."""
        features = ""
        if self.features:
            text, _, features = text.partition("\t")
        return self.with_features(
            self.source_tokenizer.split(self.normalizer.source(text)), features
        )

    def columns_note(self, text: str) -> str:
        """Return what is wrong with the columns of a source; "" if nothing is."""
        tabs = text.count("\t")
        if tabs == self.features or not text.strip():
            return ""
        if self.features:
            found = f"{tabs + 1} columns" if tabs else "no features"
            return f"{found}; this model takes source<TAB>features"
        known = self.source is not None and any("\t" in one for one in self.source.tokens)
        return "" if known else f"{tabs + 1} columns; this model takes the source alone"

    def with_features(self, tokens: list[str], features: str) -> list[str]:
        """Return the tokens of a source followed by those of its features."""
        return [*tokens, *feature_tokens(features, self.normalizer)] if features else tokens

    def tokenize_target(self, text: str) -> list[str]:
        """Return the tokens of a target as a user writes it."""
        return self.target_tokenizer.split(self.normalizer.target(text))

    def source_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of source ids, as a user writes it."""
        return self.detokenize_source(self.source.decode(row)) if self.source else ""

    def detokenize_source(self, tokens: Sequence[str]) -> str:
        """Return the text of the tokens of a source: the inverse of ``tokenize_source``."""
        if not self.features:
            return self.source_tokenizer.join(tokens)
        text = self.source_tokenizer.join([one for one in tokens if not is_feature(one)])
        features = feature_text([one for one in tokens if is_feature(one)])
        return f"{text}\t{features}" if features else text

    def target_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of target ids."""
        return self.target_tokenizer.join(self.target.decode(row))


@dataclass(frozen=True)
class Corpus:
    """Encoded splits with the codec that made them.

    Args:
        name: what to call it, for example ``"reverse"`` or the stem of the user's file.
        splits: split name -> rows; ``train`` is always there.
        baselines: split (val and test, else train) -> baseline ("chance", "majority" ...) ->
            metric -> score.
        about: provenance, as saved in a checkpoint: task, version, options, seed, overlap ...
        notes: one line for each thing the user should know of (rows left out, repeats ...).
        reading: how the user's files were read; None for a task.
        named_rows: the file, or what it holds, that names each row of the findings in `reading`.
    """

    name: str
    codec: Codec
    splits: Mapping[str, Pairs]
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: DataRead | None = None
    named_rows: bytes | Path = b""
