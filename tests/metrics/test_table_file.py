"""`eval --score` on tables that other programs wrote: equal predictions are 100% in all of them."""

from __future__ import annotations

import gzip
import io
import sys

import pytest

import seqcli
from seqcli.errors import DataError
from seqcli.metrics.table_file import mostly_spaced

WORDS = ("ba", "dc", "fe", "hg", "ji")


def table(end="\n", header=""):
    return header + "".join(f"{word[::-1]}\t{word}\t{word}{end}" for word in WORDS)


HEADERS = (
    "source\ttruth\tprediction", "src\ttgt\thyp", "source\ttarget\tpred",
    "Input\tExpected\tPredicted",
    "# word\tgold\toutput", "x\ty_true\ty_pred", "source\treference\thypothesis",
)  # fmt: skip
TABLES = {
    "LF": table().encode(),
    "CRLF": table("\r\n").encode(),
    "CRCRLF": table("\r\r\n").encode(),
    "a mark": table().encode("utf-8-sig"),
    "gzip": gzip.compress(table().encode(), mtime=0),
    "gzip in two parts": gzip.compress(table().encode(), mtime=0)
    + gzip.compress(table().encode(), mtime=0),
    "UTF-16": table().encode("utf-16"),
    "UTF-16 without a mark": table().encode("utf-16-le"),
    "UTF-16, the other order": table().encode("utf-16-be"),
    **{header: table(header=header + "\n").encode() for header in HEADERS},
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_any_form_is_scored(kind, tmp_path, monkeypatch):
    path = tmp_path / "a.tsv"
    path.write_bytes(TABLES[kind])
    found = seqcli.rescore(path)
    assert found.rows in (len(WORDS), 2 * len(WORDS))
    assert found.metrics["sequence_accuracy"] == 1.0
    assert not any("header" in note for note in found.notes)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TABLES[kind])))
    assert seqcli.rescore("-").metrics["sequence_accuracy"] == 1.0


def test_a_header_with_an_unknown_name_is_said_to_be_a_row(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(table(header="source\ttarget\tmine\n"))
    found = seqcli.rescore(path)
    assert found.rows == len(WORDS) + 1
    assert found.notes[0].startswith("line 1 looks like a header (source, target, mine)")


def test_one_space_at_an_end_is_counted_and_named_and_changes_no_style(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(table() + "kl\tlk\tlk \n")
    found = seqcli.rescore(path)
    assert found.metrics["sequence_accuracy"] == pytest.approx(5 / 6)
    assert "token_error_rate" in found.metrics
    note = "1 prediction with white space at an end, which counts (first: row 6)"
    assert note in found.notes


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"PK\x03\x04xl/", "Excel workbook"),
        (b"a\ta\ta\r" * 9, "CR alone"),
        (gzip.compress(table().encode(), mtime=0)[:-9], "damaged gzip"),
        (b"", "is empty"),
    ],
)
def test_what_is_no_table_is_refused(raw, message, tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=message):
        seqcli.rescore(path)


def test_most_texts_decide_whether_texts_are_words():
    assert mostly_spaced(["a b", "c d", "e"])
    assert not mostly_spaced(["a ", " b", "c d", "e"])
    assert not mostly_spaced([])
