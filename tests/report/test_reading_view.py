"""What was read, told on a terminal, off it, and as data."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from seqcli.events import DataRead, FileRead, Finding, SplitRead
from seqcli.report.console import Out
from seqcli.report.live import LiveView
from seqcli.report.logs import PlainLog
from seqcli.report.summary import finding_lines, show_reading

READ = DataRead(
    (FileRead("a.tsv", "", "tsv", 1010, 1000),),
    (
        SplitRead("train", 900, 800, (4.5, 19), (4.0, 20), 0, 0, 0, 1200.0),
        SplitRead("val", 100, 100, (4.0, 9), (4.0, 9), 3, 2, 5, 100.0),
    ),
    (30, 1040),
    (
        Finding("a.tsv", "", "blank", "blank", True, "", 10, (3, 8)),
        Finding("a.tsv", "val", "unknown", "unseen symbols", False, "'x\\u202e'", 1, (7,)),
    ),
    named_rows="run/named_rows.tsv",
    tokens=("chars", "words"),
)
PLAIN = """\
data: a.tsv (tsv): 1,010 rows, 1,000 kept, 10 left out
split  rows  distinct sources  weight  source length  target length  in an earlier split  with unknown tokens
train   900               800   1,200        4.5, 19          4, 20
val     100               100     100           4, 9           4, 9                    3                    2
lengths: median, longest, in tokens; distinct tokens: 30 source (chars), 1,040 target (words)
warning: a.tsv: 10 rows left out: blank (lines 3, 8 and 8 more)
note: a.tsv: 1 row kept: unseen symbols; 'x\\u202e' (line 7)
all flagged rows: run/named_rows.tsv
"""  # noqa: E501


def out(*, terminal=False):
    streams = io.StringIO(), io.StringIO()
    consoles = (
        Console(file=s, force_terminal=terminal, width=100, color_system=None) for s in streams
    )
    return Out(*consoles), *streams


@pytest.mark.parametrize("to_stderr", [True, False])
def test_off_a_terminal_it_is_plain_lines(to_stderr):
    told, data, said = out()
    show_reading(told, READ, to_stderr=to_stderr)
    assert (said if to_stderr else data).getvalue() == PLAIN
    assert (data if to_stderr else said).getvalue() == ""


def test_both_views_of_training_begin_with_it():
    told, _, said = out()
    PlainLog(told)(READ)
    assert said.getvalue() == PLAIN
    told, _, said = out(terminal=True)
    with LiveView(told) as view:
        view(READ)
    assert "10 rows left out: blank" in said.getvalue()
    assert "all flagged rows" in said.getvalue()


@pytest.mark.parametrize(("gain", "kind"), [(0.25, "monotonic"), (-0.5, "not monotonic")])
def test_a_check_says_how_rows_are_aligned_and_what_would_be_chosen(gain, kind):
    told, _, said = out()
    show_reading(told, replace(READ, recipe="recipe auto: GRU", monotonic_gain=gain))
    assert said.getvalue().splitlines()[-2:] == [
        f"alignment: {kind}, {gain:+.2f} nats per target token over free alignment",
        "recipe auto: GRU",
    ]


def test_names_have_no_sources_and_many_findings_are_cut():
    names = DataRead(READ.files, READ.splits, (0, 26), READ.findings * 10)
    told, _, said = out()
    show_reading(told, names)
    assert "source" not in said.getvalue().splitlines()[1]
    assert "distinct tokens: 26" in said.getvalue()
    assert finding_lines(names)[-1] == "note: 8 further findings not shown"
