"""Worker processes on this machine that are replaced when they die."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Protocol

from seqcli import registry
from seqcli.errors import SeqcliError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess


class Workers(Protocol):
    """Processes that call functions.

    Attributes:
        size: the number of calls to have in progress at a time.
    """

    size: int

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Call a function of a module in a worker process.

        If the process dies, the exception of the future is a ``BrokenExecutor``.
        """

    def close(self) -> None:
        """End the calls in progress."""


class LocalWorkers:
    """Processes on this machine, spawned when they get their first call.

    They exit when this process does, however it ends.

    Args:
        size: the number of processes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._workers: list[_Worker] = []

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


@contextlib.contextmanager
def no_signals() -> Iterator[None]:
    """Block SIGINT and SIGHUP: a terminal sends them to every process of the foreground job."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker() -> None:
    """Prepare a worker process: load plugins, and exit as soon as the parent process does."""
    with contextlib.suppress(SeqcliError):  # the parent has reported it
        registry.load_plugins()
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
