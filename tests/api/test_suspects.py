"""Training rows of highest loss."""

import pytest

from seqcli import api
from seqcli.cli import app, shell

TINY = "--epochs 1 --hidden 8 --threads 1 --recipe none --quiet"


@pytest.mark.parametrize("name", ["gru", "names"])
def test_the_rows_with_the_highest_loss_come_first(runs, name):
    rows = api.suspects(runs[name], 5)
    losses = [row.loss for row in rows]
    assert (len(rows), losses) == (5, sorted(losses, reverse=True))
    assert all(bool(row.source) == (name == "gru") for row in rows)
    every = api.suspects(runs[name], 1000)
    assert (len(every), every[:5]) == (64, rows)


def test_a_wrong_row_is_suspected(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 10} {i % 7}\ta a a" for i in range(200)]
    rows[0] = "0 0\tb c d e f g"
    (tmp_path / "train.tsv").write_text("".join(f"{row}\n" for row in rows))
    (tmp_path / "val.tsv").write_text("1 1\ta a a\n")
    words = f"train --train train.tsv --val val.tsv --cell gru --out x {TINY} --suspects 1"
    assert shell.run(app, words.split()) == 0
    loss, source, target = capsys.readouterr().out.rstrip("\n").split("\t")
    assert (source, target) == ("0 0", "b c d e f g")
    assert float(loss) > 0
