from rich.cells import cell_len
from rich.text import Text

from seqcli.formatting import count, duration, loss, percent, visible
from seqcli.report.tables import (
    Column,
    Segment,
    Table,
    marked_text,
    plain_lines,
    tasks_table,
    width_of,
)

WIDE = Table(
    (Column("symbol"), Column("share\nof all", right=True)),
    (("漢字", "1.0%"), ("a", "100.0%")),
    title="above",
    caption="below",
)


def drawn(out, table):
    out.show(table)
    return out.stdout.file.getvalue()


def test_plain_columns_line_up_with_wide_characters():
    lines = plain_lines(WIDE)
    assert lines[0] == "above"
    assert lines[-1] == "below"
    assert lines[1] == "symbol  share of all"
    assert {cell_len(line) for line in lines[1:-1]} == {20}


def test_plain_text_is_as_wide_as_it_needs(pipe):
    table = Table((Column("a"), Column("b")), (("x" * 300, "end"),))
    assert "x" * 300 + "  end\n" in drawn(pipe(), table)


def test_rows_too_wide_for_a_screen_are_stacked_where_a_table_says_so(pipe):
    columns = (Column(""), Column("edits", right=True), Column("truth"), Column("errors"))
    rows = (("wrong", "2", "x" * 300, "1: y -> x"), ("ok", "0", "y", ""))
    assert drawn(pipe(), Table(columns, rows, caption="end", stacks=True)).splitlines() == [
        "wrong",
        "  edits   2",
        "  truth   " + "x" * 300,
        "  errors  1: y -> x",
        "ok",
        "  edits   0",
        "  truth   y",
        "end",
    ]


def test_a_terminal_cuts_long_text_and_keeps_figures(terminal):
    table = Table(
        (Column("", keep=True), Column("text"), Column("n", right=True)),
        (("wrong", "x" * 300, "123456"),),
    )
    text = drawn(terminal(width=30), table)
    assert "wrong" in text
    assert "123456" in text
    assert "…" in text
    assert max(len(Text.from_ansi(line)) for line in text.splitlines()) <= 30


def test_the_narrowest_terminals_do_not_crash(terminal):
    for width in (1, 2, 5, 20):
        assert drawn(terminal(width=width), WIDE)


def test_errors_are_red_and_underlined_on_a_terminal_and_plain_in_a_pipe(terminal, pipe):
    table = Table((Column("prediction"),), (((Segment("3 ", True), Segment("7", False)),),))
    assert "\x1b[1;4;31m7" in drawn(terminal(), table)
    assert drawn(pipe(), table) == "prediction\n3 7\n"


def test_data_cannot_steer_the_terminal(terminal, pipe):
    table = Table((Column("a"),), (("\x1b[2Jx\r\ny\u202e",),))
    for out in (terminal(), pipe()):
        text = drawn(out, table)
        assert "\\x1b[2Jx\\r\\ny\\u202e" in text
    assert marked_text((Segment("\x07", False),)).plain == "\\x07"


def test_the_wanted_width_counts_terminal_cells():
    assert width_of(WIDE) == len("symbol") + 2 + len("100.0%")


def test_a_table_without_rows_has_its_headers():
    assert plain_lines(Table((Column("a"), Column("b")), ())) == ["a  b"]


def test_the_table_of_tasks_shows_an_example():
    table = tasks_table([("reverse", "the other way round", ("1 2", "2 1"))])
    assert plain_lines(table)[1] == "reverse  the other way round  1 2 -> 2 1"


def test_no_text_of_the_table_of_tasks_is_cut(terminal):
    out = terminal(width=40)
    summary = "the source from its back to its front"
    out.show(tasks_table([("reverse", summary, ("1 2 3 4 5 6 7 8 9", "9 8 7 6 5 4 3 2 1"))]))
    text = Text.from_ansi(out.stdout.file.getvalue()).plain
    assert "…" not in text
    below = text.split("─")[-1].split()
    assert sorted(below) == sorted(["reverse", *summary.split(), "->", *"123456789" * 2])


def test_a_small_share_is_not_written_as_none():
    assert [percent(share) for share in (0.0005, 0.00049, 0.00016, 0.00001)] == [
        "0.1%",
        "0.05%",
        "0.02%",
        "<0.01%",
    ]


def test_only_a_true_one_is_written_as_all():
    assert percent(1.0) == "100.0%"
    assert percent(0.99999) == "99.9%"
    assert percent(0.5) == "50.0%"
    assert percent(0.0) == "0.0%"


def test_small_losses_do_not_vanish():
    assert loss(0.12345) == "0.1235"
    assert loss(0.00001234) == "1.2e-05"
    assert loss(0.0) == "0.0000"


def test_durations_and_counts():
    assert [duration(s) for s in (0, 3.21, 59.96, 65, 3661)] == [
        "0.0 s",
        "3.2 s",
        "1:00",
        "1:05",
        "1:01:01",
    ]
    assert count(1234567.4) == "1,234,567"


def test_visible_leaves_every_script_alone():
    text = "ə漢字 नमस्ते می‌خواهم 👩‍👧"
    assert visible(text) == text
