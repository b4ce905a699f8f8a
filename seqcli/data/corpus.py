"""What a model is trained and scored on: encoded pairs, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from seqcli.data.ragged import Index, Ragged
from seqcli.data.vocabulary import Vocabulary

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Tokens:
    """How a side of a pair is cut into symbols and put together again.

    Args:
        style: ``"chars"`` (each character is a symbol) or ``"words"`` (split at spaces).
    """

    style: str

    def split(self, text: str) -> list[str]:
        """Cut a text into symbols."""
        return list(text) if self.style == "chars" else text.split()

    def join(self, symbols: Sequence[str]) -> str:
        """Put symbols together as a text."""
        return ("" if self.style == "chars" else " ").join(symbols)


@dataclass(frozen=True)
class Pairs:
    """The encoded rows of one split.

    Args:
        targets: N rows of target ids, without BOS and EOS.
        sources: N rows of source ids, or None for a language model.
    """

    targets: Ragged
    sources: Ragged | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def source_lengths(self) -> Index:
        """(N,); zeros without sources."""
        if self.sources is None:
            return np.zeros(len(self), np.int64)
        return self.sources.lengths

    def take(self, rows: Index) -> Pairs:
        """Return the given rows, in the given order."""
        sources = None if self.sources is None else self.sources.take(rows)
        return Pairs(self.targets.take(rows), sources)


@dataclass(frozen=True)
class Codec:
    """Text to ids and back, for both sides: what a checkpoint must keep of a corpus.

    ``source`` is None for a language model.
    """

    target: Vocabulary
    target_tokens: Tokens
    source: Vocabulary | None = None
    source_tokens: Tokens = Tokens("words")

    def source_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of source ids."""
        return self.source_tokens.join(self.source.decode(row)) if self.source else ""

    def target_text(self, row: Sequence[int]) -> str:
        """Return the text of a row of target ids."""
        return self.target_tokens.join(self.target.decode(row))


@dataclass(frozen=True)
class Corpus:
    """Encoded splits with the codec that made them.

    Args:
        name: what to call it, for example ``"reverse"`` or the stem of the user's file.
        splits: split name -> rows; ``train`` is always there.
        floors: baseline scores by name ("chance", "majority", "copy_last", ...), each a mapping
            of metric name to score, for the test split (else val).
        about: provenance, as saved in a checkpoint: task, version, options, seed, overlap ...
        notes: one line for each thing the user should know of (rows left out, repeats ...).
    """

    name: str
    codec: Codec
    splits: Mapping[str, Pairs]
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    about: Mapping[str, object] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
