"""Pictures are extras: the user's matplotlib settings do not matter, and a failure is a note."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import warnings

import pytest
from matplotlib.image import imread

from seqcli.report import plots
from seqcli.report.comparison_page import curves_svg
from seqcli.report.plots import draw_attention, draw_curves
from seqcli.results import AttentionMap

DRAW = """
import sys
from pathlib import Path
import numpy as np
from seqcli.report.plots import draw_attention
from seqcli.report.comparison_page import curves_svg
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
