"""Train several runs, one after another or in parallel processes.

**Deaths.** A process may die at any time, for example when the system runs out of memory. Its run
then continues in another process, from its last checkpoint. A run whose process dies again without
a new checkpoint is given up after `MAX_RESTARTS` restarts; the other runs continue.

**Why not `concurrent.futures.ProcessPoolExecutor`?** When one of its processes dies, the whole
pool breaks: the others are terminated, all futures fail alike, and none tells which run was in the
process that died. `multiprocessing.Pool` waits for the lost run forever. Neither has a channel for
events, and a queue that processes share can stay locked when one of them is killed. Here every
process has its own pipe for runs, events and results; the end of the pipe is the death of the
process, and the parent knows its run.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic

from seqcli.api.engines import (
    MAX_RESTARTS,
    POLL_SECONDS,
    Failures,
    JobT,
    Result,
    Watch,
    Work,
    attempt,
    death_failure,
    last_save,
)
from seqcli.errors import Exit, StoppedBySignal
from seqcli.events import RunFailed, RunRestarted
from seqcli.interrupts import stop_on_signals
from seqcli.plugins import load_plugins
from seqcli.report.console import show_notes

SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class LocalEngine:
    """Finishes runs in local processes, ``jobs`` at a time."""

    jobs: int

    def run(
        self,
        planned: Sequence[JobT],
        folder: Path,
        watch: Watch[Result],
        work: Work[JobT, Result],
    ) -> Failures:
        """Finish every run; see `run_all`."""
        return run_all(planned, folder, self.jobs, watch, work)


def run_all(
    planned: Sequence[JobT],
    folder: Path,
    jobs: int,
    watch: Watch[Result],
    work: Work[JobT, Result],
) -> Failures:
    """Finish every run: keep finished runs, resume interrupted ones, and train the others.

    Args:
        planned: the runs.
        folder: the folder that contains their folders.
        jobs: the number of processes.
        watch: called with each event of a run, and at its end with its result or `RunFailed`.
        work: finishes one run and returns its result; a function of a module, such as `finish`.
            It continues what an earlier call left unfinished.

    Returns:
        the runs that failed.

    Raises:
        StoppedBySignal: a signal arrived; the same call resumes the runs.
    """
    if jobs > 1 and len(planned) > 1:
        return _WorkerPool(planned, folder, min(jobs, len(planned)), watch, work).run()
    failures: Failures = {}
    for one in planned:
        outcome = attempt(work, one, folder, partial(watch, one.name))
        if isinstance(outcome, RunFailed):
            failures[one.name] = outcome
        watch(one.name, outcome)
    return failures


@dataclass
class _Task(Generic[JobT]):
    """A run of the pool: its restarts in a row, and its checkpoint when it was last started."""

    job: JobT
    restarts: int = 0
    saved: int = 0


@dataclass
class _Worker(Generic[JobT]):
    """A process that finishes one run at a time; ``task`` is the run, None if it is idle."""

    work: Callable[..., Any]
    folder: Path
    task: _Task[JobT] | None = None
    connection: Connection[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.connection, other = SPAWN.Pipe()
        arguments = (self.work, self.folder, other)
        self.process = SPAWN.Process(target=_serve, args=arguments, daemon=True)
        with no_signals():  # it starts with signals blocked; the parent process stops it
            self.process.start()
        other.close()  # the process has the only copy, so its death ends the pipe

    def start(self, task: _Task[JobT]) -> None:
        """Start a run."""
        self.task = task
        task.saved = last_save(self.folder / task.job.name)
        with contextlib.suppress(OSError):  # it died: the end of the pipe is read later
            self.connection.send(task.job)

    def cause_of_death(self) -> str:
        """Wait for the end of the process, and describe it."""
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"ended with exit code {code}"
        return f"killed by {signal.Signals(-code).name}"


class _WorkerPool(Generic[JobT, Result]):
    """Worker processes for some runs; see `run_all`."""

    def __init__(
        self,
        planned: Sequence[JobT],
        folder: Path,
        jobs: int,
        watch: Watch[Result],
        work: Work[JobT, Result],
    ) -> None:
        self.folder, self.jobs, self.watch, self.work = folder, jobs, watch, work
        self.waiting = deque(_Task(job) for job in planned)
        self.workers: list[_Worker[JobT]] = []
        self.failures: Failures = {}

    def run(self) -> Failures:
        """Train until all runs have ended, or a signal arrives; return those that failed."""
        with stop_on_signals() as stop:
            try:
                while not stop and (self.waiting or self._busy()):
                    self._start_waiting()
                    self._listen()
            finally:
                self._end()
        if stop:
            raise StoppedBySignal("stopped; every run is saved", "", Exit(128 + stop.signal))
        return self.failures

    def _busy(self) -> list[_Worker[JobT]]:
        return [one for one in self.workers if one.task is not None]

    def _start_waiting(self) -> None:
        """Start waiting runs in idle processes, and in new ones up to the number of jobs."""
        while self.waiting and len(self._busy()) < self.jobs:
            idle = next((one for one in self.workers if one.task is None), None)
            if idle is None:
                idle = _Worker(self.work, self.folder)
                self.workers.append(idle)
            idle.start(self.waiting.popleft())

    def _listen(self) -> None:
        """Handle one report of each process that sent some, and the deaths."""
        connections = {one.connection: one for one in self.workers}
        for connection in wait(list(connections), POLL_SECONDS):
            worker = connections[connection]  # type: ignore[index]
            try:
                report = worker.connection.recv()
            except (EOFError, OSError):
                self._handle_death(worker)
            else:
                self._handle(worker, report)

    def _handle(self, worker: _Worker[JobT], report: Any) -> None:
        assert worker.task is not None
        name = worker.task.job.name
        if isinstance(report, _Ended):
            worker.task = None
            report = report.outcome
            if isinstance(report, RunFailed):
                self.failures[name] = report
        self.watch(name, report)

    def _handle_death(self, worker: _Worker[JobT]) -> None:
        """Let the run of a dead process continue in another one, or give it up."""
        self.workers.remove(worker)
        cause, task = worker.cause_of_death(), worker.task
        worker.connection.close()
        if task is None:
            return
        name = task.job.name
        progress = last_save(self.folder / name) != task.saved
        task.restarts = 1 if progress else task.restarts + 1
        if task.restarts <= MAX_RESTARTS:
            self.waiting.appendleft(task)
            self.watch(name, RunRestarted(cause, task.restarts, MAX_RESTARTS))
        else:
            self.failures[name] = death_failure(cause, task.restarts)
            self.watch(name, self.failures[name])

    def _end(self) -> None:
        """Let every process save its run and exit."""
        for one in self.workers:
            if one.task is not None:
                one.process.terminate()
            else:
                with contextlib.suppress(OSError):
                    one.connection.send(None)
        while alive := [one for one in self.workers if one.process.is_alive()]:
            wait([one.process.sentinel for one in alive], POLL_SECONDS / 4)
            for one in alive:  # a full pipe would keep it from its end
                with contextlib.suppress(EOFError, OSError):
                    while one.connection.poll():
                        one.connection.recv()


@contextmanager
def no_signals() -> Iterator[None]:
    """Block SIGINT and SIGHUP: a terminal sends them to every process of the foreground job."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # it starts with the first process, and unblocks SIGINT when it has started
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class _Ended:
    """The end of a run, to be sent to another process: its result, or `RunFailed`."""

    outcome: Any


def _serve(work: Callable[..., Any], folder: Path, connection: Connection[Any, Any]) -> None:
    """Finish runs from the pipe until it ends; exit at once if the parent process exits."""
    show_notes()
    load_plugins()
    exit_with_parent()
    while (job := connection.recv()) is not None:
        try:
            outcome = attempt(work, job, folder, connection.send)
        except StoppedBySignal as stopped:
            sys.exit(stopped.exit_code)
        connection.send(_Ended(outcome))


def exit_with_parent() -> None:
    """Exit this process as soon as its parent process does, from a thread of its own."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
