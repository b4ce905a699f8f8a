"""The pool of training processes: deaths, errors and signals of its runs."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from seqcli.api.engines import MAX_RESTARTS, Listen
from seqcli.api.job_pool import run_all
from seqcli.errors import DataError, Exit, StoppedBySignal
from seqcli.events import Progress, RunFailed, RunRestarted

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
PROGRESS = Progress(1, 2, 3, 4, 5.0)


@dataclass(frozen=True)
class Job:
    """A run that does what its name says."""

    name: str


def work(job: Job, folder: Path, listen: Listen) -> str:
    """Stand in for the training of a run."""
    run = folder / job.name
    run.mkdir(exist_ok=True)
    listen(PROGRESS)
    kind, deaths = job.name.partition("-")[0], len(list(run.glob("death*")))
    if kind == "error":
        raise DataError("the rows are wrong", "correct them")
    if kind == "bug":
        raise ZeroDivisionError("of no use")
    if kind == "sleeper":
        (run / "pid").write_text(str(os.getpid()))
        time.sleep(60)
    dies = {"fine": 0, "once": 1, "always": 99, "slow": MAX_RESTARTS + 2}[kind]
    if deaths < dies:
        (run / f"death{deaths}").touch()
        if kind == "slow":  # there is a new checkpoint before each death
            (run / "last.pt").write_text(str(deaths))
        time.sleep(0.1)  # a moment to send the event
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{job.name} after {deaths} deaths"


def run(folder: Path, *names: str, jobs: int = 2) -> tuple[dict, dict, dict]:
    """Return the results, the failures, and all events by run."""
    events: dict[str, list] = {name: [] for name in names}
    results: dict[str, str] = {}

    def watch(name: str, event: object) -> None:
        if isinstance(event, str):
            results[name] = event
        else:
            events[name].append(event)

    failures = run_all([Job(name) for name in names], folder, jobs, watch, work)
    return results, failures, events


@pytest.mark.slow
def test_runs_survive_the_death_of_their_processes(tmp_path):
    names = ("always", "once", "slow", "fine")
    results, failures, events = run(tmp_path, *names)
    assert results == {
        "once": "once after 1 deaths",
        "slow": f"slow after {MAX_RESTARTS + 2} deaths",
        "fine": "fine after 0 deaths",
    }
    assert list(failures) == ["always"]
    assert failures["always"].exit_code == Exit.MACHINE
    assert "killed by SIGKILL, 4 times without a new checkpoint" in failures["always"].message
    assert failures["always"].error("always").message.startswith("always: its process was killed")
    restarts = [one.restart for one in events["always"] if isinstance(one, RunRestarted)]
    assert restarts == [1, 2, 3]
    assert [one.restart for one in events["slow"] if isinstance(one, RunRestarted)] == [1] * 5
    assert events["once"] == [PROGRESS, RunRestarted("killed by SIGKILL", 1, 3), PROGRESS]
    assert events["always"][-1] is failures["always"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_ends_one_run_only(tmp_path, jobs):
    fine = ("fine", "once") if jobs > 1 else ("fine",)
    results, failures, events = run(tmp_path, "error", "bug", *fine, jobs=jobs)
    assert set(results) == set(fine)
    assert failures["error"] == RunFailed("the rows are wrong", "correct them", Exit.DATA)
    assert "ZeroDivisionError: of no use (test_job_pool.py, line" in failures["bug"].message
    assert failures["bug"].exit_code == Exit.BUG
    assert events["error"] == [PROGRESS, failures["error"]]


def test_a_signal_stops_the_processes(tmp_path):
    def interrupt() -> None:
        while len(list(tmp_path.glob("*/pid"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(StoppedBySignal) as stopped:
        run(tmp_path, "sleeper-1", "sleeper-2", "fine")
    assert stopped.value.exit_code == Exit.SIGINT
    assert not (tmp_path / "fine").exists()
    for path in tmp_path.glob("*/pid"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)
