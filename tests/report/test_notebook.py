"""Results in a notebook: HTML without scripts, a short repr, a history for pandas."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seqcli.api import Run
from seqcli.api.views import add_views
from seqcli.config import Config
from seqcli.events import Finished
from seqcli.results import AttentionMap, Candidate, Evaluation, LengthBin, Prediction, Scores
from seqcli.runs.fit_diagnosis import diagnose_fit

add_views()
ROW = {"train_loss": 0.5, "val_loss": 0.6, "val_sequence_accuracy": 0.7}
HISTORY = ({**ROW, "step": 10}, {"train_loss": 0.4, "step": 20}, {**ROW, "step": 30})


@pytest.fixture
def run():
    finished = Finished(3, 3, ROW, "epochs", 2.0, HISTORY, 30)
    fit = diagnose_fit(HISTORY)
    return Run(Path("runs/x"), Config(), finished, fit, Path("runs/x"), {"train": 8})


def test_a_run_shows_its_curves(run):
    shown = run._repr_html_()
    assert shown.count("<svg") == 2
    assert "Trained for 3 epochs in 2.0 s" in shown
    assert "<script" not in shown


def test_the_history_has_one_list_for_each_metric(run):
    assert run.history["epoch"] == [1, 2, 3]
    assert run.history["val_loss"] == [0.6, None, 0.6]
    assert {len(values) for values in run.history.values()} == {3}


def test_a_plot_is_a_figure_that_a_notebook_shows(run, tmp_path):
    figure = run.plot()
    assert figure._repr_png_().startswith(b"\x89PNG")
    figure.savefig(tmp_path / "curves.svg")
    assert len(figure.axes) == 2


def test_an_evaluation_shows_its_scores_and_has_a_short_repr():
    bins = (LengthBin(1, 2, 10, 0.9, 0.5),)
    scores = Scores(10, {"loss": 0.25, "sequence_accuracy": 0.5}, {}, bins)
    evaluation = Evaluation(**vars(scores), checkpoint="runs/<b>", data="reverse", split="test")
    shown = evaluation._repr_html_()
    assert "50.0%" in shown
    assert "runs/&lt;b&gt; on reverse, test" in shown
    text = "Evaluation(runs/<b> on reverse, test: 10 rows, loss=0.25, sequence_accuracy=0.5)"
    assert repr(evaluation) == text


def test_a_prediction_shows_candidates_and_attention():
    weights = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)
    attention = AttentionMap(("<i>", "b"), ("x",), weights)
    candidates = (Candidate("x", float(np.log(0.75)), 0.0),)
    shown = Prediction("<i> b", candidates, attention=attention)._repr_html_()
    assert "75.0%" in shown
    assert 'data-weight="0.9"' in shown
    assert "&lt;i&gt;" in shown
    assert "<i>" not in shown
    without = replace(Prediction("a", ()), problem="the line is too long")
    assert "a: the line is too long" in without._repr_html_()


def test_the_repr_of_a_run_is_one_line(run):
    text = "Run('runs/x', 3 epochs, best 3: validation loss 0.6000, sequence accuracy 70.0%)"
    assert repr(run) == text
