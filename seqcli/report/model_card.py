"""Write the model card of an exported model: Markdown with YAML metadata, as on Hugging Face.

The metadata follows https://huggingface.co/docs/hub/model-cards. Paths of files are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from seqcli.formatting import count, plural, visible
from seqcli.metrics.metric import find
from seqcli.report.page import bibtex, environment_rows, markdown_table
from seqcli.report.run_page import SPLITS, RunReport, description, score_tables
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.descriptions import CheckpointInfo
    from seqcli.results import Evaluation

_METRIC_TYPES = {  # identifiers of https://huggingface.co/metrics
    "sequence_accuracy": "exact_match",
    "token_accuracy": "accuracy",
    "token_error_rate": "ter",
    "perplexity": "perplexity",
    "bits_per_character": "bits_per_character",
}
_LICENSE = (
    "No license has been chosen. Replace `unknown` in the metadata at the top by an identifier of "
    "https://huggingface.co/docs/hub/repositories-licenses, and this paragraph by the terms. The "
    "license of the training data may restrict the choice."
)


def model_card(report: RunReport, usage: str) -> str:
    """Return the model card.

    Args:
        report: what is known about the run and its scores.
        usage: how to use the exported files, in Markdown.
    """
    return "\n".join([*_metadata(report), *_sections(report, usage)]) + "\n"


def _metadata(report: RunReport) -> Iterator[str]:
    """Yield the lines of the YAML metadata; every value is JSON, which is YAML as well."""
    info, task = report.info, _task(report.info)
    yield "---"
    yield "license: unknown"
    yield "library_name: seqcli"
    if task != "text2text-generation":  # not a pipeline of Hugging Face
        yield f"pipeline_tag: {task}"
    yield "tags:"
    yield from (f"- {json.dumps(one)}" for one in _tags(report))
    if report.evaluation is not None:
        yield "model-index:"
        yield f"- name: {json.dumps(report.name)}"
        yield "  results:"
        yield f"  - task: {{type: {task}}}"
        data, split = json.dumps(info.data["name"] or "data"), report.evaluation.split
        yield f"    dataset: {{name: {data}, type: {data}, split: {split}}}"
        yield "    metrics:"
        yield from (f"    - {json.dumps(one)}" for one in _results(report.evaluation))
    yield "---"


def _task(info: CheckpointInfo) -> str:
    if info.source is None:
        return "text-generation"
    return "text-classification" if info.target.tokenization == "whole" else "text2text-generation"


def _tags(report: RunReport) -> list[str]:
    """Return the architecture, and the task of the data."""
    settings = {key: value for key, value, _ in report.settings}
    names = ("model.cell", "model.attention", "data.task")
    tags = [settings.get(name, "") for name in names]
    return ["sequence-model", *(one for one in tags if one not in ("", "none"))]


def _results(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {"type": kind, "name": find(name).label, "value": evaluation.metrics[name]}
        for name, kind in _METRIC_TYPES.items()
        if name in evaluation.metrics
    ]


def _sections(report: RunReport, usage: str) -> Iterator[str]:
    """Yield the lines of the text."""
    info = report.info
    yield f"\n# {_inline(report.name)}\n"
    yield f"{_inline(description(report))}"
    yield f"\n## Use\n\n{usage}"
    yield "\n## Data\n"
    yield from _data_lines(info.data)
    yield "\n## Scores\n"
    yield from _score_lines(report)
    yield "\n## Training\n"
    yield from _training_lines(report)
    yield "\n## Limits\n"
    yield from _limit_lines(info)
    yield f"\n## License\n\n{_LICENSE}"
    yield f"\n## Citation\n\n```bibtex\n{bibtex()}\n```"


def _data_lines(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each fact about the data, without paths of files."""
    rows = data.get("rows") or data.get("sizes") or {}
    sums = data.get("sha256") or {}
    yield f"- name: {_inline(str(data['name'] or 'not recorded'))}"
    if "task" in data:
        yield f"- synthetic task of seqcli, version {data.get('version', 'unknown')}"
    if data.get("options"):
        yield f"- options: {_inline(json.dumps(data['options'], ensure_ascii=False))}"
    yield from (f"- {SPLITS.get(split, split)} rows: {count(n)}" for split, n in rows.items())
    if isinstance(sums, Mapping):
        yield from (f"- SHA-256 of {_inline(key)}: `{one}`" for key, one in sums.items())
    else:
        yield f"- SHA-256: `{sums}`"
    if "task" not in data:
        yield "- language, source and license of the data: please add"


def _score_lines(report: RunReport) -> Iterator[str]:
    evaluation = report.evaluation
    if evaluation is not None:
        on = SPLITS.get(evaluation.split, evaluation.split)
        yield f"On {plural(evaluation.rows, f'{on} row')}:"
    for table in score_tables(report):
        yield ""
        yield from markdown_table(table)
        if table.notes:
            yield f"\n{_inline(table.notes)}"
    yield from (f"\nNote: {_inline(note)}" for note in report.notes)


def _training_lines(report: RunReport) -> Iterator[str]:
    """Yield where the model was trained, and the settings that were set."""
    for number, process in enumerate(report.environments):
        if number:
            yield "\nResumed:\n"
        for name, texts in environment_rows(process):
            yield f"- {name}: {'; '.join(f'`{text}`' for text in texts)}"
    rows = tuple(
        (key, value, origin)
        for key, value, origin in report.settings
        if origin != "default" and not key.endswith(("path", "_file"))
    )
    if rows:
        table = Table((Column("setting"), Column("value"), Column("set by")), rows)
        yield "\nSettings that were chosen; all others are the defaults of this version:\n"
        yield from markdown_table(table)


def _limit_lines(info: CheckpointInfo) -> Iterator[str]:
    """Yield what the model cannot be expected to do."""
    sides = {"source": info.source, "target": info.target}
    for name, side in sides.items():
        if side is not None:
            yield (
                f"- The longest {name} of the training rows has "
                f"{plural(side.max_length, 'token')}; the model has not seen longer ones."
            )
            yield (
                f"- The {name} vocabulary has {plural(len(side.tokens), 'token')} "
                f"(tokenization: {side.tokenization}); any other is unknown to it."
            )
    yield "- The scores hold for rows like those that were scored."
    yield "- Nothing is known about other data, languages or uses."


def _inline(text: str) -> str:
    """Return a text as one line of Markdown in which no HTML or markup is active."""
    line = visible(" ".join(text.split()))
    return "".join(f"\\{one}" if one in "\\`*_[]<>#" else one for one in line)
