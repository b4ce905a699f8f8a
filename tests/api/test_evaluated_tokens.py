"""Predictions are scored as the tokens that the model wrote, not as text tokenized again."""

import random

import pytest

import seqcli
from seqcli.data.vocabulary import Tokenizer

MARKS = "\u0301\u0302\u0303\u0304\u0306"  # alone at the start of a text, else part of a letter


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a run on graphemes that has learnt next to nothing: it writes marks after letters."""
    folder, rng = tmp_path_factory.mktemp("graphemes"), random.Random(0)
    rows = [
        ("".join(rng.choices("xyz", k=4)), rng.choice(MARKS) + "".join(rng.choices("aeo", k=3)))
        for _ in range(120)
    ]
    (folder / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in rows))
    return seqcli.train(
        data=folder / "pairs.tsv",
        out=folder / "run",
        target_tokens="graphemes",
        cell="gru",
        attention=True,
        hidden=16,
        embedding=8,
        epochs=1,
        lr=1e-5,
        threads=1,
        set=["model.dropout=0"],
    )


def test_validation_evaluation_and_the_file_agree_on_graphemes(run, tmp_path):
    predictions = tmp_path / "predictions.tsv"
    evaluation = seqcli.evaluate(run.path, split="val", beam=1, predictions=predictions)
    split = Tokenizer("graphemes").split
    rows = [list(row.prediction) for row in evaluation.predictions]
    assert any(split("".join(row)) != row for row in rows)  # else this shows nothing
    for name in ("token_accuracy", "sequence_accuracy", "token_error_rate"):
        assert evaluation.metrics[name] == run.finished.best[f"val_{name}"]
    again = seqcli.rescore(predictions)
    assert again.metrics == evaluation.metrics
    assert again.baselines == evaluation.baselines
    assert [list(row.prediction) for row in again.predictions] == rows
