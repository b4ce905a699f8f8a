"""Runs as tasks of a Dask cluster: deaths, errors, signals, and schedulers that are gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from test_job_pool import Job, work

import seqcli
from seqcli import api
from seqcli.api import bulk_prediction
from seqcli.api.bulk_parts import Part, answer_part
from seqcli.api.dask_cluster import Cluster
from seqcli.api.dask_pool import DaskEngine, _Submission, _Task, open_dask
from seqcli.api.workers import DaskWorkers
from seqcli.errors import Exit, MachineError, StoppedBySignal, UsageError
from seqcli.events import Progress, RunFailed
from seqcli.files.lock import hold
from seqcli.interrupts import stop_on_signals

pytest.importorskip("distributed")
PROGRESS = Progress(1, 2, 3, 4, 5.0)


def test_a_cluster_that_is_not_there_is_named_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="no such file") as refused, open_dask("s.json", 1):
        pass
    assert "dask scheduler --scheduler-file s.json" in refused.value.hint
    file = tmp_path / "scheduler.json"
    file.write_text('{"type": "Scheduler", "id": "x", "address": "tcp://127.0.0.1:9"}')
    short = mock.patch("seqcli.api.dask_cluster.CONNECT_SECONDS", 0.3)
    for on in (str(file), "tcp://127.0.0.1:9"):
        with short, pytest.raises(UsageError, match="no Dask scheduler answers"), open_dask(on, 1):
            pass
        assert not [thread for thread in threading.enumerate() if thread.name == "IO loop"]


def test_dask_is_an_extra():
    hidden = mock.patch.dict(sys.modules, {"distributed": None})
    with hidden, pytest.raises(UsageError, match="needs Dask") as refused, open_dask("dask", 1):
        pass
    assert "seqcli[dask]" in refused.value.hint


def patient(job: Job, folder: Path, listen: object) -> str:
    """Train until a stop is requested, as the training loop does; then save and end."""
    if job.name.startswith("patient"):
        with hold(folder / job.name / ".lock"), stop_on_signals() as stop:
            (folder / job.name / "started").touch()
            while not stop:
                time.sleep(0.05)
            (folder / job.name / "saved").touch()
            raise StoppedBySignal("stopped", "", Exit.SIGTERM)
    return work(job, folder, listen)


class Outcome:
    """What became of some runs."""

    def __init__(self) -> None:
        self.results: dict[str, object] = {}
        self.events: list[tuple[str, object]] = []

    def __call__(self, name: str, event: object) -> None:
        if isinstance(event, str | RunFailed):
            self.results[name] = event
        else:
            self.events.append((name, event))


class Lost:
    """A task whose result cannot be had, for a reason; its status says whatever it likes."""

    def __init__(self, reason: Exception, *states: str) -> None:
        self.reason, self.states = reason, [*states]

    @property
    def status(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def result(self, timeout: float) -> object:
        raise self.reason


def submission(folder: Path, future: Lost) -> _Submission:
    """Return a submission with one task in progress."""
    client = SimpleNamespace(status="running")
    cluster = Cluster(client, "dask")  # type: ignore[arg-type]
    made = _Submission(cluster, [], folder, Outcome(), work)
    made.running["fine"] = _Task(Job("fine"), future=future)
    return made


@pytest.mark.parametrize(
    ("reason", "states"),
    [
        (TimeoutError(), ("lost",)),
        (TimeoutError(), ("finished", "lost")),
        (asyncio.TimeoutError(), ("finished", "pending")),
        (ConnectionResetError(), ("finished",)),
    ],
)
def test_a_result_lost_with_its_worker_is_waited_for(tmp_path, reason, states) -> None:
    made = submission(tmp_path, Lost(reason, *states))
    made._collect()
    assert list(made.running) == ["fine"]
    assert not made.failures


def test_a_task_that_is_cancelled_means_that_the_scheduler_is_gone(tmp_path) -> None:
    made = submission(tmp_path, Lost(CancelledError(), "error", "cancelled"))
    with pytest.raises(MachineError, match="scheduler does not answer"):
        made._collect()


@pytest.fixture(scope="module")
def engine():
    """Return a cluster of two workers on this machine."""
    sys.path.insert(0, str(Path(__file__).parent))  # workers import this module
    with open_dask("dask", 2) as made:
        yield made


@pytest.mark.slow
def test_runs_survive_the_death_of_workers(engine: DaskEngine, tmp_path: Path) -> None:
    outcome = Outcome()
    names = ("always", "once", "error", "fine-1", "fine-2")
    failures = engine.run([Job(name) for name in names], tmp_path, outcome, work)
    assert set(failures) == {"always", "error"}
    assert failures["always"].exit_code == Exit.MACHINE
    assert "lost with its Dask worker" in failures["always"].message
    assert failures["error"] == RunFailed("the rows are wrong", "correct them", Exit.DATA)
    assert outcome.results["once"] == "once after 1 deaths"
    assert outcome.results["fine-2"] == "fine-2 after 0 deaths"
    assert ("fine-1", PROGRESS) in outcome.events


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_a_signal_stops_the_tasks_after_they_have_saved(engine: DaskEngine, tmp_path: Path) -> None:
    jobs = [Job("patient-1"), Job("patient-2"), Job("fine")]
    for job in jobs:
        (tmp_path / job.name).mkdir()

    def interrupt() -> None:
        while len(list(tmp_path.glob("*/started"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(StoppedBySignal) as stopped:
        engine.run(jobs, tmp_path, Outcome(), patient)
    assert stopped.value.exit_code == Exit.SIGINT
    assert len(list(tmp_path.glob("patient-*/saved"))) == 2


def answer_or_die(job: object, folder: str, part: Part) -> int:
    """Predict a part; the first call for the second part kills its worker."""
    died = Path(folder).parents[1] / "died"
    if part.index == 1 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer_part(job, folder, part)


@pytest.mark.slow
def test_bulk_prediction_survives_the_death_of_a_worker(
    engine: DaskEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"hidden": 8, "train_rows": 64, "val_rows": 8, "test_rows": 8, "epochs": 1}
    seqcli.train(task="copy", cell="gru", threads=1, recipe="none", out=tmp_path / "m", **sizes)
    lines = [f"{i % 7} {i % 5}" for i in range(90)]
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in lines))
    opened = contextlib.nullcontext(DaskWorkers(engine.cluster))
    monkeypatch.setattr(bulk_prediction, "open_workers", lambda jobs, on: opened)
    monkeypatch.setattr(bulk_prediction, "answer_part", answer_or_die)
    result = api.predict_file(tmp_path / "m", tmp_path / "in.txt", tmp_path / "out", part_size=9)
    undisturbed = seqcli.predict(tmp_path / "m", lines, backend="numpy")
    expected = [one.candidates[0].text for one in undisturbed]
    assert result.path.read_text().splitlines() == expected
    assert (result.lines, (tmp_path / "died").exists()) == (90, True)


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_named_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.json"
    words = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    words += ["--port", "0", "--scheduler-file", str(file)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}  # it imports what tasks call
    scheduler = subprocess.Popen(words, stderr=subprocess.DEVNULL, cwd=tmp_path, env=path)
    while not file.exists():
        assert scheduler.poll() is None
        time.sleep(0.05)
    with open_dask(str(file), 1) as made:
        threading.Timer(1.0, scheduler.kill).start()
        with pytest.raises(MachineError, match="does not answer"):
            made.run([Job("fine")], tmp_path, Outcome(), work)
    scheduler.wait()
