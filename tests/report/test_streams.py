"""What happens when stdout or stderr cannot be written."""

import io
import os
from pathlib import Path

import pytest

from seqcli.errors import MachineError, ReaderGone
from seqcli.report.console import Out, console
from seqcli.report.streams import DataStream, MessageStream
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
        with pytest.raises(MachineError, match="stdout cannot be written: no space left"):
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
