"""A corpus of texts without sources: what a language model is trained and scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from seqcli.data import language_floors
from seqcli.data.corpus import Codec, Corpus, Pairs, Tokens
from seqcli.data.floors import Scores
from seqcli.data.text_corpus import encode, longest, scored_split
from seqcli.data.vocabulary import UNK, Vocabulary


def language_corpus(
    name: str,
    splits: Mapping[str, Sequence[str]],
    tokens: Tokens,
    about: Mapping[str, object],
    notes: Sequence[str] = (),
) -> Corpus:
    """Return the corpus of some texts.

    Args:
        name: what to call it.
        splits: split name -> texts, ``train`` among them, none empty.
        tokens: how texts are cut into symbols.
        about: where the texts come from.
        notes: what the user should know of them; unknown symbols and shared lines are added.
    """
    codec = Codec(Vocabulary.of(map(tokens.split, splits["train"])), tokens)
    encoded = {split: Pairs(encode(texts, tokens, codec.target)) for split, texts in splits.items()}
    notes = (*notes, *_symbol_notes(encoded), *_overlap_notes(splits))
    floors = floors_of(encoded, len(codec.target.symbols))
    return Corpus(name, codec, encoded, floors, {**about, **longest(encoded)}, notes)


def floors_of(splits: Mapping[str, Pairs], symbols: int) -> dict[str, Scores]:
    """Return the losses of counting on test, else on val, else on train."""
    scored = splits[scored_split(splits)]
    return language_floors.measure(splits["train"].targets, scored.targets, symbols)


def _symbol_notes(splits: Mapping[str, Pairs]) -> list[str]:
    """Say which splits hold symbols that train does not."""
    counts = {split: int((pairs.targets.tokens == UNK).sum()) for split, pairs in splits.items()}
    return [
        f"{split}: {count} symbols never occur in train" for split, count in counts.items() if count
    ]


def _overlap_notes(splits: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which splits share lines."""
    notes = []
    for one, other in combinations(splits, 2):
        known = set(splits[one])
        shared = sum(text in known for text in splits[other])
        if shared:
            total = len(splits[other])
            notes.append(f"{shared:,} of the {total:,} lines of {other} are in {one} too")
    return notes
