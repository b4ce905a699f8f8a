"""What eval writes is read again to the last bit; what is broken is named by line."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqcli import registry
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import DataError
from seqcli.metrics.predictions import PredictionTable
from seqcli.metrics.predictions_file import read_predictions, write_predictions
from seqcli.metrics.scores import score
from seqcli.metrics.table_file import table_lines

TEXT = st.text(st.sampled_from("ab é\\\t\n\r\u2028\"'\ufeff#nt"), max_size=6)
COUNT = st.integers(0, 9)
CUT = st.lists(st.text(st.sampled_from("ab é\\\t/\u0301"), min_size=1, max_size=3), max_size=4)
ROW = st.tuples(TEXT, TEXT, CUT, TEXT, TEXT, st.floats(0, 1e3), COUNT, COUNT)


def table_of(rows, source, target, **more):
    texts, numbers = list(zip(*rows, strict=True))[:5], list(zip(*rows, strict=True))[5:]
    sources, truths, predictions, baseline, features = map(list, texts)
    split = Tokenizer(target).split
    return PredictionTable(
        sources,
        list(map(split, truths)),
        list(map(list, predictions)),
        Tokenizer(source),
        Tokenizer(target),
        nats=np.array(numbers[0]),
        unseen_sources=np.array(numbers[1]),
        unseen_truths=np.array(numbers[2]),
        vocabulary=7,
        baselines={"copy": list(map(split, sources)), "most frequent": list(map(split, baseline))},
        **({"features": features} | more if more else {}),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
@given(
    st.lists(ROW, min_size=1, max_size=6),
    st.sampled_from(list(registry.TOKEN_STYLES)),
    st.sampled_from(list(registry.TOKEN_STYLES)),
    st.sampled_from([{}, {"oracle_length": True}]),
)
def test_every_score_comes_again_from_the_file(tmp_path_factory, rows, source, target, more):
    path = tmp_path_factory.mktemp("predictions") / "predictions.tsv"
    table = table_of(rows, source, target, **more)
    write_predictions(path, table)
    again = read_predictions(path, table_lines(path))
    for field in fields(PredictionTable):
        one, other = getattr(table, field.name), getattr(again, field.name)
        assert np.array_equal(one, other) if field.name == "nats" else str(one) == str(other)
    assert score(again) == score(table)


def test_the_file_is_a_plain_table(tmp_path):
    path = tmp_path / "predictions.tsv"
    rows = [("a b", "x", ["y"], "z", "", 0.5, 0, 1), ("a\tb", "", ["\\"], "z", "", 0.1, 2, 0)]
    write_predictions(path, table_of(rows, "words", "chars"))
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert lines[0] == [
        *("source:words", "truth:chars", "prediction", "correct", "edits", "nats", "tokens"),
        *("unseen_in_source", "unseen_in_truth", "target_tokens", "baseline:copy"),
        "baseline:most frequent",
    ]
    assert lines[1] == ["a b", "x", "y", "0", "1", "0.5", "2", "0", "1", "7", "a b", "z"]
    assert lines[2][:3] == ["a\\tb", "", "\\\\"]
    assert [one.name for one in tmp_path.iterdir()] == ["predictions.tsv"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_an_editor_makes_of_it_is_read(tmp_path, end, mark):
    path = tmp_path / "predictions.tsv"
    path.write_bytes(
        (mark + end.join(["source:chars\ttruth:chars\tprediction", "a\tb\tb"])).encode()
    )
    assert read_predictions(path, table_lines(path)).predictions == [["b"]]


def test_tokens_that_their_text_would_not_give_are_kept(tmp_path):
    """A model may write a letter and its accent as two graphemes; together they would be one."""
    path = tmp_path / "predictions.tsv"
    table = PredictionTable(
        ["x"], [["e\u0301"]], [["e", "\u0301"]], Tokenizer("chars"), Tokenizer("graphemes")
    )
    write_predictions(path, table)
    assert path.read_text("utf-8").splitlines()[1].split("\t")[1:3] == ["e\u0301", "\\/e\\/\u0301"]
    again = read_predictions(path, table_lines(path))
    assert again.predictions == [["e", "\u0301"]]
    for one in (table, again):
        assert score(one).metrics["sequence_accuracy"] == 0
        assert score(one).metrics["token_accuracy"] == 0


def test_texts_are_refused_where_tokens_are_expected():
    with pytest.raises(TypeError, match="rows of tokens"):
        PredictionTable(["x"], ["y"], [["y"]], Tokenizer("chars"), Tokenizer("chars"))


HEADER = "source\ttruth\tprediction\n"


@pytest.mark.parametrize(
    ("text", "styles"),
    [
        ("ab\tx y\tx\n", ("chars", "words")),
        (HEADER + "ab\tx y\tx\n", ("chars", "words")),
        ("prediction\tnote\tGold\tSource\nx\t?\tx y\tab\n", ("chars", "words")),
        ("a\\b\tx\ty\n", ("chars", "chars")),
    ],
)
def test_a_file_of_somebody_else_is_read(tmp_path, text, styles):
    path = tmp_path / "theirs.tsv"
    path.write_text(text)
    found = read_predictions(path, table_lines(path))
    assert (found.source_tokens.style, found.target_tokens.style) == styles
    assert len(found.notes) == 2
    assert found.sources[0] in ("ab", "a\\b")
    assert found.nats is None
    asked = read_predictions(path, table_lines(path), Tokenizer("whole"), Tokenizer("whole"))
    assert (asked.source_tokens.style, asked.notes) == ("whole", ())


OURS = "source:chars\ttruth:chars\tprediction\tnats\ttokens\ttarget_tokens\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a\tb\n", "line 1: 2 columns, expected 3"),
        (HEADER.encode() + b"a\tb\tc\na\tb\n", "line 3: 2 columns, expected 3"),
        (HEADER.encode() + b"a\tb\tc\n\n", "line 3: 1 columns"),
        (b"a\tb\tc\nx\t\xff\ty\n", "line 2: not valid UTF-8"),
        (OURS.encode() + b"a\tb\tc\tlow\t2\t3\n", "line 2: nats must be a number, not 'low'"),
        (OURS.encode() + b"a\tb\tc\t0,5\t2\t3\n", "line 2: nats must be a number, not '0,5'"),
        (OURS.encode() + b"a\tb\tc\t0.5\t-2\t3\n", "line 2: tokens must be a number, not '-2'"),
        (OURS.encode() + b"a\tb\tc\t1\t2\t3\na\tb\tc\t1\t5\t3\n", "line 3: tokens is 5, but"),
        (OURS.encode() + b"a\tb\tc\t1\t2\t3\na\tb\tc\t1\t2\t4\n", "line 3: target_tokens must"),
        (OURS.encode() + b"a\tb\\x\tc\t1\t2\t3\n", "line 2: a backslash must be written"),
        (OURS.encode() + b"a\tb\\\tc\t1\t2\t3\n", "line 2: a backslash must be written"),
        (b"source:chars\ttruth:runes\tprediction\n", "line 1: source and truth need a token style"),
        (b"source:chars\ttruth\tprediction\n", "line 1: source and truth need a token style"),
        (b"source:chars\ttruth:chars\tprediction\tmine\n", "line 1: column 'mine' is unknown"),
        (b"source:chars\ttruth:chars\tprediction\ttruth:chars\n", "line 1: column 'truth:chars'"),
        (b"source:chars\ttruth:chars\tprediction:x\n", "line 1: column 'prediction:x'"),
        (b"source:chars\ttruth:chars\tprediction\n", "line 1: there are no rows"),
    ],
)
def test_what_is_broken_is_named_by_its_line(tmp_path, content, message):
    path = tmp_path / "predictions.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_predictions(path, table_lines(path))
    assert f"{path}" in caught.value.message
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_failure_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "predictions.tsv"
    path.write_text("old")
    table = table_of([("a", "b", ["c"], "d", "", 1.0, 0, 0)], "chars", "chars")
    with pytest.raises(ValueError, match="argument"):
        write_predictions(path, replace(table, baselines={"copy": []}))
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["predictions.tsv"]
