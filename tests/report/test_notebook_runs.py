"""The notebook of the examples runs in a kernel, and every result shows itself."""

import re
from pathlib import Path

import pytest

import seqcli

NOTEBOOK = Path(seqcli.__file__).parent.parent / "examples" / "notebook.ipynb"


def test_the_notebook_has_no_stored_outputs():
    text = NOTEBOOK.read_text("utf-8")
    assert '"outputs": []' in text
    assert not re.search(r'"execution_count": [0-9]|"output_type"', text)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_result_of_the_notebook_shows_itself(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    run, evaluation, prediction, curves, comparison = (
        [one.data for one in cell.outputs if "data" in one][-1]
        for cell in notebook.cells
        if cell.cell_type == "code"
    )
    assert run["text/html"].count("<svg") == 2
    assert "sequence accuracy" in evaluation["text/html"]
    assert "data-weight" in prediction["text/html"]
    assert "image/png" in curves
    assert "Method: t-tests" in comparison["text/html"]
    assert not any("<script" in one.get("text/html", "") for one in (run, evaluation, comparison))
