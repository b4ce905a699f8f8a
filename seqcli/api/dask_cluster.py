"""A Dask cluster: connect to one, or start one on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.api.job_pool import no_signals
from seqcli.errors import MachineError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "dask"  # the value of --on that starts a cluster on this machine
CONNECT_SECONDS = 10  # until a scheduler must answer
EXTRA = "python -m pip install 'seqcli[dask]'"


@contextlib.contextmanager
def open_cluster(on: str, jobs: int) -> Iterator[Cluster]:
    """Connect to a Dask cluster, or start one on this machine.

    Args:
        on: "dask" to start one; else the address of a scheduler, or its scheduler file.
        jobs: the number of workers to start.

    Raises:
        UsageError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise UsageError("--on needs Dask, which is not installed", EXTRA) from None
    _silence()
    keep_workers: Callable[[], object] = _nothing
    with contextlib.ExitStack() as stack:
        if on == LOCAL:
            with no_signals():  # the workers start with signals blocked; the client stops runs
                cluster = LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=":0",
                    silence_logs=logging.CRITICAL,
                )
                client = stack.enter_context(_closing(Client(stack.enter_context(cluster))))
                keep_workers = partial(cluster.scale, jobs)
        else:
            client = stack.enter_context(_closing(_connect(Client, on)))
        yield Cluster(client, on, keep_workers)


def _nothing() -> None:
    """Do nothing: whoever started the workers of a running cluster also restarts them."""


def _silence() -> None:
    """Silence the loggers of distributed; what matters is reported in our own words."""
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.split(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _closing(client: Client) -> Iterator[Client]:
    """Close a client at the end, whether or not its scheduler still answers."""
    try:
        yield client
    finally:
        _close(client)


def _close(client: Client) -> None:
    """Close a client, and stop its thread, which Dask leaves running if it did not connect."""
    with contextlib.suppress(Exception):
        client.close(timeout=2)
    with contextlib.suppress(Exception):
        client._loop_runner.stop()


def _connect(kind: Any, on: str) -> Client:
    """Connect to a running scheduler; ``kind`` is the class of the client."""
    is_file = "://" not in on
    if is_file and not Path(on).is_file():
        hint = f"start a scheduler: dask scheduler --scheduler-file {on}; or use --on {LOCAL}"
        message = f"--on {on}: no such file, and not an address such as tcp://host:8786"
        raise UsageError(message, hint)
    where = {"scheduler_file": on} if is_file else {"address": on}
    client: Client = kind.__new__(kind)  # kept, so that it can be closed if it does not connect
    try:
        client.__init__(**where, timeout=CONNECT_SECONDS, set_as_default=False)
        return client
    except (OSError, ValueError, KeyError) as error:
        _close(client)
        hint = "start it: dask scheduler" + f" --scheduler-file {on}" * is_file
        raise UsageError(f"--on {on}: no Dask scheduler answers", hint) from error


@dataclass
class Cluster:
    """A connection to a Dask cluster.

    Args:
        client: the connection to its scheduler.
        on: the value of ``--on``, for messages.
        keep_workers: replaces workers that are lost, if this process started the cluster.
    """

    client: Client
    on: str
    keep_workers: Callable[[], object] = _nothing

    @property
    def is_connected(self) -> bool:
        """Whether the scheduler answers, as far as is known."""
        return bool(self.client.status == "running")

    def count_workers(self) -> int:
        """Return the number of workers, and replace lost ones of a cluster of this process.

        Raises:
            MachineError: the scheduler is gone.
        """
        try:
            found = len(self.client.nthreads())
            self.keep_workers()
        except (OSError, asyncio.TimeoutError, CancelledError):
            raise self.gone() from None
        return found

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Future:
        """Submit a call of a function; see `distributed.Client.submit`.

        Raises:
            MachineError: the scheduler is gone.
        """
        try:
            return self.client.submit(function, *args, **options)
        except Exception:
            if self.is_connected:
                raise
            raise self.gone() from None

    def gone(self) -> MachineError:
        """Return the error that the scheduler is gone."""
        message = f"--on {self.on}: the Dask scheduler does not answer any more"
        hint = "start it and its workers, and run the same command again: it continues"
        return MachineError(message, hint)
