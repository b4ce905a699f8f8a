"""Worker processes that call functions: on this machine, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future, ProcessPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from seqcli.api.engines import POLL_SECONDS
from seqcli.api.job_pool import exit_with_parent, no_signals
from seqcli.errors import SeqcliError
from seqcli.plugins import load_plugins

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from seqcli.api.dask_cluster import Cluster


class Workers(Protocol):
    """Processes that call functions.

    Attributes:
        retries: how often to repeat a call whose process has died.
    """

    retries: int

    @property
    def size(self) -> int:
        """The number of calls to have in progress at a time."""

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function of a module in a worker process."""

    def is_death(self, error: BaseException | None) -> bool:
        """Return whether the exception of a call means that its process has died."""


@contextlib.contextmanager
def open_workers(jobs: int, on: str = "") -> Iterator[Workers]:
    """Open worker processes; end them and their calls at the end of the block.

    Args:
        jobs: the number of processes on this machine.
        on: "" for local processes; else see `seqcli.api.dask_cluster.open_cluster`.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers.
    """
    if on:
        from seqcli.api.dask_cluster import open_cluster

        with open_cluster(on, jobs) as cluster:
            yield DaskWorkers(cluster)
        return
    workers = LocalWorkers(jobs)
    try:
        yield workers
    finally:
        workers.close()


class DaskWorkers:
    """The workers of a Dask cluster, which repeats a call whose worker has died by itself.

    `distributed.Client.get_executor` would do, but it asks for the status of a call after its
    result has arrived, and fails if the worker that had the result has died between the two.

    Args:
        cluster: an open one.
    """

    retries = 0

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @property
    def size(self) -> int:
        """The number of workers.

        Raises:
            MachineError: the scheduler is gone.
        """
        return max(1, self._cluster.count_workers())

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function of a module in a worker."""
        call: Future[Any] = Future()
        task = self._cluster.submit(function, *args, pure=False)
        threading.Thread(target=_settle, args=(call, task), daemon=True).start()
        return call

    def is_death(self, error: BaseException | None) -> bool:
        """Return whether the workers of a call died too often."""
        from distributed import KilledWorker

        return isinstance(error, KilledWorker)


def _settle(call: Future[Any], task: Any) -> None:
    """Wait for a task of Dask, and pass on its result, its error, or that it was cancelled."""
    while not call.done():
        try:
            call.set_result(task.result())
        except CancelledError:  # the scheduler is gone
            call.cancel()
            call.set_running_or_notify_cancel()
        except BaseException as error:
            if isinstance(error, OSError) and task.status != "error":
                time.sleep(POLL_SECONDS)  # a connection has ended: is it that to the scheduler?
            else:
                call.set_exception(error)


class LocalWorkers:
    """Processes on this machine, spawned when they get their first call.

    They exit when this process does, however it ends.

    Args:
        size: the number of processes.
    """

    retries = 3

    def __init__(self, size: int) -> None:
        self._size = size
        self._workers: list[_Worker] = []

    @property
    def size(self) -> int:
        """The number of processes."""
        return self._size

    def is_death(self, error: BaseException | None) -> bool:
        """Return whether the process of a call has died."""
        return isinstance(error, BrokenExecutor)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function of a module in a free process; at most ``size`` calls at a time."""
        for worker in [one for one in self._workers if one.is_dead]:
            worker.end()
            self._workers.remove(worker)
        free = [one for one in self._workers if one.is_free]
        if not free:
            free = [_Worker()]
            self._workers += free
        try:
            return free[0].submit(function, *args)
        except BrokenExecutor:  # it died after its last call
            free[0].end()
            self._workers.remove(free[0])
            return self.submit(function, *args)

    def close(self) -> None:
        """End all processes, also in the middle of a call."""
        for worker in self._workers:
            worker.end()
        self._workers = []


class _Worker:
    """An executor of one process: when the process dies, only its own call is lost."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._executor = ProcessPoolExecutor(1, spawn, start_worker)
        self._process: BaseProcess | None = None
        self._call: Future[Any] | None = None

    @property
    def is_free(self) -> bool:
        """Whether no call is in progress."""
        return self._call is None or self._call.done()

    @property
    def is_dead(self) -> bool:
        """Whether the process has died."""
        broken = self._call is not None and self._call.done() and self._call.exception()
        return isinstance(broken, BrokenExecutor)

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function in the process."""
        before = set(multiprocessing.active_children())
        with no_signals():
            self._call = self._executor.submit(function, *args)
        started = set(multiprocessing.active_children()) - before
        self._process = next(iter(started), self._process)
        return self._call

    def end(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
        self._executor.shutdown(wait=True, cancel_futures=True)


def start_worker() -> None:
    """Prepare a worker process: load plugins, and exit as soon as the parent process does."""
    with contextlib.suppress(SeqcliError):  # the parent has reported it
        load_plugins()
    exit_with_parent()
