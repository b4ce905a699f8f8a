"""A search for settings: its trials, its journal, and what is reported."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path

import pytest

import seqcli
from seqcli import api
from seqcli.api.search_study import FILE
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.search import SearchResult
from seqcli.errors import DataError, Exit, MachineError, StoppedBySignal, UsageError
from seqcli.events import RunFailed

pytest.importorskip("optuna")
SETTINGS = {
    "data.task": "reverse",
    "data.train": 64,
    "data.val": 16,
    "data.test": 16,
    "model.hidden": 8,
    "model.embedding": 8,
    "train.epochs": 1,
}
BEST = 4e-3  # the learning rate with the highest accuracy
RANGE = "train.lr=1e-4..1e-2:log"


def result_of(name: str, lr: float) -> RunResult:
    """Return the result of a trial with a learning rate."""
    accuracy = 1 - abs(math.log10(lr / BEST)) / 4
    scores = {"loss": 1 - accuracy, "sequence_accuracy": round(accuracy, 2)}
    return RunResult(
        run=name, arm=name, seed=0, data="reverse", language=False, model="GRU", cell="gru",
        attention="none", positions="", parameters=1, steps=1, epochs=1, best_epoch=1, seconds=1.0,
        sequences_per_second=1.0, reason="epochs", split="val", metrics={"val": scores},
        baselines={}, rows={}, trained_lengths={},
    )  # fmt: skip


class Pool:
    """Stands in for the processes; a call of ``stop_after`` stops it."""

    def __init__(self, jobs: int = 1) -> None:
        self.jobs, self.stop_after, self.runs = jobs, 10**6, list[str]()
        self.failures: dict[str, RunFailed] = {}

    def run(self, planned, folder, watch, work):
        self.stop_after -= 1
        if self.stop_after < 0:
            raise StoppedBySignal("stopped", "", Exit.SIGINT)
        failures = {}
        for run in planned:
            self.runs.append(run.name)
            if run.name in self.failures:
                failures[run.name] = self.failures[run.name]
            else:
                watch(run.name, result_of(run.name, run.config.train.lr))
        return failures


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Return the pool that takes the place of processes."""
    made = Pool()

    @contextlib.contextmanager
    def open_engine(jobs, on):
        yield made

    monkeypatch.setattr("seqcli.api.searching.open_engine", open_engine)
    return made


def search(out: Path, trials: int, *ranges: str, **options: object) -> SearchResult:
    texts = ranges or (RANGE,)
    planned = api.plan_search(
        SETTINGS, search=texts, trials=trials, cells=["gru"], out=out, match="none", **options
    )
    return api.run_search(planned)


def test_a_search_finds_the_best_rate_and_reports_its_trials(pool, tmp_path):
    result = search(tmp_path / "s", 9)
    (model,) = result.models
    assert len(model.trials) == len(set(pool.runs)) == 9
    assert model.best.metrics["sequence_accuracy"] >= 0.97
    assert f"--lr {model.best.values['train.lr']:g} " in model.command
    assert pool.runs[0] == "gru-attention+lr=0.001-s0"
    document = json.loads((tmp_path / "s" / "search.json").read_text())
    assert document["models"][0]["best"]["number"] == model.best.number
    assert [one["number"] for one in document["models"][0]["trials"]] == list(range(1, 10))
    page = (tmp_path / "s" / "report.html").read_text()
    assert page.count("<svg") == 1
    for text in (page, (tmp_path / "s" / "search.md").read_text()):
        assert model.command in text
        assert "test was not used" in text


@pytest.mark.slow
def test_an_interrupted_search_proposes_the_same_trials(pool, tmp_path):
    whole = search(tmp_path / "whole", 8)
    expected, pool.runs = pool.runs, []
    for trials, stop_after in ((8, 2), (5, 1), (8, 100)):
        pool.stop_after = stop_after
        with contextlib.suppress(StoppedBySignal):
            again = search(tmp_path / "again", trials)
        with (tmp_path / "again" / FILE).open("ab") as journal:
            journal.write(b'{"op_code": 4, "cut off')  # by a kill
    assert pool.runs == expected
    assert again.models == whole.models
    assert search(tmp_path / "again", 8).models == whole.models
    assert pool.runs == expected


@pytest.mark.slow
def test_trials_that_fail_are_part_of_the_search(pool, tmp_path):
    diverged = RunFailed("the loss became NaN", "", Exit.DIVERGED)
    pool.failures["gru-attention+lr=0.001-s0"] = diverged
    (model,) = search(tmp_path, 4).models
    assert [one.failed for one in model.trials] == ["the loss became NaN", "", "", ""]
    assert "failed: gru-attention+lr=0.001-s0: the loss" in (tmp_path / "search.md").read_text()
    (model,) = search(tmp_path, 4).models
    assert len(pool.runs) == 4


