"""`train --distill`: the predictions of a teacher become training rows."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import seqcli
from seqcli.api.trained_model import open_model
from seqcli.cli import app, shell
from seqcli.errors import CheckpointError, StoppedBySignal, UsageError
from seqcli.events import RunStarted
from seqcli.report.info_view import checkpoint_lines
from seqcli.runs import RunPaths
from seqcli.training.loop import Loop

TINY = {"hidden": 6, "epochs": 1, "threads": 1, "seed": 3}
SMALL = ["model.embedding=4", "train.save_every=0"]
WORDS = [f"{a}{b}{c}" for a in "abc" for b in "abc" for c in "abc"]


def rows(words) -> str:
    return "".join(f"{word}\t{word[::-1].upper()}\n" for word in words)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder with split pairs and a teacher that has hardly learned."""
    folder = tmp_path_factory.mktemp("distill")
    for split, words in (("train", WORDS[:15]), ("val", WORDS[15:18]), ("test", WORDS[18:20])):
        (folder / f"{split}.tsv").write_text(rows(words))
    seqcli.train(
        **data(folder), **{**TINY, "epochs": 8}, set=SMALL, lr=0.02, out=folder / "teacher"
    )
    return folder


def data(folder: Path) -> dict[str, str]:
    return {split: str(folder / f"{split}.tsv") for split in ("train", "val", "test")}


def student(folder: Path, out: Path, **options):
    started = []
    run = seqcli.train(
        **data(folder), **TINY, set=SMALL, out=out, distill=str(folder / "teacher"),
        listen=lambda event: started.append(event) if isinstance(event, RunStarted) else None,
        **options,
    )  # fmt: skip
    return run, started[0]


def test_rows_of_the_teacher_are_its_predictions_that_are_not_gold(folder, tmp_path):
    run, started = student(folder, tmp_path / "run")
    teacher = open_model(folder / "teacher")
    found = seqcli.predict(teacher, WORDS[:15], beam=5)
    texts = [one.candidates[0] for one in found]
    differ = sum(
        one.text not in ("", word[::-1].upper()) and not one.truncated
        for one, word in zip(texts, WORDS[:15], strict=True)
    )
    assert differ > 0  # else the test shows nothing
    assert started.rows == {"train": 15 + differ, "val": 3, "test": 2}
    facts = open_model(run.path).checkpoint.record.distillation
    assert facts.teacher == str(folder / "teacher")
    assert facts.rows == {"gold": 15, "train": differ, "unlabelled": 0}
    (line,) = (line for line in checkpoint_lines(seqcli.info(run.path)) if "(training" in line)
    assert f"(training rows: gold 15 train {differ} unlabelled 0)" in line
    assert seqcli.evaluate(run.path, split="train").rows == 15  # gold rows only


def test_unlabelled_sources_are_added_and_those_of_other_splits_are_not(folder, tmp_path):
    path = tmp_path / "more.txt.gz"
    lines = [*WORDS[20:25], WORDS[20], WORDS[0], WORDS[15], WORDS[18], "xyz", "", "ab"]
    path.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n\xff\n"))
    run, started = student(folder, tmp_path / "run", unlabelled=str(path))
    facts = open_model(run.path).checkpoint.record.distillation
    assert facts.rows["unlabelled"] + facts.left_out.get("unfinished", 0) >= 6
    assert {name: facts.left_out[name] for name in ("leak", "unknown", "bytes")} == {
        "leak": 2,
        "unknown": 1,
        "bytes": 1,
    }
    assert len(facts.sha256) == 64
    assert "2 sources left out: in validation or test data" in started.notes
    assert started.rows["train"] == sum(facts.rows.values())


def test_a_run_resumes_with_the_stored_rows(folder, tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise StoppedBySignal("stopped", "", shell.Exit(130))

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "fit", stop)
        with pytest.raises(StoppedBySignal):
            student(folder, out)
    monkeypatch.setattr("seqcli.api.distilling.open_model", None)  # the teacher is not needed
    run = seqcli.train(resume=out)
    assert open_model(run.path).checkpoint.record.distillation.rows["gold"] == 15
    RunPaths(out).distilled.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="cannot be read"):
        seqcli.train(resume=out, epochs=2)


def test_a_teacher_that_does_not_suit_is_refused(folder, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"{word}\n" for word in WORDS))
    names = seqcli.train(
        data=tmp_path / "names.txt", backend="numpy", hidden=4, epochs=1, threads=1, samples=0,
        out=tmp_path / "names",
    ).path  # fmt: skip
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="is for a language model, the data for pairs"):
        seqcli.train(**data(folder), **TINY, out=out, distill=str(names))
    with pytest.raises(UsageError, match="the tokenization of sources is chars in the teacher"):
        seqcli.train(
            **data(folder), **TINY, out=out, distill=str(folder / "teacher"), source_tokens="words"
        )
    with pytest.raises(UsageError, match="--unlabelled needs a teacher"):
        seqcli.train(**data(folder), **TINY, out=out, unlabelled="x.txt")
    assert not out.exists()


def test_the_command_says_what_the_training_rows_are(folder, tmp_path, capsys):
    files = [word for split, path in data(folder).items() for word in (f"--{split}", path)]
    sizes = ["--hidden", "6", "--epochs", "1", "--threads", "1", "--out", str(tmp_path / "run")]
    assert shell.run(app, ["train", *files, *sizes, "--distill", str(folder / "teacher")]) == 0
    err = capsys.readouterr().err
    assert "training rows: 15 gold rows, and predictions of" in err
