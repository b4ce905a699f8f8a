from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from seqcli.report import predictions
from seqcli.report.predictions import align, describe_errors, mark, token_lines
from seqcli.report.tables import Segment
from seqcli.results import Candidate, NextToken

symbols = st.lists(st.sampled_from("abcd"), max_size=12)


@settings(deadline=None)
@given(symbols, symbols)
def test_alignment_keeps_both_sides_and_has_the_fewest_edits(truth, prediction):
    pairs = align(truth, prediction)
    assert [true for true, _ in pairs if true is not None] == truth
    assert [got for _, got in pairs if got is not None] == prediction
    assert sum(true != got for true, got in pairs) == Levenshtein.distance(truth, prediction)


def test_thousands_of_symbols_take_no_time():
    long = [str(i % 7) for i in range(20_000)]
    other = [str(i % 5) for i in range(20_000)]
    assert len(align(long, other)) >= 20_000


@settings(deadline=None)
@given(symbols, symbols, st.sampled_from(["", " "]))
def test_marked_text_is_the_prediction_with_what_is_missing_shown(truth, prediction, joiner):
    segments = mark(truth, prediction, joiner)
    text = "".join(segment.text for segment in segments)
    tokens = text.split(joiner) if joiner and text else list(text)
    assert [token for token in tokens if token != predictions.MISSING] == prediction
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
    assert describe_errors(["a"] * 40, ["b"] * 40).endswith("; 8: a -> b; and 32 more")


def test_tokens_are_above_their_probabilities_in_lines_that_fit():
    tokens = [NextToken(one, 0.5) for one in ("a", " ", "<eos>", "\u4e2d")] + [NextToken(None, 1.0)]
    lines = token_lines(Candidate("", 0.0, 0.0, tokens=tuple(tokens)), 80)
    assert lines == [
        "      a      \u2423  '<eos>'     \u4e2d   <eos>",
        "  50.0%  50.0%    50.0%  50.0%  100.0%",
    ]
    narrow = token_lines(Candidate("", 0.0, 0.0, tokens=tuple(tokens)), 16)
    assert [len(line) for line in narrow] == [14, 14, 15, 16, 8, 8]
    assert token_lines(Candidate("", 0.0, 0.0), 80) == []
