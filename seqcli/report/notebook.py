"""Show results in a notebook as HTML; `VIEWS` has the view of each class of results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli.formatting import percent, visible
from seqcli.report.page import attention_values, fragment, table_values
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.comparison.summary import Comparison
    from seqcli.events import Finished
    from seqcli.results import AttentionMap, Evaluation, Prediction
    from seqcli.runs.fit_diagnosis import FitDiagnosis

Blocks: TypeAlias = Iterator[dict[str, Any]]
ROWS = 5  # predictions of an evaluation


def run_html(name: str, finished: Finished, diagnosis: FitDiagnosis) -> str:
    """Return the view of a training run: how it ended, its diagnosis and learning curves."""
    from seqcli.report.run_page import ending, run_curves

    history = finished.history
    curves = run_curves({name: history}, diagnosis) if history else []
    texts = (f"{visible(name)}: {ending(finished)}", diagnosis.text)
    return fragment([*({"text": text} for text in texts), {"svgs": curves}])


def evaluation_html(evaluation: Evaluation) -> str:
    """Return the view of an evaluation: its scores, accuracy by length, and errors."""
    return fragment(_evaluation_blocks(evaluation))


def _evaluation_blocks(evaluation: Evaluation) -> Blocks:
    from seqcli.report.evaluation import (
        baseline_warnings,
        features_table,
        headline,
        lengths_table,
        metrics_table,
        novelty_table,
    )
    from seqcli.report.predictions import edits_table, worst, worst_table

    yield {"text": visible(headline(evaluation))}
    yield from ({"text": line} for line in baseline_warnings(evaluation))
    yield _table_block(metrics_table(evaluation))
    yield _table_block(lengths_table(evaluation.by_length))
    yield _table_block(features_table(evaluation))
    yield _table_block(novelty_table(evaluation.novelty))
    if evaluation.edits is not None and evaluation.edits.commonest:
        yield _table_block(edits_table(evaluation.edits))
        poor = worst(evaluation.predictions, ROWS)
        table = worst_table(evaluation, poor, in_words=False)
        yield _table_block(replace(table, title="Worst predictions"), "texts")


def comparison_html(comparison: Comparison) -> str:
    """Return the view of a comparison: its table, conclusions and plots."""
    from seqcli.report.comparison_table import results_table
    from seqcli.report.conclusions import conclusions
    from seqcli.report.svg_plots import comparison_plots, inline

    plots = [inline(svg) for svg in comparison_plots(comparison).values()]
    texts = ({"text": visible(line)} for line in conclusions(comparison))
    return fragment([_table_block(results_table(comparison)), *texts, {"svgs": plots}])


def prediction_html(prediction: Prediction) -> str:
    """Return the view of a prediction: its candidates, and the attention weights if it has them."""
    columns = (Column("prediction"), Column("probability", right=True))
    rows = tuple(
        (one.text, percent(math.exp(min(one.log_probability, 0.0))))
        for one in prediction.candidates
    )
    problem = prediction.problem or prediction.note
    blocks: list[dict[str, Any]] = [
        _table_block(Table(columns, rows, title=visible(prediction.source), caption=problem))
    ]
    if problem and not rows:
        blocks.append({"text": visible(f"{prediction.source}: {problem}")})
    if prediction.attention is not None:
        blocks.append({"map": attention_values(prediction.attention)})
    return fragment(blocks)


def attention_html(attention: AttentionMap) -> str:
    """Return the view of attention weights: a map of target tokens over source tokens."""
    return fragment([{"map": attention_values(attention)}])


def _table_block(table: Table, style: str = "") -> dict[str, Any]:
    return {"table": table_values(table, table.title or "results"), "style": style}


VIEWS: dict[str, Callable[[Any], str]] = {  # by class
    "Evaluation": evaluation_html,
    "Prediction": prediction_html,
    "AttentionMap": attention_html,
    "Comparison": comparison_html,
}
