"""Extend the vocabularies of a model by the tokens of other data, and encode that data with them.

Old tokens keep their ids, so the weights of a model that was trained before still belong to them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqcli.arrays.ragged import Ragged
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.token_rows import Texts
from seqcli.data.vocabulary import SPECIALS, UNK, Vocabulary


def extended(old: Vocabulary, new: Vocabulary) -> Vocabulary:
    """Return the old vocabulary followed by the new tokens that it does not have."""
    return Vocabulary((*old.tokens, *(token for token in new.tokens if token not in old.ids)))


def extended_codec(old: Codec, new: Codec) -> Codec:
    """Return the new codec with the vocabularies of the old one, extended."""
    source = new.source
    if old.source is not None and new.source is not None:
        source = extended(old.source, new.source)
    return replace(new, source=source, target=extended(old.target, new.target))


def has_all_tokens(codec: Codec, other: Codec) -> bool:
    """Return whether a codec has every token of another one, and encodes the same sides."""
    targets = set(other.target.tokens) <= codec.target.ids.keys()
    if codec.source is None or other.source is None:
        return targets and codec.source is other.source
    return targets and set(other.source.tokens) <= codec.source.ids.keys()


def reencoded(corpus: Corpus, codec: Codec) -> Corpus:
    """Return a corpus encoded with the vocabularies of a codec that has all of its tokens.

    Tokens of validation and test rows that training rows lack are no longer unknown if the codec
    has them.
    """
    old = corpus.codec
    new = replace(old, source=codec.source, target=codec.target)
    splits = {split: _pairs(pairs, old, new) for split, pairs in corpus.splits.items()}
    return replace(corpus, codec=new, splits=splits)


def _pairs(pairs: Pairs, old: Codec, new: Codec) -> Pairs:
    targets, unknown_targets = _rows(pairs.targets, pairs.unknown_targets, old.target, new.target)
    pairs = replace(pairs, targets=targets, unknown_targets=unknown_targets)
    if pairs.sources is None or old.source is None or new.source is None:
        return pairs
    sources, unknown = _rows(pairs.sources, pairs.unknown_sources, old.source, new.source)
    return replace(pairs, sources=sources, unknown_sources=unknown)


def _rows(rows: Ragged, unknown: Texts, old: Vocabulary, new: Vocabulary) -> tuple[Ragged, Texts]:
    """Replace ids; ``unknown`` has the texts of the UNKs."""
    table = [*range(len(SPECIALS)), *(new.ids[token] for token in old.tokens)]
    tokens = np.array(table, np.int32)[rows.tokens]
    if unknown:
        ids = [new.ids.get(text, UNK) for text in unknown]
        tokens[tokens == UNK] = ids
        unknown = tuple(text for text, id_ in zip(unknown, ids, strict=True) if id_ == UNK)
    return Ragged(tokens, rows.offsets), unknown
