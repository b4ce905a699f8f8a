"""Views of results in a notebook; the module that draws them is imported by the first view."""

from __future__ import annotations

from typing import Any

from seqcli.results import HtmlShown


def add_views() -> None:
    """Let evaluations, predictions and comparisons show themselves in a notebook."""
    HtmlShown.view = _html


def _html(result: Any) -> str | None:
    from seqcli.report.notebook import VIEWS

    view = VIEWS.get(type(result).__name__)
    return None if view is None else view(result)
