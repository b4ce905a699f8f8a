"""Files of one's own from training to answers: weights, features, columns, what is told."""

import json

import pytest
import torch

import seqcli
from seqcli.cli import app, shell
from seqcli.data.vocabulary import PAD
from seqcli.errors import DataError, UsageError
from seqcli.events import DataRead, RunStarted
from seqcli.training.torch_batches import cross_entropy

TINY = {"hidden": 4, "embedding": 4, "epochs": 1, "threads": 1}
FEATURED = "".join(f"w{n}\tN;{'PL' if n % 2 else 'SG'}\tW{n}\n" for n in range(40))


def test_weights_reach_the_loss():
    torch.manual_seed(0)
    logits, targets = torch.randn(2, 3, 5), torch.tensor([[1, 2, 3], [4, 2, PAD]])
    each = [cross_entropy(logits[i : i + 1], targets[i : i + 1])[0] for i in range(2)]
    objective, plain = cross_entropy(logits, targets, weights=torch.tensor([1.5, 0.5]))
    assert objective.item() == pytest.approx(1.5 * each[0].item() + 0.5 * each[1].item())
    assert plain.item() == pytest.approx(sum(each).item())
    smooth = cross_entropy(logits, targets, 0.1)[0]
    assert cross_entropy(logits, targets, 0.1, torch.ones(2))[0].item() == pytest.approx(
        smooth.item()
    )


@pytest.mark.slow
def test_a_row_that_weighs_more_is_learnt_first(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("a\tx\t99\na\ty\t1\n")
    run = seqcli.train(
        train=path, columns="source,target,count", out=tmp_path / "run", hidden=8, embedding=8,
        steps=40, lr=0.05, threads=1,
    )  # fmt: skip
    assert run.predict(["a"])[0].candidates[0].text == "x"
    path.write_text("anna\t2\nbo\t1\n")
    given = {"train": path, "columns": "target,count", "backend": "numpy", "epochs": 1}
    with pytest.raises(UsageError, match="does not weight rows"):
        seqcli.train(**given, out=tmp_path / "names")


@pytest.fixture(scope="module")
def inflected(tmp_path_factory):
    """A model of rows with features, in lower case, and the folder with its file."""
    folder = tmp_path_factory.mktemp("inflected")
    (folder / "a.tsv").write_text(FEATURED + "\nw1\tN;PL\tW1\n")
    told = []
    run = seqcli.train(
        data=folder / "a.tsv", columns="source=1,features=2,target=3", lower="target",
        listen=told.append, out=folder / "run", **TINY,
    )  # fmt: skip
    return folder, run, told


def test_what_was_read_is_told_first_and_kept(inflected):
    folder, run, told = inflected
    assert isinstance(told[0], DataRead)
    assert isinstance(told[1], RunStarted)
    assert run.data == told[0]
    assert {one.kind: one.lines for one in run.data.findings if one.kind != "unknown"} == {
        "blank": (41,),
        "duplicate": (42,),
    }
    named = (folder / "run" / "named_rows.tsv").read_text().splitlines()
    assert named[1] == f"{folder / 'a.tsv'}\t41\t\tleft out\tblank\t"
    assert run.data.named_rows == str(folder / "run" / "named_rows.tsv")


def test_answers_take_features_behind_a_tab(inflected):
    _, run, _ = inflected
    one, other, strange = run.predict(["w1\tN;PL", "w1\tN;SG", "w1\tX;PL"])
    assert one.unknown == other.unknown == ()
    assert strange.unknown == (" [X]",)
    assert one.candidates[0].log_probability != other.candidates[0].log_probability


def test_eval_reads_other_files_as_training_did(inflected, tmp_path):
    _, run, _ = inflected
    (tmp_path / "b.tsv").write_text("w1\tN;PL\tW1\nw2\tN;SG\tW2\n")
    found = run.evaluate(data=tmp_path / "b.tsv")
    assert found.rows == 2
    assert [row.truth for row in found.predictions] == [("w", "1"), ("w", "2")]
    (tmp_path / "c.csv").write_text("inflected,lemma\nW1,w1\n")
    found = run.evaluate(data=tmp_path / "c.csv", columns="target=inflected,source=lemma")
    assert found.rows == 1
    with pytest.raises(UsageError, match="describe the file of --data"):
        run.evaluate(format="csv")
    (tmp_path / "c.tsv").write_text("w1\tW1\n")
    with pytest.raises(DataError, match="line 1: expected 3 tab-separated columns"):
        run.evaluate(data=tmp_path / "c.tsv")


def test_going_on_finds_the_same_rows_or_refuses(inflected):
    folder, run, _ = inflected
    again = seqcli.train(resume=folder / "run", epochs=2)
    assert again.data.splits == run.data.splits
    (folder / "a.tsv").write_text(FEATURED)
    with pytest.raises(DataError, match="not the data that the model was trained on"):
        seqcli.train(resume=folder / "run", epochs=3)


def test_labels_are_learnt_as_one_symbol(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("name,class\n" + "aa,New Zealand\nbb,Malta\n" * 8)
    run = seqcli.train(
        train=path, columns="source=name,target=class", target_tokens="whole", hidden=8,
        embedding=8, steps=40, lr=0.05, threads=1, out=tmp_path / "run",
        set=["train.warmup=5"],
    )  # fmt: skip
    answers = [answer.candidates[0].text for answer in run.predict(["aa", "bb"])]
    assert answers == ["New Zealand", "Malta"]


def test_check_shows_what_was_read_and_trains_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tsv").write_text("a\tb\t2\nc\td\t3\n")
    words = ["train", "--data", "a.tsv", "--columns", "source,target,count", "--check"]
    assert shell.run(app, words) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "data: a.tsv (tsv): 2 rows, 2 kept"
    assert out.splitlines()[1].split() == [
        *["split", "rows", "distinct", "sources", "weight", "source", "length", "target", "length"],
        *["in", "an", "earlier", "split", "with", "unknown", "tokens"],
    ]
    recipe = "recipe auto: GRU with attention, hidden 128"  # few rows
    assert any(line.startswith(recipe) for line in out.splitlines())
    assert err == ""
    assert shell.run(app, [*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"].startswith(recipe)
    assert found["files"] == [{"path": "a.tsv", "split": "", "format": "tsv", "rows": 2, "kept": 2}]
    assert [path.name for path in tmp_path.iterdir()] == ["a.tsv"]
    with pytest.raises(UsageError, match="generated, not read"):
        seqcli.api.read_data(task="copy")


def test_numbers_behind_train_are_rows_of_a_task(tmp_path):
    told = []

    def stop(event):
        told.append(event)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seqcli.train(
            task="copy", train="30", val=5, test=5, listen=stop, out=tmp_path / "run", **TINY
        )
    assert told[0].rows == {"train": 30, "val": 5, "test": 5}


def test_examples_show_the_words_of_the_file_though_training_never_saw_them(tmp_path):
    train, val = tmp_path / "train.tsv", tmp_path / "val.tsv"
    train.write_text("".join(f"the {word}\tle {word}\n" for word in ("cat", "dog", "cow") * 9))
    val.write_text("the unicorn\tle licorne\n")
    told = []
    seqcli.train(
        train=train, val=val, source_tokens="words", target_tokens="words", hidden=4, embedding=4,
        epochs=1, threads=1, out=tmp_path / "run", listen=told.append,
    )  # fmt: skip
    examples = [one for event in told for one in getattr(event, "examples", ())]
    assert examples[0].source == "the unicorn"
    assert examples[0].truth == ("le", "licorne")
