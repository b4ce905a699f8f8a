"""What happens when stdout or stderr cannot be written."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from seqcli.errors import MachineError, ReaderGone
from seqcli.report.console import DataStream, MessageStream, Out, console, draws, flush_standard
from seqcli.report.tables import Column, Table

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


@pytest.fixture
def broken():
    """Return a stream whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    stream = os.fdopen(write, "w")
    yield stream
    stream.close()  # would raise, had the stream not been pointed at nothing


def test_messages_nobody_reads_are_dropped(broken):
    out = Out(console(None), console(MessageStream(broken)))
    for _ in range(3):
        out.info("hello")
        out.error("wrong", "so")


def test_a_product_nobody_reads_ends_the_command(broken):
    out = Out(console(DataStream(broken, product=True)), console(None))
    with pytest.raises(ReaderGone):
        out.write("42")
    out.write("43")  # what a finally block still writes is dropped


def test_other_output_nobody_reads_is_dropped(broken):
    out = Out(console(DataStream(broken, product=False)), console(None), json=True)
    out.document({"loss": 1.0})
    out.documents("rows", [{"n": 1}])


@needs_full
def test_a_full_disk_behind_stdout_is_the_machines_fault():
    with Path("/dev/full").open("w") as stream:
        out = Out(console(DataStream(stream)), console(None))
        with pytest.raises(MachineError, match="cannot write to stdout: no space left"):
            out.write("42")


@needs_full
def test_a_full_disk_behind_stderr_is_silent():
    with Path("/dev/full").open("w") as stream:
        Out(console(None), console(MessageStream(stream))).info("hello")


def test_closed_streams_lead_nowhere():
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    for one in (stream, None):
        out = Out(console(DataStream(one)), console(MessageStream(one)))
        out.write("42")
        out.info("hello")


STEERING = "a\x1b[2J\x07b\u202ec\x9bd\u2028e\udcfff"
SHOWN = r"a\x1b[2J\x07b\u202ec\x9bd\u2028e\udcfff"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_messages_are_escaped_on_a_terminal_and_in_a_pipe():
    for stream in (Terminal(), io.StringIO()):
        out = Out(console(None), console(stream))
        out.info(f"reading {STEERING}\nnext line")
        out.error(f"{STEERING}: no", f"not {STEERING}")
        shown = stream.getvalue()
        assert shown.count(SHOWN) == 3
        assert "\nnext line\n" in shown
        assert not set("\x07\u202e\x9b\u2028\udcff") & set(shown)


def test_data_is_escaped_on_a_terminal_and_exact_in_a_pipe():
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        Out(console(DataStream(stream)), console(None)).write(f"{STEERING}\t1")
    assert terminal.getvalue().split() == [SHOWN, "1"]
    assert pipe.getvalue() == f"{STEERING}\t1\n"


def test_json_on_a_terminal_is_the_same_document_without_control_characters():
    import json

    stream = Terminal()
    Out(console(DataStream(stream)), console(None), json=True).document({"name": STEERING})
    assert json.loads(stream.getvalue()) == {"name": STEERING}
    assert not set("\x1b\x07\u202e\x9b\u2028\udcff") & set(stream.getvalue())


def test_every_part_of_a_table_is_escaped():
    table = Table((Column(STEERING), Column("b")), ((STEERING, "1"),), STEERING, STEERING)
    for stream in (Terminal(), io.StringIO()):
        made = console(stream)
        made.width = 300
        Out(made, console(None)).show(table)
        assert stream.getvalue().count(SHOWN[:20]) == 4
        assert not set("\x07\u202e\x9b\u2028\udcff") & set(stream.getvalue())


TABLE = Table((Column("a"), Column("b", right=True)), (("x", "1"), ("y", "22")))


def said(out):
    return out.stderr.file.getvalue()


def written(out):
    return out.stdout.file.getvalue()


def test_talk_goes_to_stderr_and_data_to_stdout(pipe):
    out = pipe()
    out.info("hello")
    out.write("42")
    assert (said(out), written(out)) == ("hello\n", "42\n")


