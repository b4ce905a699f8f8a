"""Folders made by gen-data: what is in them, whole or not there, checked when read."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml

from seqcli.config.sections import DataConfig
from seqcli.data import dataset_folder
from seqcli.data.build import corpus
from seqcli.data.dataset_folder import read_folder, write_folder
from seqcli.errors import DataError, UsageError
from seqcli.tasks.base import make

ROOT = Path(__file__).parents[2]
SIZES = {"train": 300, "val": 40, "test": 50}


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_the_files_hold_the_rows_of_the_task(tmp_path: Path) -> None:
    task = make("reverse", {"length": "2:6", "vocab": 12})
    write_folder(task, tmp_path / "data", SIZES, seed=5)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "data", "meta.yaml", "test.tsv", "train.tsv", "val.tsv",
    ]  # fmt: skip
    for split, size in SIZES.items():
        rows = task.rows(5, split, np.arange(size))
        expected = [
            " ".join(str(i + 1) for i in rows.sources[row])
            + "\t"
            + " ".join(str(i + 1) for i in rows.targets[row])
            for row in range(size)
        ]
        assert lines(tmp_path / "data" / f"{split}.tsv") == expected


def test_meta_tells_all_and_is_returned(tmp_path: Path) -> None:
    returned = write_folder(make("sort", {"length": "2:6"}), tmp_path / "data", SIZES, seed=5)
    meta = yaml.safe_load((tmp_path / "data" / "meta.yaml").read_text())
    assert meta == returned
    assert (meta["task"], meta["version"], meta["seed"]) == ("sort", 1, 5)
    assert meta["options"] == {"length": "2:6", "test_length": "", "vocab": 20}
    assert meta["sizes"] == SIZES
    assert meta["vocabulary"]["source"] == [str(number) for number in range(1, 20)]
    assert meta["overlap"] == {"train-val": 0, "train-test": 0, "val-test": 0}
    assert meta["baselines"]["test"]["chance"]["token_accuracy"] == 1 / 19
    assert meta["baselines"]["test"]["majority"]["token_accuracy"] > 0.1
    for split in SIZES:
        raw = (tmp_path / "data" / f"{split}.tsv").read_bytes()
        assert meta["sha256"][f"{split}.tsv"] == sha256(raw).hexdigest()
        counts = [len(line.split("\t")[0].split()) for line in raw.decode().splitlines()]
        expected = {"min": 2, "mean": pytest.approx(np.mean(counts), abs=1e-4), "max": 6}
        assert meta["lengths"][split] == {"source": expected, "target": expected}
        distinct = len({line.split("\t")[0] for line in raw.decode().splitlines()})
        assert meta["repeats"][split] == len(counts) - distinct


def test_patterns_tell_their_heuristics(tmp_path: Path) -> None:
    meta = write_folder(make("patterns", {}), tmp_path / "data", SIZES, seed=0)
    found = {
        name: scores["sequence_accuracy"] for name, scores in meta["baselines"]["test"].items()
    }
    assert found["chance"] < 1e-6
    assert 0.2 < found["copy_last"] < 0.8
    assert found["best_period"] > 0.9


def test_many_chunks_make_the_same_file_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make("copy", {})
    whole = write_folder(task, tmp_path / "whole", SIZES, seed=0)
    monkeypatch.setattr("seqcli.data.dataset_folder._CHUNK", 7)
    assert write_folder(task, tmp_path / "chunks", SIZES, seed=0) == whole


def test_splits_of_no_rows_have_no_file(tmp_path: Path) -> None:
    write_folder(make("copy", {}), tmp_path / "data", {"train": 5, "val": 2, "test": 0}, seed=0)
    assert not (tmp_path / "data" / "test.tsv").exists()
    assert list(read_folder(tmp_path / "data").splits) == ["train", "val"]
    for sizes in ({"train": 0, "val": 1}, {"train": 1, "val": -1}):
        with pytest.raises(UsageError, match="cannot have"):
            write_folder(make("copy", {}), tmp_path / "none", sizes, seed=0)


def test_a_folder_in_the_way_is_kept_unless_forced(tmp_path: Path) -> None:
    task, out = make("copy", {}), tmp_path / "data"
    out.mkdir()
    write_folder(task, out, SIZES, seed=0)  # empty: fine
    with pytest.raises(UsageError, match=r"already contains meta\.yaml"):
        write_folder(task, out, SIZES, seed=1)
    before = lines(out / "train.tsv")
    write_folder(task, out, {"train": 9}, seed=1, force=True)
    assert lines(out / "train.tsv") != before
    assert not (out / "val.tsv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_force_never_replaces_other_things(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"other files, such as thesis\.tex"):
        write_folder(make("copy", {}), tmp_path, SIZES, seed=0, force=True)
    with pytest.raises(UsageError, match="is a file"):
        write_folder(make("copy", {}), tmp_path / "thesis.tex", SIZES, seed=0, force=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("size", [10**14, 10**40])
@pytest.mark.parametrize("memory", [True, False])
def test_rows_for_which_there_is_no_room_are_refused_at_once(
    size: int, memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if memory:
        monkeypatch.setattr(dataset_folder, "physical_memory", lambda: 10**60)
    output = r"the output needs about .* PB, but only .* are free"
    expected = output if memory else "more memory than this machine"
    for sizes in ({"train": size}, {"train": 10, "test": size}):
        with pytest.raises(UsageError, match=expected):
            write_folder(make("reverse", {}), tmp_path / "data", sizes, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    task = make("copy", {"vocab": 2, "length": 3})  # one row only
    with pytest.raises(UsageError, match="too few for a val split"):
        write_folder(task, tmp_path / "data", SIZES, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_writer_leaves_no_half_data_set(tmp_path: Path) -> None:
    task, out = make("reverse", {}), tmp_path / "data"
    code = (
        "from pathlib import Path; from seqcli.tasks.base import make;"
        "from seqcli.data.dataset_folder import write_folder;"
        f"write_folder(make('reverse', {{}}), Path({str(out)!r}), {{'train': 10**8}}, 0, True)"
    )
    write_folder(task, out, SIZES, seed=0)
    before = (out / "meta.yaml").read_bytes()
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as process:
        while not (parts := list(tmp_path.glob(".data.seqcli-*/train.tsv"))):
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert parts[0].exists()  # the half of it, out of sight
    assert (out / "meta.yaml").read_bytes() == before
    write_folder(task, out, SIZES, seed=1, force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert len(read_folder(out).splits["train"]) == 300


def change_a_digit(folder: Path) -> None:
    raw = bytearray((folder / "val.tsv").read_bytes())
    raw[0] = ord("7") if raw[0] != ord("7") else ord("8")
    (folder / "val.tsv").write_bytes(raw)


def edit_meta(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "meta.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_a_digit, r"val\.tsv has changed since gen-data wrote it"),
        (lambda folder: (folder / "test.tsv").unlink(), r"test\.tsv does not exist"),
        (lambda folder: (folder / "meta.yaml").write_text("- 1\n"), r"meta\.yaml is damaged"),
        (lambda folder: (folder / "meta.yaml").write_text("{"), r"meta\.yaml is damaged"),
        (lambda folder: (folder / "meta.yaml").write_bytes(b"\xff"), r"meta\.yaml is damaged"),
        (edit_meta("sizes:", "size:"), r"meta\.yaml is damaged: it has no key sizes"),
        (edit_meta("'19'", "'20'"), r"has tokens that are not in meta\.yaml"),
        (edit_meta("'19'", "'18'"), r"meta\.yaml is damaged"),
        (edit_meta("seed: 0", "seed: 0\nseed: 1"), r"the key 'seed' is given twice"),
        (
            edit_meta("seed: 0", "seed: [0]"),
            r"seed must be a whole number, not \[0\]",
        ),
        (edit_meta("seed: 0", "seed: &x 0\nmore: *x"), r"YAML aliases are not supported"),
        (edit_meta("train.tsv", "other.tsv"), r"it has no entry 'train.tsv'"),
    ],
)
def test_damage_is_found_and_named(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    write_folder(make("copy", {}), tmp_path / "data", SIZES, seed=0)
    damage(tmp_path / "data")
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path / "data")


def test_a_folder_of_plain_files(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("ab\tx\nb\txy\nabc\tx\n")
    (tmp_path / "test.tsv").write_text("ab\tx\nd\tz\n")
    data = DataConfig(path=str(tmp_path))
    found = corpus(data, {})
    assert list(found.splits) == ["train", "test"]
    assert found.codec.source is not None
    assert found.codec.source.tokens == ("a", "b", "c")
    assert found.notes == ("no val split: no file was given; training keeps the last epoch",)
    assert found.reading is not None
    assert {one.kind: one.lines for one in found.reading.findings} == {
        "shared": (1,),
        "unknown": (2,),
    }
    assert (found.reading.splits[1].shared, found.reading.splits[1].unknown_tokens) == (1, 2)
    assert found.provenance.max_source == 3
    assert set(found.baselines["test"]) == {"chance", "majority"}
    (tmp_path / "train.tsv").write_text("ab\tx\nb\n")
    with pytest.raises(DataError, match=r"train\.tsv, line 2: expected 2"):
        corpus(data, {})
    (tmp_path / "train.tsv").unlink()
    with pytest.raises(DataError, match=r"contains no train\.tsv"):
        corpus(data, {})
