"""A corpus from texts: vocabularies learnt on train, all splits encoded once."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from seqcli.data import floors
from seqcli.data.corpus import Codec, Corpus, Pairs, Tokens
from seqcli.data.pairs_file import TextPairs
from seqcli.data.ragged import Ragged, offsets_of
from seqcli.data.vocabulary import SPECIALS, UNK, Vocabulary


def encode(texts: Sequence[str], tokens: Tokens, vocabulary: Vocabulary) -> Ragged:
    """Return the ids of each text; a symbol the vocabulary does not know becomes UNK."""
    known = vocabulary.ids
    ids, lengths = array("i"), []
    for text in texts:
        row = tokens.split(text)
        ids.extend([known.get(symbol, UNK) for symbol in row])
        lengths.append(len(row))
    return Ragged(np.array(ids, np.int32), offsets_of(lengths))


def text_corpus(
    name: str,
    splits: Mapping[str, TextPairs],
    styles: tuple[Tokens, Tokens],
    about: Mapping[str, object],
    notes: Sequence[str] = (),
) -> Corpus:
    """Return the corpus of some texts.

    Args:
        name: what to call it.
        splits: split name -> rows, ``train`` among them, none empty.
        styles: how sources and how targets are cut into symbols.
        about: where the texts come from.
        notes: what the user should know of them; unknown symbols and shared sources are added.
    """
    codec = _codec(splits["train"], styles)
    encoded = {split: encode_pairs(rows, codec) for split, rows in splits.items()}
    notes = (*notes, *_symbol_notes(encoded), *_overlap_notes(splits))
    scores = text_floors(encoded, len(codec.target) - len(SPECIALS))
    return Corpus(name, codec, encoded, scores, {**about, **longest(encoded)}, notes)


def encode_pairs(texts: TextPairs, codec: Codec) -> Pairs:
    """Return the ids of both sides."""
    assert codec.source is not None
    sources = encode(texts.sources, codec.source_tokens, codec.source)
    return Pairs(encode(texts.targets, codec.target_tokens, codec.target), sources)


def longest(splits: Mapping[str, Pairs]) -> dict[str, int]:
    """Return the longest source and target of train, in symbols, as a corpus tells them."""
    train = splits["train"]
    sources, targets = train.source_lengths, train.targets.lengths
    return {"max_source": int(sources.max()), "max_target": int(targets.max())}


def text_floors(splits: Mapping[str, Pairs], symbols: int) -> dict[str, floors.Scores]:
    """Return chance and majority on test, else on val, else on train."""
    scored = splits[scored_split(splits)]
    return floors.measure(splits["train"].targets, scored.targets, symbols, {})


def scored_split(splits: Mapping[str, object]) -> str:
    """Return the split on which floors are measured: test, else val, else train."""
    return next(split for split in ("test", "val", "train") if split in splits)


def _codec(train: TextPairs, styles: tuple[Tokens, Tokens]) -> Codec:
    source, target = styles
    known = Vocabulary.of(source.split(text) for text in train.sources)
    return Codec(Vocabulary.of(map(target.split, train.targets)), target, known, source)


def _symbol_notes(splits: Mapping[str, Pairs]) -> list[str]:
    """Say which splits hold symbols that train does not."""
    notes = []
    for split, pairs in splits.items():
        sides = {"sources": pairs.sources, "targets": pairs.targets}
        for side, rows in sides.items():
            unknown = int((rows.tokens == UNK).sum()) if rows else 0
            if unknown:
                notes.append(f"{split}: {unknown} symbols of the {side} never occur in train")
    return notes


def _overlap_notes(splits: Mapping[str, TextPairs]) -> list[str]:
    """Say which splits share sources."""
    notes = []
    for one, other in combinations(splits, 2):
        known = set(splits[one].sources)
        shared = sum(text in known for text in splits[other].sources)
        if shared:
            total = len(splits[other])
            notes.append(f"{shared} of the {total} sources of {other} are in {one} too")
    return notes
