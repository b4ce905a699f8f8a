"""What `evaluate` says of a model, `rescore` says again of the file it wrote."""

from __future__ import annotations

import json

import pytest

import seqcli
from seqcli.errors import UsageError
from seqcli.report.json_documents import evaluation_document

WORDS = [a + b + c for a in "abc" for b in "abc" for c in "abc"]
ABOUT_THE_CHECKPOINT = {"checkpoint", "members", "split", "beam", "length_penalty", "novelty"}
TINY = {"hidden": 8, "embedding": 8, "epochs": 1, "cell": "gru", "threads": 1}


def rows(words, target):
    return "".join(f"{word}\t{target(word)}\n" for word in words)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the run of a model that spells words out, with some of them twice."""
    folder = tmp_path_factory.mktemp("rescoring")
    data = folder / "words.tsv"
    spelt = rows(WORDS * 3, " ".join) + rows(WORDS[::2], lambda word: " ".join(word[::-1]))
    data.write_text(spelt)
    return seqcli.train(data=str(data), target_tokens="words", out=folder / "run", **TINY)


def same_again(run, path, **options):
    """Return the evaluation of a run, sure that the file it writes scores the same."""
    found = seqcli.evaluate(run, predictions=path, **options)
    again = seqcli.rescore(path)
    assert again.predictions == found.predictions
    one, other = (evaluation_document(each) for each in (found, again))
    one["notes"] = [note for note in one["notes"] if "not in the vocabulary" not in note]
    assert set(one) - set(other) == ABOUT_THE_CHECKPOINT
    different = {key for key in other if json.dumps(one[key]) != json.dumps(other[key])}
    assert different <= {"data", "seconds"}
    return found


def test_every_number_comes_again(trained, tmp_path):
    found = same_again(trained.path, tmp_path / "answers.tsv", split="train")
    assert set(found.baselines) == {
        *("chance", "copy", "majority", "most_frequent", "memorize_else_copy"),
    }
    assert found.baselines["copy"]["sequence_accuracy"] >= 0.5
    assert found.references.several > 5
    assert found.baselines["memorize_else_copy"]["multi_reference_accuracy"] == 1.0
    best = found.baselines["memorize_else_copy"]["sequence_accuracy"]
    assert found.references.ceiling == pytest.approx(best)
    assert set(found.intervals) == set(found.metrics)


def test_symbols_that_training_never_saw_stand_as_they_are(trained, tmp_path):
    data, path = tmp_path / "more.tsv", tmp_path / "answers.tsv"
    data.write_text("abc\ta b c\nabé\ta \ufffd c\na\\b\ta \\ b\n")
    found = same_again(trained.path, path, data=data, oracle_length=True)
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [line[1] for line in lines[1:]] == ["a b c", "a \ufffd c", "a \\\\ b"]
    assert [one.rows for one in found.by_unseen] == [2, 1, 2, 1]
    assert found.by_unseen[2].sequence_accuracy == 0.0
    assert len(found.notes) == 5
    assert "source tokens not in the vocabulary: é (1), \\ (1)" in found.notes


def test_labels_are_classes(tmp_path):
    data = tmp_path / "labels.tsv"
    data.write_text(rows(WORDS * 2, lambda word: "vowel" if "a" in word else "none at all"))
    run = seqcli.train(data=str(data), target_tokens="whole", out=tmp_path / "run", **TINY)
    found = same_again(run.path, tmp_path / "answers.tsv", split="train")
    assert found.classes.labels[:2] == ("none at all", "vowel")
    assert sum(map(sum, found.classes.matrix)) == found.rows
    assert set(found.baselines) == {
        *("chance", "majority", "most_frequent", "memorize_else_most_frequent"),
    }
    majority = sum("a" in word for word in WORDS) / len(WORDS)
    assert found.baselines["most_frequent"]["sequence_accuracy"] == pytest.approx(majority, abs=0.1)
    assert found.baselines["memorize_else_most_frequent"]["macro_f1"] == 1.0


def test_features_go_with_their_source(tmp_path):
    data = tmp_path / "forms.tsv"
    data.write_text("".join(f"{word}\t{word}{end}\tN;{end}\n" for word in WORDS for end in "xy"))
    options = {"set": ["data.columns=source,target,features"], "out": tmp_path / "run"}
    run = seqcli.train(data=str(data), **options, **TINY)
    found = same_again(run.path, tmp_path / "answers.tsv", split="train")
    assert found.references is None  # another feature, another source
    assert found.baselines["memorize_else_copy"]["sequence_accuracy"] == 1.0
    assert found.predictions[0].line("").count("\t") == 1
    assert len(found.predictions[0].source) == 3
    header = (tmp_path / "answers.tsv").read_text().split("\n")[0]
    assert "\tfeatures\t" in header


def test_a_tasks_own_rules_are_baselines_and_in_the_file(tmp_path):
    run = seqcli.train(
        task="copy_memory", train_rows=64, val_rows=8, test_rows=8, out=tmp_path / "run", **TINY
    )
    found = same_again(run.path, tmp_path / "answers.tsv")
    assert {"chance", "majority", "copy"} <= set(found.baselines)


def test_styles_of_a_plain_file_are_checked(tmp_path):
    path = tmp_path / "theirs.tsv"
    path.write_text("ab\tx y\tx\n")
    assert seqcli.rescore(path, target_tokens="chars").metrics["token_error_rate"] == 2 / 3
    assert seqcli.rescore(path).metrics["token_error_rate"] == 1 / 2
    with pytest.raises(UsageError, match="no token style is called 'word'"):
        seqcli.rescore(path, target_tokens="word")


@pytest.mark.parametrize("name", ["names", "numpy"])
def test_a_language_model_has_intervals_and_a_file_to_score_again(runs, tmp_path, name):
    path = tmp_path / "losses.tsv"
    found = seqcli.evaluate(runs[name], predictions=path)
    for metric, value in found.metrics.items():
        low, high = found.intervals[metric]
        assert low < value < high
    again = seqcli.rescore(path)
    assert again.metrics == found.metrics
    assert again.intervals == found.intervals
    assert again.baselines == found.baselines
    assert set(found.baselines) == {"chance", "unigram", "bigram"}
    assert again.rows == found.rows == len(path.read_text().splitlines()) - 1
