"""Render HTML pages: self-contained files that load nothing and run only their own script.

All pages extend ``templates/base.html`` and share its styles. Texts of the user's data are escaped,
and their control characters are made visible.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import __version__
from seqcli.formatting import plural, visible
from seqcli.report.plots import row_names
from seqcli.report.tables import Segment, Table, TableCell, plain_cell

if TYPE_CHECKING:
    import jinja2

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
def _environment() -> jinja2.Environment:
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
            {"header": visible(" ".join(column.header.split())), "right": column.right}
            for column in table.columns
        ],
        "rows": [[visible_cell(cell) for cell in row] for row in table.rows],
        "strong": table.strong,
        "best": table.best,
        "title": visible(table.title),
        "caption": visible(table.notes),
        "label": label,
    }


def visible_cell(cell: TableCell) -> str | list[Segment]:
    """Return a cell with visible control characters, for the templates."""
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
    headers = _latex_row(map(_latex_text, _headers(table)))
    rows = map(_latex_row, _marked_rows(table, _latex_text, "\\textbf{{{}}}"))
    begin = [f"\\begin{{tabular}}{{{sides}}}", r"\toprule", headers, r"\midrule"]
    return "\n".join([*begin, *rows, r"\bottomrule", r"\end{tabular}"])


def _latex_text(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def markdown_table(table: Table) -> Iterable[str]:
    """Yield the lines of a table in Markdown."""
    yield _markdown_row(map(_markdown_text, _headers(table)))
    yield _markdown_row("---:" if column.right else "---" for column in table.columns)
    yield from map(_markdown_row, _marked_rows(table, _markdown_text, "**{}**"))


def _markdown_text(text: str) -> str:
    return text.replace("|", "\\|")


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _marked_rows(table: Table, escape: Callable[[str], str], mark: str) -> Iterable[list[str]]:
    """Yield the rows as escaped texts; ``mark`` is the format of the best cells."""
    for number, row in enumerate(_plain_rows(table)):
        yield [
            mark.format(escape(cell)) if (number, place) in table.best else escape(cell)
            for place, cell in enumerate(row)
        ]


def _headers(table: Table) -> list[str]:
    return [visible(" ".join(column.header.split())) for column in table.columns]


def _plain_rows(table: Table) -> Sequence[list[str]]:
    return [[plain_cell(cell) for cell in row] for row in table.rows]


def environment_rows(*processes: Environment) -> list[tuple[str, list[str]]]:
    """Return (name, lines) of what is known about the processes that trained a run, or several.

    Values that processes share are listed once; ``started`` has the first and the last time.
    """
    rows: dict[str, dict[str, None]] = {}
    for one in processes:
        for name, text in _environment_texts(one):
            if text:
                rows.setdefault(name, {})[visible(text)] = None
    if len(rows.get("started", ())) > 1:
        rows["started"] = {f"{min(rows['started'])} to {max(rows['started'])}": None}
    return [(name, list(texts)) for name, texts in rows.items()]


def _environment_texts(one: Environment) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
    device = one.device + (f", {plural(one.threads, 'thread')}" if one.device == "cpu" else "")
    return [
        ("command", one.command or "started from Python"),
        ("started", one.started),
        ("versions", versions),
        ("commit", one.commit),
        ("machine", f"{one.processor}, {plural(one.cores, 'core')}"),
        ("system", one.system),
        ("device", device),
    ]


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
