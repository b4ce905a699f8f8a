"""Other data with the vocabularies of a model: old ids stay, new tokens come after them."""

from __future__ import annotations

import pytest

from seqcli.arrays.ragged import Ragged
from seqcli.data.build import extended_codec, has_all_tokens, reencoded
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.vocabulary import UNK, Tokenizer, Vocabulary

CHARS = Tokenizer("chars")


def codec(source: str | None, target: str) -> Codec:
    sources = None if source is None else Vocabulary(tuple(source))
    return Codec(Vocabulary(tuple(target)), CHARS, sources, CHARS)


def texts(rows: Ragged, vocabulary: Vocabulary) -> list[str]:
    return ["".join(vocabulary.decode(row.tolist())) for row in rows]


def test_old_tokens_keep_their_ids_and_texts_stay_the_same() -> None:
    new = codec("bcx", "BX")
    sources = Ragged.from_rows([new.source.encode("xb"), new.source.encode("cz")])  # z is unknown
    targets = Ragged.from_rows([new.target.encode("XB"), new.target.encode("BA")])
    val = Pairs(targets, sources, unknown_targets=("A",), unknown_sources=("z",))
    corpus = reencoded(Corpus("new", new, {"val": val}), extended_codec(codec("abc", "AB"), new))
    assert corpus.codec.source.tokens == ("a", "b", "c", "x")
    assert corpus.codec.target.tokens == ("A", "B", "X")
    pairs = corpus.splits["val"]
    assert texts(pairs.sources, corpus.codec.source)[0] == "xb"
    assert pairs.sources[1].tolist() == [6, UNK]
    assert pairs.unknown_sources == ("z",)
    assert texts(pairs.targets, corpus.codec.target) == ["XB", "BA"]  # the model knows A
    assert pairs.unknown_targets == ()


@pytest.mark.parametrize(
    ("other", "expected"),
    [(codec("ab", "A"), True), (codec("ax", "A"), False), (codec(None, "A"), False)],
)
def test_tokens_and_sides_are_compared(other: Codec, expected: bool) -> None:
    assert has_all_tokens(codec("abc", "AB"), other) is expected
