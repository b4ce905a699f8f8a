"""Listeners may fail; the work goes on without them."""

import json
import logging
import math
from typing import get_args

import pytest

from seqcli import events
from seqcli.errors import Exit
from seqcli.events import (
    DataRead,
    EpochEnded,
    Example,
    FileRead,
    Finding,
    Finished,
    Progress,
    RunFacts,
    RunFailed,
    RunRestarted,
    RunStarted,
    Saved,
    SplitRead,
    broadcast,
)

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


EVERY = (
    DataRead(
        (FileRead("a.tsv", "", "tsv", 3, 2),),
        (SplitRead("train", 2, 2, (1.5, 2), (1.0, 1), 0, 0, 0),),
        (5, 6),
        (Finding("a.tsv", "", "blank", "blank line", True, "", 1, (3,)),),
        tokens=("chars", "words"),
    ),
    RunStarted(
        "r", "runs/r", "GRU", 9, {"train": 2}, (5, 6), "cpu", 1, 3, 2, notes=("a note",),
        facts=RunFacts("runs/r", 1e-3, baselines=(("chance", {"loss": 1.0}),)),
    ),
    Progress(1, 3, 2, 4, 10.0, "train", 0.5),
    EpochEnded(1, 3, 4, {"val_loss": math.inf}, True, (Example("a", ("b",), ("c",)),), ("d",)),
    Saved("runs/r/last.pt", True, 1),
    Finished(3, 1, {"val_loss": 0.5}, "epochs", 1.5, ({"val_loss": 0.5},), 12),
    RunRestarted("killed by SIGKILL", 1, 3),
    RunFailed("diverged", "a lower rate", Exit.DIVERGED),
)  # fmt: skip


@pytest.mark.parametrize("event", EVERY, ids=lambda event: type(event).__name__)
def test_an_event_of_a_run_can_be_sent_as_plain_data(event):
    plain = json.loads(json.dumps(events.to_plain(event)))
    assert events.from_plain(plain) == event


def test_every_event_of_a_run_is_among_them():
    assert {type(event) for event in EVERY} == set(get_args(events.RunEvent))
