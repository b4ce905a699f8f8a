"""Scores of a language model's texts: by hand, with their intervals, and again from the file."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from seqcli.api.evaluating import rescore
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import DataError
from seqcli.metrics.table_file import table_lines
from seqcli.metrics.texts import TextLosses, holds_texts, read_texts, score_texts, write_texts

TEXTS = ["anna", "o", "a\tb\\c\nd", "anna"]
LOSSES = TextLosses(
    TEXTS,
    Tokenizer("chars"),
    np.array([5.25, 1.5, 7.125, 5.25]),
    np.array([0, 0, 2, 0]),
    {"bigram": np.array([6.0, 2.0, 9.0, 6.0])},
)
GOOD = "text:chars\tnats\ttokens\tunknown\tbaseline:bigram\nab\t2.5\t3\t0\t3.5\n"


def test_scores_by_hand():
    found = score_texts(LOSSES)
    loss = (5.25 + 1.5 + 7.125 + 5.25) / (5 + 2 + 8 + 5)
    assert found.rows == 4
    assert found.metrics["loss"] == pytest.approx(loss)
    assert found.metrics["bits_per_character"] == pytest.approx(loss / math.log(2))
    assert found.metrics["perplexity"] == pytest.approx(math.exp(loss))
    assert found.baselines["bigram"]["loss"] == pytest.approx(23 / 20)
    assert found.notes == ("2 unknown tokens",)


def test_intervals_are_one_interval_in_three_units():
    rng = np.random.default_rng(0)
    texts = ["x" * n for n in rng.integers(1, 9, 300)]
    sizes = np.array(list(map(len, texts))) + 1
    texts = [f"{text}{n}" for n, text in enumerate(texts)]
    nats = sizes * rng.gamma(4, 0.5, 300)
    found = score_texts(TextLosses(texts, Tokenizer("words"), nats, np.zeros(300, np.int64)))
    low, high = found.intervals["loss"]
    assert low < found.metrics["loss"] < high
    assert found.intervals["perplexity"] == pytest.approx((math.exp(low), math.exp(high)))
    assert found.intervals["bits_per_character"] == pytest.approx(
        (low / math.log(2), high / math.log(2))
    )


def test_equal_texts_are_one_cluster():
    alone = TextLosses(
        ["a", "b"] * 50, Tokenizer("chars"), np.array([1.0, 3.0] * 50), np.zeros(100, int)
    )
    apart = replace(alone, texts=[f"{text}{n}" for n, text in enumerate(alone.texts)])
    width = {}
    for name, one in (("alone", alone), ("apart", apart)):
        low, high = score_texts(one).intervals["loss"]
        width[name] = (high - low) / score_texts(one).metrics["loss"]
    assert width["alone"] > 3 * width["apart"]


def test_every_score_comes_again_from_the_file(tmp_path):
    path = tmp_path / "losses.tsv"
    write_texts(path, LOSSES)
    assert holds_texts(table_lines(path))
    again = read_texts(path, table_lines(path))
    assert list(again.texts) == TEXTS
    assert score_texts(again) == score_texts(LOSSES)
    found = rescore(path)
    assert (found.metrics, found.intervals) == (
        score_texts(LOSSES).metrics,
        score_texts(LOSSES).intervals,
    )
    assert (found.data, found.checkpoint, found.split) == (str(path), "", "")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("text:chars", "text:runes", 1, "text:STYLE"),
        ("\tnats", "\tbits", 1, "'nats'"),
        ("baseline:bigram", "bigram", 1, "unknown column 'bigram'"),
        ("\t2.5", "\tnan", 2, "nats must be a number"),
        ("\t2.5", "\t-1", 2, "nats must be a number"),
        ("\t2.5", "\t1e400", 2, "nats must be a number"),
        ("\t3\t", "\t4\t", 2, "tokens is 4, but the text has 3 with <eos>"),
        ("\t3\t0", "\t3\t0.5", 2, "unknown must be a number"),
        ("ab\t", "a\\b\t", 2, "backslash"),
        ("\t3.5", "", 2, "4 columns, not 5"),
        ("ab\t2.5\t3\t0\t3.5\n", "", 1, "no rows"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path, old, new, line, said):
    path = tmp_path / "losses.tsv"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(DataError, match=f"line {line}: ") as caught:
        read_texts(path, table_lines(path))
    assert said in str(caught.value)
    path.write_text(GOOD)
    assert len(read_texts(path, table_lines(path))) == 1
