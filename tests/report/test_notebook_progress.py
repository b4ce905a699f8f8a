"""Progress in a notebook: one output that is updated, and nothing outside of notebooks."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

import seqcli
from seqcli.events import EpochEnded, Finished, Progress, RunFailed
from seqcli.report.notebook_progress import NotebookProgress, NotebookRuns, in_notebook


@pytest.fixture
def notebook(monkeypatch):
    """Pretend to be in a notebook; return the list of what its output showed."""
    shown = []

    def display(content, *, raw, display_id):
        shown.append(content)
        return SimpleNamespace(update=lambda content, *, raw: shown.append(content))

    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = type("ZMQInteractiveShell", (), {})
    module.display = display
    ipython.version_info = (9, 0)  # which matplotlib reads
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_training_shows_how_it_ended_unless_another_listener_does(notebook, tmp_path):
    (tmp_path / "names.txt").write_text("".join(f"{a}{b}\n" for a in "abcd" for b in "efgh"))
    options = {"data": str(tmp_path / "names.txt"), "backend": "numpy", "hidden": 4, "threads": 1}
    seqcli.train(**options, epochs=2, out=tmp_path / "run")
    assert "<progress" not in notebook[-1]["text/html"]
    assert notebook[-1]["text/plain"].startswith("Trained for 2 epochs in ")
    notebook.clear()
    seqcli.train(**options, epochs=1, out=tmp_path / "other", listen=lambda event: None)
    assert notebook == []


def test_updates_are_rare_and_escaped(notebook):
    now = [0.0]
    listen = NotebookProgress(lambda: now[0])
    for step in range(10):
        now[0] += 0.1
        listen(Progress(1, 2, step, 10, 5.0, smoothed_loss=0.5))
    assert len(notebook) == 2
    assert '<progress value="0.0000"' in notebook[0]["text/html"]
    assert notebook[0]["text/plain"].startswith("epoch 1/2 step 0/10 ")
    listen(EpochEnded(1, 2, 10, {"val_loss": 0.25}, True))
    now[0] += 1
    listen(Progress(2, 2, 1, 10, 5.0))
    assert notebook[-1]["text/plain"].endswith("; validation loss 0.2500")
    listen(Finished(2, 1, {}, "<b>", 1.0))
    assert "&lt;b&gt;" in notebook[-1]["text/html"]


def test_a_comparison_counts_its_runs(notebook):
    now = [0.0]
    watch = NotebookRuns(2, lambda: now[0])
    watch("a", Progress(1, 2, 5, 10, 5.0))
    assert notebook[-1]["text/plain"] == "0 of 2 runs finished, 12.5%"
    now[0] = 60.0
    watch("a", RunFailed("", "", 1))
    assert notebook[-1]["text/plain"] == "1 of 2 runs finished, 50.0%"
    watch("b", RunFailed("", "", 1))
    assert notebook[-1] == {
        "text/html": (text := "2 of 2 runs finished in 1:00"),
        "text/plain": text,
    }


def test_a_script_or_a_terminal_is_no_notebook(monkeypatch):
    assert not in_notebook()
    ipython = ModuleType("IPython")
    ipython.get_ipython = type("TerminalInteractiveShell", (), {})
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert not in_notebook()
