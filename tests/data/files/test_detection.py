"""Tables with other separators are found, and lists of names are left in peace."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.config.sections import DataConfig
from seqcli.data.build import corpus
from seqcli.data.files.columns import guess_separator
from seqcli.errors import DataError, UsageError

WORD = st.text("abcdefghijklmnopqrstuvwxyzäéñ", min_size=2, max_size=9)
NAME = WORD.map(str.capitalize)
FIRST_LAST = st.tuples(NAME, NAME)
PLAIN_NAMES = st.one_of(
    NAME,
    FIRST_LAST.map(" ".join),
    FIRST_LAST.map("-".join),
    FIRST_LAST.map("'".join),
    FIRST_LAST.map(", ".join),
    st.tuples(NAME, NAME, NAME).map(" ".join),
    FIRST_LAST.map(lambda both: f"{both[0]} von der {both[1]}"),
    FIRST_LAST.map(lambda both: f"{both[0]}: {both[1]}"),
    st.dates().map(str),
    st.times().map(str),
)
ODD_NAMES = st.one_of(
    FIRST_LAST.map("; ".join), FIRST_LAST.map("|".join), FIRST_LAST.map(" = ".join),
    FIRST_LAST.map("  ".join), FIRST_LAST.map(",".join), FIRST_LAST.map(" -> ".join),
)  # fmt: skip
SEPARATORS = {
    ";": ";", "|": "|", "|||": "|||", " ||| ": "|||", "=": "=", " = ": "=", " -> ": "->",
    "→": "→", " => ": "=>", "   ": "spaces",
}  # fmt: skip


@given(st.lists(PLAIN_NAMES, min_size=2, max_size=40), st.sampled_from([".txt", ".names", ""]))
def test_names_of_any_usual_form_stay_names(lines, suffix):
    assert guess_separator(lines, suffix) is None


@given(st.lists(NAME, min_size=8, max_size=40), st.lists(ODD_NAMES, max_size=4))
def test_separators_in_some_names_make_no_table(plain, odd):
    lines = [*odd[: len(plain) // 4], *plain]
    assert guess_separator(lines, ".txt") is None
    assert guess_separator(lines[::-1], ".tsv") is None


@given(
    st.lists(st.tuples(WORD, WORD), min_size=5, max_size=40),
    st.sampled_from(sorted(SEPARATORS)),
    st.sampled_from([".txt", ".tsv", ""]),
)
def test_a_separator_in_every_line_is_found(rows, separator, suffix):
    lines = [separator.join(row) for row in rows]
    found = guess_separator(lines, suffix)
    assert found is not None
    assert found.option == SEPARATORS[separator]


@given(
    st.lists(
        st.tuples(WORD, st.lists(st.sampled_from(["AH", "B", "T", "IY", "K"]), min_size=4)),
        min_size=5,
    )
)
def test_a_pronunciation_lexicon_is_found(rows):
    rows = [(word * 2, tokens) for word, tokens in rows]
    lines = [f"{word}  {' '.join(tokens)}" for word, tokens in rows]
    assert guess_separator(lines, ".txt").option == "space"


@settings(max_examples=30)
@given(
    st.lists(st.tuples(WORD, WORD), min_size=2, max_size=20),
    st.sampled_from([*sorted(SEPARATORS), " "]),
)
def test_what_the_hint_says_reads_the_rows(tmp_path_factory, rows, separator):
    path = tmp_path_factory.getbasetemp() / "table.tsv"
    path.write_text("".join(f"{separator.join(row)}\n" for row in rows), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        corpus(DataConfig(train_file=str(path)), {})
    option = caught.value.hint.split("--separator ")[1].split(", or")[0].strip("'")
    made = corpus(DataConfig(train_file=str(path), separator=option), {})
    pairs, codec = made.splits["train"], made.codec
    found = [
        (codec.source_text(s.tolist()), codec.target_text(t.tolist()))
        for s, t in ((pairs.sources[i], pairs.targets[i]) for i in range(len(pairs)))
    ]
    assert found == rows


@pytest.mark.parametrize("asked", ["", " \n", '"', "a\nb"])
def test_separators_that_cannot_be_are_refused(asked, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b\n")
    if not asked:
        return
    with pytest.raises(UsageError, match="--separator cannot be"):
        corpus(DataConfig(train_file=str(path), separator=asked), {})


def test_the_last_column_of_a_lexicon_takes_the_rest(tmp_path):
    path = tmp_path / "a.dict"
    path.write_text("HELLO  HH AH L OW\n" * 30)
    made = corpus(DataConfig(train_file=str(path), separator="space"), {})
    assert made.codec.target_text(made.splits["train"].targets[0].tolist()) == "HH AH L OW"


def test_a_declared_separator_of_csv_is_a_directive_and_no_row(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\nword;pron\nab;ba\n")
    made = corpus(DataConfig(train_file=str(path)), {})
    assert made.reading.files[0].rows == 2
    (header,) = [one for one in made.reading.findings if one.kind == "header"]
    assert header.lines == (2,)
