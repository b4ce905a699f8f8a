"""Views of results in a notebook; the module that draws them is imported by the first view."""

from __future__ import annotations

from typing import Any

from seqcli.results import HTML_VIEWS


def add_views() -> None:
    """Let evaluations, predictions and comparisons show themselves in a notebook."""
    for name in ("Evaluation", "Prediction", "AttentionMap", "Comparison"):
        HTML_VIEWS[name] = _html


def _html(result: Any) -> str:
    from seqcli.report.notebook import VIEWS

    return VIEWS[type(result).__name__](result)
