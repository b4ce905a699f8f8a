"""Listeners may fail; the work goes on without them."""

import logging

import pytest

from seqcli.events import Saved, broadcast

EVENT = Saved("last.pt", False, 1)


@pytest.fixture
def notes(caplog):
    logging.getLogger("seqcli").handlers.clear()
    logging.getLogger("seqcli").propagate = True
    return caplog


def test_a_listener_that_fails_is_noted_once_and_switched_off(notes):
    calls, others = [], []

    def watch(event):
        calls.append(event)
        raise OSError(28, "No space left on device")

    tell = broadcast(watch, others.append)
    for _ in range(3):
        tell(EVENT)
    assert calls == [EVENT]
    assert others == [EVENT] * 3
    assert [record.getMessage() for record in notes.records] == [
        "watch failed and is disabled: OSError: [Errno 28] No space left on device"
    ]


def test_an_essential_listener_stops_the_run():
    heard = []

    def log(event):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        broadcast(heard.append, essential=[log])(EVENT)
    assert not heard


def test_ctrl_c_passes_through_a_listener():
    def interrupted(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broadcast(interrupted)(EVENT)
