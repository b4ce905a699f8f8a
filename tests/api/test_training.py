"""`train` before it begins and after it has ended: what is refused, what is left behind."""

import pytest

import seqcli
from seqcli.errors import DataError, UsageError

TINY = {"train_rows": 32, "val_rows": 8, "test_rows": 8, "epochs": 1, "threads": 1}
NUMPY = {"task": "names", "backend": "numpy", "hidden": 8}
REFUSED = [
    {**NUMPY, "cell": "transformer"},
    {"task": "copy", "backend": "numpy"},
    {"task": "copy", "device": "mps", "set": ["train.precision=float64"]},
]


@pytest.mark.parametrize("wanted", REFUSED)
def test_what_is_refused_leaves_no_folder(tmp_path, monkeypatch, wanted):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError):
        seqcli.train(**TINY, **wanted)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("wanted", REFUSED)
def test_what_is_refused_overwrites_no_run(tmp_path, wanted):
    folder = seqcli.train(**TINY, **NUMPY, out=tmp_path / "run").path
    before = (folder / "best.pt").read_bytes()
    with pytest.raises(UsageError):
        seqcli.train(**TINY, **wanted, out=folder, force=True)
    assert (folder / "best.pt").read_bytes() == before


def test_going_on_by_a_backend_that_cannot_is_refused(tmp_path):
    folder = seqcli.train(**TINY, task="names", cell="transformer", out=tmp_path / "run").path
    with pytest.raises(UsageError, match=r"no model\.cell transformer"):
        seqcli.train(resume=folder, epochs=2, backend="numpy")


def test_config_yaml_of_a_run_makes_the_run_again(tmp_path):
    rows = "".join(f"{a}{b}\t{b}{a}\n" for a in "abcdefg" for b in "abcdefg")
    (tmp_path / "pairs.tsv").write_text(rows, "utf-8")
    events = []
    first = seqcli.train(
        data=tmp_path / "pairs.tsv",
        hidden=8,
        threads=1,
        recipe="quick",
        set=["train.epochs=3", "train.epoch_steps=4"],
        out=tmp_path / "one",
        listen=events.append,
    )
    assert first.config.origins["model.attention"] == "recipe quick"
    assert first.config.train.metric == "sequence_accuracy"
    line = next(event.recipe for event in events if type(event).__name__ == "RunStarted")
    assert line.startswith("recipe quick: GRU with attention")
    again = seqcli.train(first.path / "config.yaml", out=tmp_path / "two")
    assert again.config == first.config
    losses = [[row["val_loss"] for row in run.finished.history] for run in (first, again)]
    assert losses[0] == losses[1]
    with pytest.raises(UsageError, match=r"another train\.recipe"):
        seqcli.train(resume=first.path, recipe="best")


@pytest.mark.parametrize("columns", ["source,target", "target,-"])
def test_eval_without_test_rows_names_the_splits_there_are(tmp_path, columns):
    (tmp_path / "a.tsv").write_text("ab\tba\ncd\tdc\n" * 8, encoding="utf-8")
    files = dict.fromkeys(("train", "val"), tmp_path / "a.tsv")
    tiny = {"hidden": 8, "epochs": 1, "threads": 1}
    run = seqcli.train(**files, **tiny, columns=columns, out=tmp_path / "run")
    with pytest.raises(DataError, match="has no test rows") as refused:
        run.evaluate()
    assert refused.value.hint == "choose --split train or --split val"
