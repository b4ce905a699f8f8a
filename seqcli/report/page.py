"""Render HTML pages: self-contained files that load nothing and run only their own script.

All pages extend ``templates/base.html`` and share its styles. Texts of the user's data are escaped,
and their control characters are made visible.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import __version__
from seqcli.formatting import plural, visible
from seqcli.report.plots import row_names
from seqcli.report.tables import Segment, Table, TableCell, plain_cell

if TYPE_CHECKING:
    from jinja2 import Environment

    from seqcli.results import AttentionMap
    from seqcli.runs.environment import Environment

TEMPLATES = Path(__file__).parent / "templates"
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def render(template: str, kind: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: the name of a template that extends ``base.html``.
        kind: the command that writes the page, for its title.
        values: the variables of the template; ``name`` is the title.
    """
    script = (TEMPLATES / "page.js").read_text("utf-8")
    return (
        _environment()
        .get_template(template)
        .render(
            kind=kind,
            style=(TEMPLATES / "page.css").read_text("utf-8"),
            script=script,
            script_hash=_source_hash(script),
            **values,
        )
    )


def fragment(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Return HTML for a notebook: texts, tables, plots and attention maps, one below another."""
    return _environment().get_template("fragment.html").render(blocks=list(blocks))


def is_page(begin: bytes, kind: str) -> bool:
    """Return whether a file that begins with these bytes is a page of this kind."""
    return f'<meta name="generator" content="seqcli {kind}">'.encode() in begin


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source_hash(script: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows this script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def table_values(table: Table, label: str) -> dict[str, Any]:
    """Return the variables of a table for the templates.

    Args:
        table: the table.
        label: its name for screen readers.
    """
    return {
        "columns": [
            {"header": " ".join(column.header.split()), "right": column.right}
            for column in table.columns
        ],
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "strong": table.strong,
        "title": table.title,
        "caption": visible(table.caption),
        "label": label,
    }


def _cell(cell: TableCell) -> str | list[Segment]:
    if isinstance(cell, str):
        return visible(cell)
    return [Segment(visible(part.text), part.ok) for part in cell]


def attention_values(attention: AttentionMap) -> dict[str, Any]:
    """Return the variables of an attention map for the templates."""
    rows = zip(row_names(attention), attention.weights.astype(float).round(4).tolist(), strict=True)
    return {
        "columns": [visible(one) for one in attention.source],
        "rows": [(visible(name), weights) for name, weights in rows],
    }


def copyable(table: Table) -> list[tuple[str, str]]:
    """Return a table as (format, text): CSV, LaTeX and Markdown."""
    return [
        ("CSV", csv_table(table)),
        ("LaTeX", latex_table(table)),
        ("Markdown", "\n".join(markdown_table(table))),
    ]


def csv_table(table: Table) -> str:
    """Return a table as CSV. Cells that a spreadsheet would run as formulas are quoted as text."""
    lines = [_headers(table), *_plain_rows(table)]
    return "\n".join(",".join(map(_csv_cell, line)) for line in lines)


def _csv_cell(text: str) -> str:
    if re.match(r"[=@+\t]|-[^0-9]", text) and text != "-":
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\n\r]', text) else text


def latex_table(table: Table) -> str:
    """Return a table as a LaTeX tabular with the rules of booktabs."""
    sides = "".join("r" if column.right else "l" for column in table.columns)
    headers, *rows = (_latex_row(row) for row in [_headers(table), *_plain_rows(table)])
    begin = [f"\\begin{{tabular}}{{{sides}}}", r"\toprule", headers, r"\midrule"]
    return "\n".join([*begin, *rows, r"\bottomrule", r"\end{tabular}"])


def _latex_row(cells: Iterable[str]) -> str:
    escaped = ("".join(_LATEX.get(character, character) for character in one) for one in cells)
    return " & ".join(escaped) + r" \\"


def markdown_table(table: Table) -> Iterable[str]:
    """Yield the lines of a table in Markdown."""
    yield _markdown_row(_headers(table))
    yield _markdown_row("---:" if column.right else "---" for column in table.columns)
    for row in _plain_rows(table):
        yield _markdown_row(row)


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _headers(table: Table) -> list[str]:
    return [" ".join(column.header.split()) for column in table.columns]


def _plain_rows(table: Table) -> Sequence[list[str]]:
    return [[plain_cell(cell) for cell in row] for row in table.rows]


def environment_rows(one: Environment) -> list[tuple[str, list[str]]]:
    """Return (name, lines) of what is known about a process that trained a run."""
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    machine = f"{one.processor}, {plural(one.cores, 'core')}"
    device = one.device + (f", {plural(one.threads, 'thread')}" if one.device == "cpu" else "")
    rows = [
        ("command", one.command or "started from Python"),
        ("started", one.started),
        ("versions", versions),
        ("commit", one.commit),
        ("machine", machine),
        ("system", one.system),
        ("device", device),
    ]
    return [(name, [visible(text)]) for name, text in rows if text]


def bibtex() -> str:
    """Return the BibTeX entry of seqcli."""
    return (
        "@software{seqcli,\n"
        "  author  = {{The seqcli authors}},\n"
        "  title   = {seqcli: train, compare and understand small sequence models from the "
        "command line},\n"
        f"  version = {{{__version__}}},\n"
        "  license = {MIT}\n"
        "}"
    )
