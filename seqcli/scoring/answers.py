"""All that scores are computed from, as texts: what a file of predictions holds, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seqcli.data.ragged import Index, Ragged, offsets_of
from seqcli.data.tokens import Tokens
from seqcli.data.vocabulary import SPECIALS
from seqcli.scoring.outcome import Floats, Outcome

Texts = Sequence[str]


@dataclass(frozen=True)
class Answers:
    """N rows with the answers to them, and what is needed to judge these.

    Args:
        sources, truths, predictions: texts; a truth stands as it is, its unknown symbols too.
        source_tokens, target_tokens: how texts are cut into symbols.
        features: (N,) those of the sources, such as ``N;ACC;PL``, where there are any.
        nats: (N,) loss of each row, summed over its symbols and the end symbol.
        unseen_sources, unseen_truths: (N,) how many symbols of each were never seen in training.
        symbols: how many target symbols the model knows, for chance; 0 where nobody said.
        guesses: name -> N texts that some rule without a model would answer.
        truncated: (N,) 1 where the prediction was cut at the length limit.
        lengths_given: whether the model was told how long each answer is.
        notes: what else is to be known of them.
    """

    sources: Texts
    truths: Texts
    predictions: Texts
    source_tokens: Tokens
    target_tokens: Tokens
    features: Texts | None = None
    nats: Floats | None = None
    unseen_sources: Index | None = None
    unseen_truths: Index | None = None
    symbols: int = 0
    guesses: Mapping[str, Texts] = field(default_factory=dict)
    truncated: Index | None = None
    lengths_given: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.truths)

    @cached_property
    def outcome(self) -> Outcome:
        """The rows as ids; symbols are numbered as they come."""
        sources = numbered(self.asked)
        return Outcome(self._ids(self.truths), self._ids(self.predictions), self.nats, sources)

    def guessed(self, name: str) -> Outcome:
        """Return the rows with a rule's guesses in the place of the model's answers."""
        mine = self.outcome
        return Outcome(mine.truths, self._ids(self.guesses[name]), None, mine.sources)

    @property
    def asked(self) -> Texts:
        """The sources with their features behind a tab: what a model is asked."""
        if self.features is None:
            return self.sources
        return ["\t".join(pair) for pair in zip(self.sources, self.features, strict=True)]

    @cached_property
    def source_lengths(self) -> Index:
        """(N,) in symbols."""
        split = self.source_tokens.split
        return np.array([len(split(text)) for text in self.sources], np.int64)

    @cached_property
    def known(self) -> dict[str, int]:
        """The id of every target symbol met so far."""
        return {}

    def _ids(self, texts: Texts) -> Ragged:
        known, split, first = self.known, self.target_tokens.split, len(SPECIALS)
        ids, lengths = [], []
        for text in texts:
            symbols = split(text)
            ids += [known.setdefault(symbol, len(known) + first) for symbol in symbols]
            lengths.append(len(symbols))
        return Ragged(np.array(ids, np.int32), offsets_of(lengths))


def numbered(texts: Texts) -> Index:
    """Return (N,) a number for each different text, from 0 as they come."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)
