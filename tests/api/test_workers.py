"""Worker processes of this machine: real ones, which are killed."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor, CancelledError, wait
from types import SimpleNamespace

import pytest

from seqcli.api.dask_cluster import Cluster
from seqcli.api.workers import DaskWorkers, LocalWorkers
from seqcli.errors import MachineError


@pytest.fixture(scope="module")
def workers():
    made = LocalWorkers(2)
    yield made
    made.close()


def test_calls_reuse_a_free_process(workers):
    first = workers.submit(os.getpid).result()
    assert first != os.getpid()
    assert workers.submit(os.getpid).result() == first


def test_a_process_that_dies_breaks_its_own_call_only(workers):
    long = workers.submit(time.sleep, 0.3)
    with pytest.raises(BrokenExecutor):
        workers.submit(os._exit, 1).result()
    assert workers.submit(os.getpid).result() != os.getpid()
    assert long.result() is None


def test_a_process_killed_between_two_calls_is_replaced(workers):
    killed = workers.submit(os.getpid).result()
    os.kill(killed, signal.SIGKILL)
    time.sleep(0.2)
    assert workers.submit(os.getpid).result() != killed


def test_closing_ends_a_call_in_progress():
    workers = LocalWorkers(1)
    pid = workers.submit(os.getpid).result()
    workers.submit(time.sleep, 600)
    workers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


class Task:
    """A task of Dask whose result arrives, or not, whatever its status says then."""

    def __init__(self, *outcomes, status="lost"):
        self.outcomes, self.status = list(outcomes), status

    def result(self):
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def settled(task):
    client = SimpleNamespace(submit=lambda *args, pure: task)
    call = DaskWorkers(Cluster(client, "dask")).submit(os.getpid)
    wait([call], timeout=10)
    return call


def test_a_result_counts_although_dask_has_lost_it_meanwhile():
    assert settled(Task(7)).result() == 7
    assert settled(Task(ConnectionResetError(), 7)).result() == 7


def test_what_a_call_on_dask_raises_is_raised():
    with pytest.raises(FileNotFoundError):
        settled(Task(FileNotFoundError(), status="error")).result()
    assert settled(Task(CancelledError())).cancelled()


def test_a_scheduler_that_is_gone_is_named():
    def refuse(*args, **options):
        raise ValueError("closed")

    client = SimpleNamespace(submit=refuse, status="closed")
    with pytest.raises(MachineError, match="scheduler does not answer"):
        DaskWorkers(Cluster(client, "s.json")).submit(os.getpid)