def test_a_full_disk_ends_the_search(pool, tmp_path):
    full = RunFailed("no space left on device", "free some space", Exit.MACHINE)
    pool.failures["gru-attention+lr=0.001-s0"] = full
    with pytest.raises(MachineError, match="no space left"):
        search(tmp_path, 4)
    pool.failures.clear()
    assert len(search(tmp_path, 4).models[0].trials) == 4
    assert pool.runs.count("gru-attention+lr=0.001-s0") == 2


@pytest.mark.slow
def test_a_finite_space_ends_when_it_is_exhausted(pool, tmp_path):
    pool.jobs = 3
    result = search(tmp_path, 30, "train.optimizer=adam|sgd", "model.layers=1..3")
    assert len(result.models[0].trials) == len(set(pool.runs)) == 6


@pytest.mark.parametrize(
    ("ranges", "options", "message"),
    [
        (["train.seed=0..3"], {}, r"--search cannot vary train\.seed"),
        (["model.cell=gru|rnn"], {}, r"--search cannot vary model\.cell"),
        (["model.dropout=0.5..1.5"], {}, "model.dropout"),
        (["train.optimizer=adam|adamm"], {}, "did you mean adam"),
        (["model.hidden=8..16"], {"match": "params"}, "--match params chooses it"),
        ([RANGE], {"trials": 0}, "--trials cannot be 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(tmp_path, ranges, options, message):
    given = {"trials": 3, "match": "none", **options}
    with pytest.raises(UsageError) as refused:
        api.plan_search(SETTINGS, search=ranges, cells=["gru"], out=tmp_path, **given)
    assert message.replace("\\", "") in f"{refused.value.message} {refused.value.hint}"


def test_validation_rows_are_needed(tmp_path):
    (tmp_path / "train.tsv").write_text("".join(f"{a}{b}\t{b}{a}\n" for a in "abc" for b in "de"))
    (tmp_path / "test.tsv").write_text("ad\tda\n")
    files = {"train": str(tmp_path / "train.tsv"), "test": str(tmp_path / "test.tsv")}
    with pytest.raises((UsageError, DataError), match="validation rows"):
        api.plan_search(None, search=[RANGE], cells=["gru"], out=tmp_path / "s", **files)


def test_a_search_never_looks_at_the_test_rows(tmp_path):
    words = ["ab", "abab", "ba", "baab", "aabb", "bbaa", "abba", "bab"]
    (tmp_path / "train.txt").write_text("\n".join(words))
    (tmp_path / "val.txt").write_text("aba\nbb\n")
    found = []
    for name, rows in (("easy", "ab\nba\nabab\n"), ("hard", "zzzz\nyx\nbbbbbbbbbbbb\n")):
        (tmp_path / f"{name}.txt").write_text(rows)
        files = {part: tmp_path / f"{part}.txt" for part in ("train", "val")}
        settings = {"model.hidden": 4, "train.epochs": 1, "train.backend": "numpy"}
        planned = api.plan_search(
            settings, search=[RANGE], trials=2, cells=["gru"], match="none", attention="off",
            out=tmp_path / name / "search", test=tmp_path / f"{name}.txt", **files,
        )  # fmt: skip
        (model,) = api.run_search(planned, jobs=1).models
        found.append([(one.values, one.metrics, one.failed) for one in model.trials])
        stored = json.loads(
            (tmp_path / name / "search" / model.best.run / "result.json").read_text()
        )
        assert set(stored["metrics"]) == set(stored["rows"]) == {"val"}
    assert found[0] == found[1]


@pytest.mark.slow
def test_trials_are_scored_on_validation_only(tmp_path):
    planned = api.plan_search(
        SETTINGS, search=[RANGE], trials=1, cells=["gru"], out=tmp_path, match="none", length="2:4"
    )
    (model,) = api.run_search(planned, jobs=1).models
    stored = json.loads((tmp_path / model.best.run / "result.json").read_text())
    assert set(stored["metrics"]) == set(stored["rows"]) == {"val"}
    assert seqcli.evaluate(tmp_path / model.best.run, split="val").metrics == model.best.metrics


def test_a_search_is_not_collected_as_a_comparison(pool, tmp_path):
    pool.stop_after = 1
    with contextlib.suppress(StoppedBySignal):
        search(tmp_path, 4)
    with pytest.raises(UsageError, match=r"is a search.*not a comparison") as refused:
        api.collect(tmp_path)
    assert "run its command again" in refused.value.hint


def test_a_grid_does_not_share_the_folder_of_a_search(pool, tmp_path):
    search(tmp_path, 1)
    (tmp_path / pool.runs[0]).mkdir()
    (tmp_path / pool.runs[0] / "config.yaml").touch()  # a run that has begun
    options = {"cells": ["gru"], "seeds": 1, "match": "none", "out": tmp_path}
    with pytest.raises(UsageError, match=r"another comparison: it is a search for train\.lr"):
        api.plan(SETTINGS, grid=["train.lr=1e-3,1e-2"], **options)
