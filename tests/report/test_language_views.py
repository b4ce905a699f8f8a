"""How language models are told of: bits and perplexity where accuracies would stand."""

from __future__ import annotations

from seqcli.events import Finished, RunStarted
from seqcli.report.evaluation import metrics_table, novelty_table
from seqcli.report.logs import LANGUAGE_CAPTION, Epoch, epoch_table
from seqcli.report.predictions import FEWEST, SHOWN, probability_bars
from seqcli.report.summary import end_lines, run_lines
from seqcli.results import Evaluation, NextToken, Novelty

METRICS = {
    "train_loss": 2.2,
    "val_loss": 2.1,
    "val_bits_per_character": 3.0296,
    "val_perplexity": 8.1662,
    "teacher_forcing": 1.0,
}


def test_epochs_show_bits_and_perplexity() -> None:
    table = epoch_table([Epoch(1, METRICS)], best=1)
    headers = [" ".join(column.header.split()) for column in table.columns]
    assert headers == ["epoch", "train loss", "val loss", "val bits/char", "val perplexity"]
    assert table.rows == (("*1", "2.2000", "2.1000", "3.0296", "8.1662"),)
    assert table.caption == LANGUAGE_CAPTION


def test_the_run_has_one_vocabulary_and_ends_with_its_scores() -> None:
    run = RunStarted("n", "", "GRU", 9, {"train": 5}, (0, 27), "cpu", 1, 2, 8)
    assert "vocabulary: 27 tokens; cpu, 1 thread" in run_lines(run)[2]
    lines = end_lines(Finished(1, 1, METRICS, "epochs", 2.0, (METRICS,)), [METRICS])
    assert "loss 2.1000, bits per character 3.0296, perplexity 8.1662" in lines[1]


def test_an_evaluation_names_what_is_counted() -> None:
    metrics = {"loss": 2.0, "bits_per_character": 2.885, "perplexity": 7.389}
    baselines = {"bigram": {"loss": 2.45}}
    found = Evaluation(3, metrics, baselines, checkpoint="c", data="d", split="test")
    rows = metrics_table(found).rows
    assert rows[1][:2] == ("bits per character (<eos> included)", "2.8850")
    assert rows[0][2] == "2.4500 bigram"
    assert rows[1][2] == "-"
    table = novelty_table(Novelty(1000, {"new": 0.9, "in_train": 0.1}))
    assert table.rows == (("new", "90.0%"), ("in train", "10.0%"))
    assert table.caption == "of 1,000 texts"
    assert novelty_table(None).rows == ()


def test_bars_are_in_proportion_and_end_with_the_rest() -> None:
    found = [NextToken("a", 0.5), NextToken(None, 0.25), NextToken(" ", 0.125)]
    found += [NextToken(chr(0x4E00 + i), 0.125 / 40) for i in range(40)]
    lines = probability_bars(found)
    assert lines[0].split() == ["a", "50.0%", "█" * 40]
    assert lines[1].split() == ["<eos>", "25.0%", "█" * 20]
    assert lines[2].split()[-1] == "█" * 10
    assert lines[2].startswith("' '")
    assert len(lines) == SHOWN + 1
    assert lines[-1].startswith(f"{43 - SHOWN} others")
    assert len({line.index("%") + sum(ord(c) >= 0x4E00 for c in line) for line in lines}) == 1
    assert set(probability_bars(found, plain_ascii=True)[0].split()[-1]) == {"#"}


def test_symbols_that_hardly_ever_come_share_a_bar() -> None:
    rare = [NextToken(chr(0x62 + i), 0.0001) for i in range(20)]
    lines = probability_bars([NextToken("a", 0.998), *rare])
    assert len(lines) == FEWEST + 1
    assert lines[-1].split()[:3] == ["13", "others", "0.1%"]
