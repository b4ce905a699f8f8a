"""The training of an ensemble on the screen: one line per member, and a table at the end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from seqcli.events import (
    EnsembleFinished,
    EnsembleStarted,
    MemberEvent,
    MemberFinished,
    Progress,
    RunStarted,
)
from seqcli.report.console import Out
from seqcli.report.runs_view import EnsembleView

STARTED = EnsembleStarted("runs/x", ("1", "2"), 2, {"train": 1200, "val": 40}, ("a note",))
MEMBERS = tuple(
    MemberFinished(name, seed, 20, 12 + seed, reason, 65.0)
    for name, seed, reason in (("1", 7, "epochs"), ("2", 8, "patience"))
)
SCORES = tuple({"loss": 0.5 - share, "sequence_accuracy": 0.5 + share} for share in (0.0, 0.1, 0.2))
RUN = RunStarted("1", "f", "GRU", 1234, {"train": 1200}, (3, 4), "cpu", 1, 20, 8)


def shown(terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=100, height=30)
    with EnsembleView(Out(Console(file=io.StringIO()), console)) as view:
        view(STARTED)
        view(MemberEvent("1", RUN))
        view(MemberEvent("1", Progress(3, 20, 5, 10, 100.0)))
        for member in MEMBERS:
            view(MemberEvent(member.name, member))
        view(EnsembleFinished(MEMBERS, SCORES, 130.0))
    return file.getvalue()


def test_plain_lines_name_each_member_and_the_table_ends_with_the_ensemble():
    lines = shown(terminal=False).splitlines()
    assert lines[0] == "ensemble of 2 models in runs/x, 2 at a time; rows: train 1,200, val 40"
    assert lines[1:3] == ["note: a note", "member 1: GRU; 1,234 parameters"]
    assert "member 1 (1/2): 20 epochs, best epoch 19 in 1:05" in lines
    second = next(line for line in lines if line.startswith("member 2 (2/2)"))
    assert "no improvement on validation" in second
    assert second.endswith(", kept")
    assert lines[-1].split()[0] == "ensemble"
    assert lines[-1].split()[-1] == "70.0%"


def test_on_a_terminal_every_active_member_has_a_line():
    text = shown(terminal=True)
    assert "member 1 starting" in text
    assert "2 of 2 finished" in text
    assert "70.0%" in text


@pytest.mark.parametrize("validation", [(), SCORES])
def test_without_validation_there_is_no_table(validation):
    file = io.StringIO()
    with EnsembleView(Out(Console(file=io.StringIO()), Console(file=file))) as view:
        view(EnsembleFinished(MEMBERS, validation, 130.0))
    assert ("validation" in file.getvalue()) == bool(validation)
