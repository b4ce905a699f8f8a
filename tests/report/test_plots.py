"""Plots have fixed settings and may fail; attention is a heat map in the terminal and as a PNG."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from matplotlib.image import imread
from rich.cells import cell_len
from rich.console import Console

from seqcli.report import plots
from seqcli.report.console import Out, console
from seqcli.report.plots import (
    ASCII_BLOCKS,
    draw_attention,
    draw_curves,
    heat_map,
    show_attention,
)
from seqcli.report.svg_plots import curves_svg
from seqcli.results import AttentionMap

DRAW = """
import sys
from pathlib import Path
import numpy as np
from seqcli.report.plots import draw_attention
from seqcli.report.svg_plots import curves_svg
from seqcli.report.plots import draw_curves
from seqcli.report.plots import draw_if_possible
from seqcli.results import AttentionMap
history = [{"train_loss": 1.0, "val_loss": 1.5, "step": 1}, {"train_loss": .5, "step": 2}]
name = "$x_1$ \\u65e5\\u672c\\u8a9e \\U00012000"
draw_if_possible("curves", lambda: draw_curves(history, Path("curves.png"), name))
map = AttentionMap((name, "b"), ("c",), np.full((1, 2), 0.5))
draw_attention(map, Path("map.png"), name)
assert curves_svg({name: [history]}, "train_loss").startswith("<svg")
"""


@pytest.mark.parametrize(
    "trouble",
    [
        "rc",
        *(
            pytest.param(one, marks=pytest.mark.slow)
            for one in ("backend", "folder rc", "no folders")
        ),
    ],
)
def test_every_picture_is_drawn_in_silence_whatever_the_environment(tmp_path, trouble):
    environment = dict(os.environ)
    settings = "text.usetex: True\nfont.family: No Such Font\nbackend: nonsense\nbad key\n"
    if trouble == "backend":
        environment["MPLBACKEND"] = "module://no_such.backend"
    elif trouble == "rc":
        (tmp_path / "rc").mkdir()
        (tmp_path / "rc" / "matplotlibrc").write_text(settings)
        environment["MATPLOTLIBRC"] = str(tmp_path / "rc")
    elif trouble == "folder rc":
        (tmp_path / "matplotlibrc").write_text(settings)
    else:
        (tmp_path / "file").write_text("")
        environment |= {"MPLCONFIGDIR": str(tmp_path / "file"), "HOME": str(tmp_path / "file")}
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    assert (tmp_path / "map.png").stat().st_size > 1000


@pytest.fixture
def notes():
    """Return what is noted."""
    found = []

    class Handler(logging.Handler):
        def emit(self, record):
            found.append(record.getMessage())

    logger = logging.getLogger("seqcli")
    before, logger.handlers = logger.handlers, [Handler()]
    yield found
    logger.handlers = before


def test_a_failure_is_one_note_and_none_for_the_same_again(notes):
    def draw():
        raise ValueError("no\nfont")

    for _ in range(3):
        assert plots.draw_if_possible("curves-1.png", draw) is None
    assert notes == ["curves-1.png could not be drawn: ValueError: no font"]


def test_a_report_goes_without_plots(notes, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # not installed
    history = [[{"step": 1, "val_loss": 1.0}]]
    assert curves_svg({"gru": history}, "val_loss", "loss") == ""
    assert curves_svg({"rnn": history}, "val_loss", "loss") == ""
    assert len(notes) == 1


def test_a_full_disk_keeps_no_picture_and_stops_nothing(notes, tmp_path):
    history = [{"train_loss": 1.0}]
    place = tmp_path / "missing" / "curves.png"
    plots.draw_if_possible(place, lambda: draw_curves(history, place, "run"))
    assert len(notes) == 1
    assert str(place) in notes[0]


def test_a_notebook_keeps_its_own_settings(tmp_path):
    import matplotlib as mpl
    import numpy as np

    with mpl.rc_context({"lines.linewidth": 7.0}):
        draw_attention(AttentionMap(("a",), ("b",), np.ones((1, 1))), tmp_path / "map.png")
        assert mpl.rcParams["lines.linewidth"] == 7.0
    assert logging.root.manager.disable == 0
    with pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


def rows(epochs, **extra):
    return [{"train_loss": 1 / e, "val_loss": 1 / e, **extra} for e in range(1, epochs + 1)]


def size(path):
    height, width, _ = imread(path).shape
    return width, height


def test_loss_and_accuracy_stand_side_by_side(tmp_path):
    path = tmp_path / "curves.png"
    draw_curves(rows(5, val_token_accuracy=0.5, train_token_accuracy=0.5), path, "a run")
    assert size(path) == (1680, 630)
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_without_accuracies_there_is_one_panel(tmp_path):
    draw_curves(rows(5), tmp_path / "curves.png", "names")
    assert size(tmp_path / "curves.png") == (840, 630)


def test_overfitting_is_shaded(tmp_path):
    falling = [{"train_loss": 1 / e, "val_loss": 1.0} for e in range(1, 8)]
    rising = [{**row, "val_loss": 1.0 + i * (i > 1)} for i, row in enumerate(falling)]
    draw_curves(rising, tmp_path / "rising.png", "a")
    picture = imread(tmp_path / "rising.png")[..., :3]
    shade = abs(picture - [0.98, 0.94, 0.85]).max(axis=2) < 0.02
    assert shade.mean() > 0.2


@pytest.mark.parametrize("epochs", [0, 1, 2, 200])
def test_any_number_of_epochs_is_drawn(tmp_path, epochs):
    draw_curves(rows(epochs, val_sequence_accuracy=0.1), tmp_path / "curves.png", "$x$ 漢字"[:3])
    assert (tmp_path / "curves.png").stat().st_size > 1000


def test_losses_of_zero_and_wide_range_are_drawn(tmp_path):
    history = [{"train_loss": 5.0, "val_loss": 0.0}, {"train_loss": 1e-6, "val_loss": 3.0}]
    draw_curves(history, tmp_path / "curves.png", "edge")
    assert (tmp_path / "curves.png").exists()


def test_drawing_again_replaces_the_picture(tmp_path):
    path = tmp_path / "curves.png"
    path.write_text("old")
    draw_curves(rows(3), path, "new")
    assert path.read_bytes().startswith(b"\x89PNG")


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


@pytest.mark.slow
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
