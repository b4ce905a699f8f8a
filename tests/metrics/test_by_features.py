"""Scores of each value of the features column, with intervals."""

from __future__ import annotations

import json

import pytest

from seqcli.api import rescore
from seqcli.cli import app, shell
from seqcli.errors import UsageError

HEADER = "source:chars\tfeatures\ttruth:chars\tprediction\n"
ROWS = [("ab", "deu", "ba", "ba"), ("cd", "deu", "dc", "dx"), ("ef", "deu", "fe", "fe")]
ROWS += [("ab", "nld", "ab", "xx"), ("gh", "nld", "gh", "gh")]


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "predictions.tsv"
    path.write_text(HEADER + "".join("\t".join(row) + "\n" for row in ROWS))
    return path


def test_each_value_is_scored_like_a_file_of_its_rows(predictions, tmp_path):
    found = rescore(predictions, by="features")
    assert [(group.value, group.rows) for group in found.by_features] == [("deu", 3), ("nld", 2)]
    for group in found.by_features:
        alone = tmp_path / f"{group.value}.tsv"
        rows = [row for row in ROWS if row[1] == group.value]
        alone.write_text(HEADER + "".join("\t".join(row) + "\n" for row in rows))
        expected = rescore(alone)
        assert group.metrics == pytest.approx(expected.metrics)
        assert group.intervals["sequence_accuracy"] == pytest.approx(
            expected.intervals["sequence_accuracy"]
        )


def test_the_command_shows_a_table_with_all_rows_and_json(predictions, capsys):
    assert shell.run(app, ["eval", "--score", str(predictions), "--by", "features"]) == 0
    lines = capsys.readouterr().out.splitlines()
    deu, nld, whole = (
        next(line for line in lines if line.startswith(name)) for name in ("deu", "nld", "all rows")
    )
    assert deu.split()[1:3] == ["3", "66.7%"]
    assert nld.split()[1:3] == ["2", "50.0%"]
    assert whole.split()[2:4] == ["5", "60.0%"]
    words = ["eval", "--score", str(predictions), "--by", "features", "--json"]
    assert shell.run(app, words) == 0
    document = json.loads(capsys.readouterr().out)
    assert [group["value"] for group in document["by_features"]] == ["deu", "nld"]


def test_rows_without_features_cannot_be_grouped(tmp_path):
    path = tmp_path / "predictions.tsv"
    path.write_text("source\ttruth\tprediction\nab\tba\tba\n")
    with pytest.raises(UsageError, match="has no features column"):
        rescore(path, by="features")
    with pytest.raises(UsageError, match="no column for --by is called 'length'"):
        rescore(path, by="length")
