"""Finish a run as a task in a Dask worker; `seqcli.api.dask_pool` submits the tasks.

Training uses the random numbers and threads of its whole process, so a worker finishes one run at
a time, whatever its number of threads. Events are sent by `distributed.Worker.log_event`, which
needs no connection of its own.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seqcli.api.engines import POLL_SECONDS, JobT, Result, Work, attempt
from seqcli.errors import DataError, Exit, MachineError, StoppedBySignal, UsageError
from seqcli.events import Event, RunEvent, RunFailed, to_plain
from seqcli.files.lock import hold
from seqcli.interrupts import StopRequest, stop_when
from seqcli.plugins import PLUGINS, load_plugins
from seqcli.runs import RunPaths

if TYPE_CHECKING:
    from distributed import Worker

LOCK_SECONDS = 60  # until a run must be saved by a task that was cancelled


class WorkerStopped(Exception):  # noqa: N818 - not an error: another worker continues the run
    """The worker of a run leaves the cluster; the run is saved."""


@dataclass(frozen=True)
class Place:
    """Where a task works: folder of the comparison, working folder, topic of events, plugins."""

    folder: Path
    working: Path
    topic: str
    plugins: str


_one_at_a_time = threading.Lock()


def finish_task(work: Work[JobT, Result], job: JobT, place: Place) -> Result | RunFailed:
    """Finish a run in a Dask worker; return its result, or the error that ended it.

    The client receives None when the run starts, and then its events.

    Raises:
        MachineError: the machine failed: Dask tries again.
        WorkerStopped: the task was cancelled, or the worker leaves; the run is saved.
    """
    from distributed import get_worker

    worker = get_worker()
    is_lost = partial(_is_lost, worker, worker.get_current_task())
    listen = partial(_send, worker, place.topic, job.name)
    with _one_at_a_time, stop_when(is_lost) as stop:
        listen(None)
        try:
            outcome = attempt(partial(_work_in, place, stop, work), job, place.folder, listen)
        except StoppedBySignal:
            raise WorkerStopped(job.name) from None
    if isinstance(outcome, RunFailed) and outcome.exit_code == Exit.MACHINE:
        raise MachineError(outcome.message, outcome.hint)
    return outcome


def _work_in(
    place: Place,
    stop: StopRequest,
    work: Work[JobT, Result],
    job: JobT,
    folder: Path,
    listen: Callable[[Event], None],
) -> Result:
    """Finish a run in the working folder of the client, so that relative paths mean the same."""
    if not (folder.is_dir() and place.working.is_dir()):
        message = f"{folder} does not exist on the Dask worker {socket.gethostname()}"
        raise DataError(message, "run client and workers in one shared folder")
    os.chdir(place.working)
    if place.plugins:
        os.environ[PLUGINS] = place.plugins
    load_plugins()
    wait_for_lock(folder / job.name, stop)
    if stop:
        raise StoppedBySignal("stopped", "", Exit.SIGTERM)
    return work(job, folder, listen)


def _is_lost(worker: Worker, key: str) -> bool:
    """Return whether a task was cancelled, or its worker is leaving the cluster."""
    task = worker.state.tasks.get(key)
    leaving = worker.status.name not in ("running", "paused")
    return leaving or task is None or task.state != "executing"


def _send(worker: Worker, topic: str, name: str, event: Event | None) -> None:
    plain = to_plain(event) if isinstance(event, RunEvent) else None
    worker.log_event(topic, {"run": name, "event": plain})


def wait_for_lock(folder: Path, stop: StopRequest | None = None) -> None:
    """Wait until no process trains in a run folder, for LOCK_SECONDS at most.

    The task of a client that is gone, or of a worker that left, may still be saving the run.
    """
    paths, deadline = RunPaths(folder), time.monotonic() + LOCK_SECONDS
    while paths.lock.exists() and time.monotonic() < deadline and not stop:
        try:
            with hold(paths.lock):
                return
        except UsageError:
            time.sleep(POLL_SECONDS)
