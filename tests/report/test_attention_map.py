import io

import numpy as np
import pytest
from matplotlib.image import imread
from rich.cells import cell_len
from rich.console import Console

from seqcli.report.console import Out, console
from seqcli.report.plots import (
    ASCII_BLOCKS,
    draw_attention,
    heat_map,
    show_attention,
)
from seqcli.results import AttentionMap


def reversal(source):
    size = len(source)
    weights = np.zeros((size + 1, size), np.float32)
    weights[:size] = np.eye(size)[::-1]
    return AttentionMap(tuple(source), tuple(source[::-1]), weights)


def test_source_is_above_and_output_at_the_left():
    lines = heat_map(reversal(["3", "1", "42"]))
    assert lines[2:] == [
        "      3  1  42",
        "42          ██",
        "1        ██",
        "3     ██",
        "<eos>",
    ]


def test_a_truncated_prediction_has_no_end():
    whole = reversal(["3", "1"])
    truncated = AttentionMap(whole.source, whole.target, whole.weights[:-1])
    assert [line.split()[0] for line in heat_map(truncated)[-2:]] == ["1", "3"]


def test_shades_grow_with_the_weight():
    weights = np.array([[0.0, 0.25, 0.5, 0.75, 1.0]], np.float32)
    attention = AttentionMap(tuple("abcde"), ("x",), weights)
    assert heat_map(attention)[-1] == "x    ░░ ▒▒ ▓▓ ██"
    assert heat_map(attention, blocks=ASCII_BLOCKS)[-1] == "x    .. :: ** ##"


def test_wide_characters_keep_the_columns_in_line():
    lines = heat_map(reversal(["漢字", "a", "ə"]))
    assert lines[2] == "      漢字 a    ə"
    assert lines[-2] == "漢字  ████"
    assert cell_len(lines[3]) == cell_len("ə               ████")


@pytest.mark.parametrize("width", [1, 10, 24, 80])
def test_long_sources_go_on_below(width):
    source = [str(i) for i in range(30)]
    lines = heat_map(reversal(source), width)
    shown = [line.split() for line in lines[1:] if line.startswith(" ")]
    assert [symbol for row in shown for symbol in row] == source
    assert max(map(cell_len, lines[1:])) <= max(width, 8)


def test_blank_long_and_hostile_symbols_are_seen():
    text = "\n".join(heat_map(reversal([" ", "\x1b[2J", "extraordinarily"])))
    assert "␣" in text
    assert "\x1b" not in text
    assert "extraor…" in text


def test_nothing_to_look_at():
    empty = AttentionMap((), (), np.zeros((1, 0), np.float32))
    assert len(heat_map(empty, 80)) == 1


def test_an_encoding_without_blocks_gets_ascii():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    show_attention(Out(console(None), console(stream)), reversal(["a", "b"]))
    stream.flush()
    text = stream.buffer.getvalue()
    assert b"##" in text
    assert b"\\u" not in text


def test_the_heat_map_is_talk_and_fits_the_terminal(terminal):
    out = terminal(width=40)
    show_attention(out, reversal([str(i) for i in range(50)]))
    lines = out.stderr.file.getvalue().splitlines()
    assert out.stdout.file.getvalue() == ""
    assert max(map(cell_len, lines[1:])) <= 40
    quiet = Out(Console(file=io.StringIO()), Console(file=io.StringIO()), quiet=True)
    show_attention(quiet, reversal(["a"]))
    assert quiet.stderr.file.getvalue() == ""


@pytest.mark.parametrize(
    "source", [["3", "1", "4"], ["$x", "$\\frac$", "_^"], ["漢", "字", "ك", "\x00"], ["a"] * 100]
)
def test_the_png_takes_any_symbols(tmp_path, source):
    draw_attention(reversal(source), tmp_path / "attention.png", "$" + source[0])
    height, width, _ = imread(tmp_path / "attention.png").shape
    assert 0 < height < 5000
    assert 0 < width < 5000


def test_the_end_cannot_be_taken_for_a_token_of_the_data():
    lines = heat_map(reversal(["<eos>", "</s>", "\u200b"]))
    names = [(line + " ").split(" ")[0] for line in lines[-4:]]
    assert names == ["\\u200b", "</s>", "'<eos>'", "<eos>"]
