"""Worker processes of this machine: real ones, which are killed."""

import os
import signal
import time
from concurrent.futures import BrokenExecutor

import pytest

from seqcli.api.workers import LocalWorkers


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
