"""Pages: tables to copy as CSV, LaTeX and Markdown; only the page's own script may run."""

import base64
import csv
import hashlib
import re

from seqcli.report.page import bibtex, copyable, render, table_values
from seqcli.report.tables import Column, Segment, Table

TABLE = Table(
    (Column("model"), Column("mean ± sd\n(best)", right=True)),
    (("a|b & c_d", "1.0 ± 2.0%"), ('=HYPERLINK("x"),y', "-"), ((Segment("x", False),), "-3")),
)


def test_a_table_is_copied_in_three_formats():
    formats = dict(copyable(TABLE))
    rows = list(csv.reader(formats["CSV"].splitlines()))
    assert rows[0] == ["model", "mean ± sd (best)"]
    assert rows[2:] == [['\'=HYPERLINK("x"),y', "-"], ["x", "-3"]]
    assert formats["Markdown"].splitlines()[1:3] == [
        "| --- | ---: |",
        "| a\\|b & c_d | 1.0 ± 2.0% |",
    ]
    assert "a|b \\& c\\_d & 1.0 $\\pm$ 2.0\\% \\\\" in formats["LaTeX"]
    assert formats["LaTeX"].startswith("\\begin{tabular}{lr}\n\\toprule")


def test_control_characters_of_a_table_are_visible():
    table = Table((Column("x"),), (("\x1b[2J",), ((Segment("\u202e", False),),)))
    rows = table_values(table, "x")["rows"]
    assert rows == [["\\x1b[2J"], [[Segment("\\u202e", False)]]]


def test_a_page_allows_its_own_script_only():
    values = {"parameters": [], "models": [], "failed": [], "notes": ["<script>alert(1)</script>"]}
    page = render("search.html", "compare --search", name="x", **values)
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_reference_is_that_of_the_citation_file(request):
    citation = (request.config.rootpath / "examples" / "CITATION.cff").read_text("utf-8")
    title = re.search('title: "(.*)"', citation)[1]
    version = re.search("\nversion: (.*)", citation)[1]
    assert f"{{{title}}}" in bibtex()
    assert f"{{{version}}}" in bibtex()
