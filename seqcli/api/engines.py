"""What finishes several runs: local processes or a Dask cluster, behind one interface.

The runs are those of a comparison (`seqcli.api.comparing`), the trials of a search
(`seqcli.api.searching`) or the members of an ensemble (`seqcli.api.ensemble_training`). What a job
does, and what it returns, is up to its caller. A run that fails does not end the others.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar

from seqcli.errors import MachineError, SeqcliError, StoppedBySignal, UsageError, expected
from seqcli.events import Event, RunFailed
from seqcli.runs import RunPaths


class Job(Protocol):
    """A run to be trained in another process: a picklable object with a unique name."""

    @property
    def name(self) -> str:
        """The name of the run, and of its folder."""


JobT = TypeVar("JobT", bound=Job)
Result = TypeVar("Result")
Listen: TypeAlias = Callable[[Event], None]
Work: TypeAlias = Callable[[JobT, Path, Listen], Result]
Watch: TypeAlias = Callable[[str, Event | Result], None]
Failures: TypeAlias = dict[str, RunFailed]  # by the name of the run
MAX_JOBS = 4  # by default; each process needs the memory of PyTorch
MAX_RESTARTS = 3  # in a row without a new checkpoint
POLL_SECONDS = 0.2  # seconds between checks for signals


class Engine(Protocol):
    """Finishes runs: in local processes, or on a Dask cluster."""

    @property
    def jobs(self) -> int:
        """The number of runs at a time."""

    def run(
        self,
        planned: Sequence[JobT],
        folder: Path,
        watch: Watch[Result],
        work: Work[JobT, Result],
    ) -> Failures:
        """Finish every run; see `seqcli.api.job_pool.run_all`."""


@contextmanager
def open_engine(jobs: int = 0, on: str = "") -> Iterator[Engine]:
    """Return the engine that finishes runs.

    Args:
        jobs: the number of local processes, or of workers of a new Dask cluster; 0: see
            `default_jobs`.
        on: "" for local processes; else see `seqcli.api.dask_cluster.open_cluster`.

    Raises:
        UsageError: ``jobs`` is negative, or the cluster cannot be used.
    """
    if jobs < 0:
        raise UsageError(f"--jobs cannot be {jobs}", "give 1 or more")
    jobs = jobs or default_jobs()
    if not on:
        from seqcli.api.job_pool import LocalEngine

        yield LocalEngine(jobs)
        return
    from seqcli.api.dask_pool import open_dask

    with open_dask(on, jobs) as engine:
        yield engine


def default_jobs() -> int:
    """Return the number of cores available to this process, at most MAX_JOBS."""
    allowed = getattr(os, "sched_getaffinity", None)
    return min(len(allowed(0)) if allowed else os.cpu_count() or 1, MAX_JOBS)


def attempt(
    work: Work[JobT, Result], job: JobT, folder: Path, listen: Listen
) -> Result | RunFailed:
    """Finish a run; return its result, or the error that ended it.

    Raises:
        StoppedBySignal: the run was stopped, and is saved.
    """
    try:
        return work(job, folder, listen)
    except StoppedBySignal:
        raise
    except Exception as error:
        return failure_of(error)


def failure_of(error: BaseException) -> RunFailed:
    """Describe an error; one that is not expected is described with its place in the code."""
    known = expected(error)
    if known is None:
        place = traceback.extract_tb(error.__traceback__)[-1:]
        where = "".join(f" ({Path(one.filename).name}, line {one.lineno})" for one in place)
        text = " ".join(str(error).split())
        known = SeqcliError(f"{type(error).__name__}: {text}{where}")
    return RunFailed(known.message, known.hint, known.exit_code)


def death_failure(cause: str, deaths: int) -> RunFailed:
    """Describe a run that is given up because its process died again and again."""
    message = f"its process was {cause}, {deaths} times without a new checkpoint"
    hint = "if the system was out of memory, run fewer at a time (--jobs 1) or a smaller model"
    return RunFailed(message, hint, MachineError.exit_code)


def last_save(folder: Path) -> int:
    """Return a number that changes with every checkpoint of a run."""
    with contextlib.suppress(OSError):
        return RunPaths(folder).last.stat().st_mtime_ns
    return 0
