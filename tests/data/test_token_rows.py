"""Tokens without an id keep their text, whatever rows are taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec
from seqcli.data.files.loading import encode_for_model
from seqcli.data.token_rows import PairReader, PairWriter, decoded, unknown_in_rows
from seqcli.data.vocabulary import UNKNOWN_TEXT, Tokenizer, Vocabulary

CHARS = Tokenizer("chars")
CODEC = Codec(Vocabulary(("a", "b")), CHARS, Vocabulary(("a", "c")), CHARS)
TEXT = st.text("abcd\N{REPLACEMENT CHARACTER}", min_size=1, max_size=5)


def encoded(path, rows):
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows), "utf-8")
    return encode_for_model((path,), DataConfig(), CODEC)[0]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.data())
def test_texts_come_back_as_they_were(tmp_path_factory, rows, data):
    sources, targets = map(list, zip(*rows, strict=True))
    pairs = encoded(tmp_path_factory.getbasetemp() / "unknown.tsv", rows)
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    part = pairs.take(np.array(wanted, np.int64))
    found = decoded(part.targets, CODEC.target, part.unknown_targets)
    assert ["".join(row) for row in found] == [targets[i] for i in wanted]
    found = decoded(part.sources, CODEC.source, part.unknown_sources)
    assert ["".join(row) for row in found] == [sources[i] for i in wanted]
    strange = [sum(token not in "ac" for token in sources[i]) for i in wanted]
    assert unknown_in_rows(part.sources).tolist() == strange


def test_without_texts_the_replacement_character_stands_for_them(tmp_path):
    pairs = encoded(tmp_path / "a.tsv", [("a", "ax")])
    assert decoded(pairs.targets, CODEC.target) == [["a", UNKNOWN_TEXT]]


TOKENS = st.lists(
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=9),
    min_size=1, max_size=12, unique=True,
)  # fmt: skip


@given(TOKENS, TOKENS, st.data())
def test_written_rows_are_read_back(
    sources: list[str], targets: list[str], data: st.DataObject
) -> None:
    rows = [
        [
            data.draw(st.lists(st.integers(0, len(tokens) - 1), min_size=1, max_size=6))
            for tokens in (sources, targets)
        ]
        for _ in range(data.draw(st.integers(0, 5)))
    ]
    left, right = (Ragged.from_rows([row[side] for row in rows]) for side in (0, 1))
    raw = PairWriter(sources, targets).lines(left, right)
    expected = "".join(
        " ".join(sources[i] for i in a) + "\t" + " ".join(targets[i] for i in b) + "\n"
        for a, b in rows
    )
    assert raw == expected.encode()
    found = PairReader(sources, targets).rows(raw)
    if not rows or max(len(token.encode()) for token in (*sources, *targets)) > 8:
        return
    assert found is not None
    for side, one in zip((left, right), found, strict=True):
        assert one.tokens.tolist() == side.tokens.tolist()
        assert one.offsets.tolist() == side.offsets.tolist()


def test_many_rows_are_written_in_blocks() -> None:
    tokens = np.random.default_rng(0).integers(0, 12, 40_000).astype(np.int32)
    rows = Ragged(tokens, np.arange(0, 40_001, 4))
    alphabet = [str(number) for number in range(12)]
    lines = PairWriter(alphabet, alphabet).lines(rows, rows).decode().splitlines()
    texts = [" ".join(map(str, row)) for row in tokens.reshape(-1, 4).tolist()]
    assert lines == [f"{text}\t{text}" for text in texts]


def test_the_reader_takes_back_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = np.random.default_rng(0).integers(0, 400, 30_000).astype(np.int32)
    offsets = np.concatenate(
        [[0], np.sort(np.random.default_rng(1).choice(29_998, 999, False)) + 1]
    )
    rows = Ragged(tokens[: offsets[-1]], offsets)
    alphabet = [str(number) for number in range(400)]
    monkeypatch.setattr("seqcli.data.token_rows._BLOCK", 1000)
    found = PairReader(alphabet, alphabet).rows(PairWriter(alphabet, alphabet).lines(rows, rows))
    assert found is not None
    assert all(side.tokens.tolist() == rows.tokens.tolist() for side in found)
    assert all(side.offsets.tolist() == rows.offsets.tolist() for side in found)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"1 2\t1", b"1 2\n", b"1\t2\t1\n", b"1\t2\n\n", b"1  2\t1\n", b"\t1\n", b"1\t\n",
        b"1\t3\n", b"1\n2\t1\t2\n", b"1\t2\r\n", b" 1\t2\n", b"1\t12345678\n", b"1\t123456789\n",
        b"1\t2\n2\n1\t\t1\n",
    ],
)  # fmt: skip
def test_the_reader_leaves_other_lines_alone(raw: bytes) -> None:
    assert PairReader(["1", "2"], ["1", "2"]).rows(raw) is None


def test_a_long_token_is_not_taken_for_its_beginning() -> None:
    alphabet = ["abcdefghi", "abcdefgh"]
    found = PairReader(alphabet, alphabet).rows(b"abcdefgh\tabcdefgh\n")
    assert found is not None
    assert found[0].tokens.tolist() == [1]
    assert PairReader(alphabet[:1], alphabet[:1]).rows(b"abcdefgh\tabcdefgh\n") is None
