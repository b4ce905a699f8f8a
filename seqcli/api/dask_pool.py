"""Finish the runs of a comparison as tasks of a Dask cluster (`compare --on`).

Every run is one task that any worker can finish or continue, because client and workers share the
folder of the comparison. The task calls the same function as a local process.

- **A worker dies:** Dask gives its run to another worker, up to three times. If the run has a new
  checkpoint since it was submitted, it is then submitted again.
- **A task is cancelled,** or its worker leaves the cluster: the run is saved and stops at its next
  step, so that another worker can take it over.
- **The scheduler dies:** the command ends with one line; the same command continues.

This module is the part of the client; `seqcli.api.dask_task` is that of the workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from seqcli.api.dask_cluster import LOCAL, Cluster, open_cluster
from seqcli.api.dask_task import Place, WorkerStopped, finish_task, wait_for_lock
from seqcli.api.engines import (
    MAX_RESTARTS,
    POLL_SECONDS,
    Failures,
    JobT,
    Result,
    Watch,
    Work,
    death_failure,
    failure_of,
    last_save,
)
from seqcli.errors import Exit, StoppedBySignal
from seqcli.events import RunEvent, RunFailed, RunRestarted, from_plain
from seqcli.interrupts import stop_on_signals
from seqcli.messages import note
from seqcli.plugins import PLUGINS

if TYPE_CHECKING:
    from distributed import Future

ENDED = ("finished", "error", "cancelled")  # "lost": Dask runs the task again
GATHER_SECONDS = 5  # until a result must arrive
COUNT_SECONDS = 2  # between counts of the workers
PATIENCE = 3  # counts without any worker, until a note says so


@contextlib.contextmanager
def open_dask(on: str, jobs: int) -> Iterator[DaskEngine]:
    """Open a cluster for runs; see `seqcli.api.dask_cluster.open_cluster`."""
    with open_cluster(on, jobs) as cluster:
        yield DaskEngine(cluster)


@dataclass
class DaskEngine:
    """Finishes runs on a Dask cluster."""

    cluster: Cluster

    @property
    def jobs(self) -> int:
        """The number of workers, which finish one run each at a time; at least 1."""
        return max(1, self.cluster.count_workers())

    def run(
        self,
        planned: Sequence[JobT],
        folder: Path,
        watch: Watch[Result],
        work: Work[JobT, Result],
    ) -> Failures:
        """Finish every run; see `seqcli.api.job_pool.run_all`.

        Raises:
            MachineError: the scheduler is gone; the same call continues the runs.
            StoppedBySignal: a signal arrived; the same call resumes the runs.
        """
        return _Submission(self.cluster, planned, folder, watch, work).run()


@dataclass
class _Task(Generic[JobT]):
    """A run: its task, and what happened since it was submitted without a new checkpoint.

    Args:
        job: the run.
        losses: how often the task was given up because workers died.
        starts: how often a worker started the run. Dask also blames tasks that only waited there.
        saved: see `last_save`.
        future: the task.
    """

    job: JobT
    losses: int = 0
    starts: int = 0
    saved: int = 0
    future: Future = None


class _Submission(Generic[JobT, Result]):
    """The runs that one call finishes. No worker gets a second run while the first one trains."""

    def __init__(
        self,
        cluster: Cluster,
        planned: Sequence[JobT],
        folder: Path,
        watch: Watch[Result],
        work: Work[JobT, Result],
    ) -> None:
        self.cluster, self.client = cluster, cluster.client
        self.watch, self.work, self.folder = watch, work, folder.resolve()
        self.topic = f"seqcli-{uuid.uuid4().hex}"
        self.waiting = deque(_Task(job) for job in planned)
        self.running: dict[str, _Task[JobT]] = {}
        self.failures: Failures = {}
        self.events: queue.Queue[tuple[str, RunEvent | None]] = queue.Queue()
        self.workers, self.counted, self.empty = 1, 0.0, 0

    def run(self) -> Failures:
        """Train until all runs have ended, or a signal arrives; return those that failed."""
        self.client.subscribe_topic(self.topic, self._receive)
        with stop_on_signals() as stop:
            try:
                while not stop and (self.waiting or self.running):
                    self._submit_waiting()
                    self._report_events()
                    self._collect()
            finally:
                self._end()
        if stop:
            raise StoppedBySignal("stopped; every run is saved", "", Exit(128 + stop.signal))
        return self.failures

    def _receive(self, logged: tuple[float, Mapping[str, Any]]) -> None:
        """Receive an event, in the thread of the client's event loop."""
        _, sent = logged
        self.events.put((sent["run"], from_plain(sent["event"]) if sent["event"] else None))

    def _submit_waiting(self) -> None:
        """Submit as many runs as there are workers, at least one."""
        self._count_workers()
        while self.waiting and len(self.running) < max(1, self.workers):
            task = self.waiting.popleft()
            task.saved = last_save(self.folder / task.job.name)
            place = Place(self.folder, Path.cwd(), self.topic, os.environ.get(PLUGINS, ""))
            task.future = self.cluster.submit(
                finish_task,
                self.work,
                task.job,
                place,
                key=f"{task.job.name}-{uuid.uuid4().hex}",
                retries=MAX_RESTARTS,
            )
            self.running[task.job.name] = task

    def _count_workers(self) -> None:
        """Count the workers every few seconds, and replace lost ones of a local cluster."""
        now = time.monotonic()
        if now - self.counted < COUNT_SECONDS:
            return
        found = self.cluster.count_workers()
        self.empty = 0 if found else self.empty + 1
        if self.empty == PATIENCE and self.cluster.on != LOCAL:
            note(f"--on {self.cluster.on}: no Dask workers yet; start some with: dask worker")
        self.workers, self.counted = found, now

    def _report_events(self) -> None:
        """Report the events that have arrived; wait a moment for the first one."""
        wait = POLL_SECONDS
        with contextlib.suppress(queue.Empty):
            while True:
                name, event = self.events.get(timeout=wait) if wait else self.events.get_nowait()
                wait = 0
                if name in self.running and event is None:
                    self.running[name].starts += 1
                elif name in self.running and event is not None:
                    self.watch(name, event)

    def _collect(self) -> None:
        """Handle the tasks that have ended."""
        ended = [one for one in self.running.values() if one.future.status in ENDED]
        if not self.cluster.is_connected:
            raise self.cluster.gone()
        if ended:
            self._report_events()
        for task in ended:
            try:
                outcome = self._outcome(task)
            except (OSError, asyncio.TimeoutError):  # lost meanwhile: Dask runs the task again
                continue
            del self.running[task.job.name]
            self._handle(task, outcome)

    def _outcome(self, task: _Task[JobT]) -> Result | RunFailed | None:
        """Return the outcome of a task; None if its worker died or left.

        The status of a task changes at any moment, so it is not asked for again.

        Raises:
            MachineError: the scheduler is gone.
            OSError, TimeoutError: the result has been lost with its worker.
        """
        from distributed import KilledWorker

        try:
            result: Result | RunFailed = task.future.result(GATHER_SECONDS)
        except (KilledWorker, WorkerStopped):
            return None
        except CancelledError:
            raise self.cluster.gone() from None
        except (OSError, asyncio.TimeoutError):
            raise
        except Exception as error:
            return failure_of(error)
        return result

    def _handle(self, task: _Task[JobT], outcome: Result | RunFailed | None) -> None:
        name = task.job.name
        if outcome is None:
            if last_save(self.folder / name) != task.saved:
                task.losses = task.starts = 0
            task.losses += 1
            if max(task.starts, task.losses) <= MAX_RESTARTS:
                self.waiting.appendleft(task)
                restart = RunRestarted("lost with its Dask worker", task.losses, MAX_RESTARTS)
                return self.watch(name, restart)
            outcome = death_failure("lost with its Dask worker", max(task.starts, task.losses))
        if isinstance(outcome, RunFailed):
            self.failures[name] = outcome
        return self.watch(name, outcome)

    def _end(self) -> None:
        """Stop the runs that are still trained, and wait until they are saved."""
        if not self.cluster.is_connected:
            return
        with contextlib.suppress(Exception):  # the scheduler may end now
            self.client.unsubscribe_topic(self.topic)
            if self.running:
                self.client.cancel([one.future for one in self.running.values()])
                for name in self.running:
                    wait_for_lock(self.folder / name)