def test_off_a_terminal_lines_are_never_wrapped_and_hold_no_escape_codes(pipe):
    out = pipe()
    out.info("word " * 100, style="bold red", prose=True)
    assert said(out) == "word " * 100 + "\n"


def test_off_a_terminal_tables_are_aligned_and_not_boxed(pipe):
    out = pipe()
    out.show(TABLE)
    assert written(out) == "a   b\nx   1\ny  22\n"


def test_quiet_silences_talk_but_not_errors_nor_data(pipe):
    out = pipe(quiet=True)
    out.info("hello")
    out.show(TABLE, to_stderr=True)
    out.error("no such file", "look again")
    out.write("42")
    assert said(out) == "error: no such file\nhint: look again\n"
    assert written(out) == "42\n"
    assert not out.live


def test_json_puts_one_document_and_nothing_else_on_stdout(pipe):
    out = pipe(json=True)
    out.write("a line")
    out.show(TABLE)
    out.document({"loss": float("nan"), "deep": [{"inf": float("inf")}], "name": "ə", "n": (1, 2)})
    text = written(out)
    assert json.loads(text) == {"loss": None, "deep": [{"inf": None}], "name": "ə", "n": [1, 2]}
    assert text.count("\n") == 1


def test_json_is_ascii_where_the_encoding_is_narrow():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    out = Out(console(stream), console(None))
    out.document({"name": "ə"})
    stream.flush()
    assert json.loads(stream.buffer.getvalue()) == {"name": "ə"}


def test_a_narrow_encoding_never_crashes():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    out = Out(console(None), console(stream))
    out.info("ə")
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u0259\n"


def test_prose_wraps_between_words_on_a_terminal_and_commands_stay_whole(terminal):
    out = terminal(width=12)
    out.info("seqcli eval runs/a")
    assert said(out) == "seqcli eval runs/a\n"
    out.info("several words", prose=True)
    assert said(out).endswith("several \nwords\n")


def test_results_wrap_between_words_only_if_they_are_prose(terminal, pipe):
    out = terminal(width=12)
    out.write("runs/a/last.pt")
    out.write("several words", prose=True)
    assert out.stdout.file.getvalue() == "runs/a/last.pt\nseveral \nwords\n"
    plain = pipe()
    plain.write("several words", prose=True)
    assert plain.stdout.file.getvalue() == "several words\n"


def test_a_live_view_needs_a_terminal_that_is_not_dumb(terminal, pipe, monkeypatch):
    assert terminal().live
    assert not terminal(quiet=True).live
    assert not pipe().live
    monkeypatch.setenv("TERM", "dumb")
    assert not Out(console(None), Console(file=io.StringIO(), force_terminal=True)).live


def test_force_color_puts_no_escape_codes_into_a_pipe(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    stream = io.StringIO()
    assert not draws(console(stream))


def test_no_color_leaves_no_color_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    Out(console(None), console(stream)).error("wrong")
    assert "31m" not in stream.getvalue()
    assert "wrong" in stream.getvalue()


@pytest.mark.parametrize("columns", ["0", "1", "x", "", "-3"])
def test_odd_columns_never_crash(monkeypatch, columns):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    out = Out(console(None), console(stream))
    out.info("some words to wrap", prose=True)
    out.show(TABLE, to_stderr=True)
    assert stream.getvalue()


def test_closed_streams_lead_nowhere_console(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    out = Out.standard()
    out.info("hello")
    out.write("42")
    assert flush_standard() is None


def test_flush_survives_a_reader_that_has_gone(monkeypatch):
    read, write = os.pipe()
    stream = os.fdopen(write, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    os.close(read)
    stream.write("42\n")
    assert isinstance(flush_standard(), BrokenPipeError)
    stream.close()  # would raise, had the stream not been pointed at nothing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_flush_tells_of_a_full_disk(monkeypatch):
    with Path("/dev/full").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        stream.write("42\n")
        assert flush_standard().errno == errno.ENOSPC


def test_flush_survives_a_closed_stream(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO())
    stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    assert flush_standard() is None
