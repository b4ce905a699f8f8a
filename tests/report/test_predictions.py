import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from seqcli.errors import DataError
from seqcli.report import predictions
from seqcli.report.predictions import (
    Segment,
    align,
    describe_errors,
    mark,
    read_predictions,
    symbols_of,
    write_predictions,
)
from seqcli.results import ScoredRow

symbols = st.lists(st.sampled_from("abcd"), max_size=12)


@settings(deadline=None)
@given(symbols, symbols)
def test_alignment_keeps_both_sides_and_has_the_fewest_edits(truth, prediction):
    pairs = align(truth, prediction)
    assert [true for true, _ in pairs if true is not None] == truth
    assert [got for _, got in pairs if got is not None] == prediction
    assert sum(true != got for true, got in pairs) == Levenshtein.distance(truth, prediction)


@settings(deadline=None)
@given(symbols, symbols)
def test_very_long_sequences_are_paired_by_position(truth, prediction):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions, "LARGEST", 4)
        pairs = align(truth, prediction)
    assert [true for true, _ in pairs if true is not None] == truth
    assert [got for _, got in pairs if got is not None] == prediction


def test_thousands_of_symbols_take_no_time():
    long = [str(i % 7) for i in range(20_000)]
    other = [str(i % 5) for i in range(20_000)]
    assert len(align(long, other)) == 20_000


@settings(deadline=None)
@given(symbols, symbols, st.sampled_from(["", " "]))
def test_marked_text_is_the_prediction_with_what_is_missing_shown(truth, prediction, joiner):
    segments = mark(truth, prediction, joiner)
    text = "".join(segment.text for segment in segments)
    shown = [symbol for symbol in symbols_of(text, joiner) if symbol != predictions.MISSING]
    assert shown == prediction
    assert all(segment.ok for segment in segments) == (truth == prediction)


def test_errors_are_marked_symbol_by_symbol():
    assert mark(["3", "1", "4"], ["3", "7", "4"], " ") == (
        Segment("3 ", True),
        Segment("7", False),
        Segment(" 4", True),
    )
    assert mark(list("abc"), list("ab"), "") == (Segment("ab", True), Segment("·", False))
    assert mark(["a"], ["a"], " ") == (Segment("a", True),)
    assert mark([], [], " ") == ()


def test_errors_are_told_in_words():
    assert describe_errors(["3", "1", "4"], ["3", "7", "4"]) == "2: 1 -> 7"
    assert describe_errors(["3", "1", "4"], ["3", "1"]) == "3: 4 missing"
    assert describe_errors(["3", "1"], ["3", "1", "9"]) == "2: extra 9"
    assert describe_errors(["a"], ["a"]) == ""


words = st.text(st.characters(exclude_characters=" "), min_size=1, max_size=4)
rows_of_words = st.lists(
    st.builds(
        ScoredRow,
        st.lists(words, max_size=4).map(tuple),
        st.lists(words, max_size=4).map(tuple),
        st.lists(words, max_size=4).map(tuple),
        st.booleans(),
        st.integers(0, 99),
    ),
    max_size=5,
)


@settings(deadline=None)
@given(rows_of_words)
def test_words_survive_the_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "predictions.tsv"
    write_predictions(path, rows)
    assert read_predictions(path) == rows


@settings(deadline=None)
@given(st.text(max_size=8), st.text(max_size=8))
def test_characters_survive_the_round_trip(tmp_path_factory, source, truth):
    path = tmp_path_factory.mktemp("tsv") / "predictions.tsv"
    row = ScoredRow(tuple(source), tuple(truth), tuple(truth), True, 0)
    write_predictions(path, [row], "", "")
    assert read_predictions(path, "", "") == [row]


def test_the_file_is_plain_tab_separated_text(tmp_path):
    path = tmp_path / "predictions.tsv"
    write_predictions(path, [ScoredRow(("3", "1"), ("1", "3"), ("1", "1"), False, 1)])
    expected = "source\ttruth\tprediction\tcorrect\tedits\n3 1\t1 3\t1 1\t0\t1\n"
    assert path.read_text() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.tsv"]


def test_a_failure_midway_leaves_the_old_file(tmp_path):
    path = tmp_path / "predictions.tsv"
    path.write_text("old")

    def rows():
        yield ScoredRow((), (), (), True, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_predictions(path, rows())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.tsv"]


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"", "line 1"),
        (b"a\tb\n", "line 1"),
        (b"\xff\xfe", "byte 0"),
        (b"source\ttruth\tprediction\tcorrect\tedits\na\tb\tc\n", "line 2"),
        (b"source\ttruth\tprediction\tcorrect\tedits\na\tb\tc\tyes\t0\n", "line 2"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, content, where):
    path = tmp_path / "predictions.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=where):
        read_predictions(path)
