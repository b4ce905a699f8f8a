"""What ``--json`` prints: plain dictionaries of numbers, strings and lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqcli.events import DataRead, Finished
from seqcli.report.error_tables import worst
from seqcli.report.evaluation import lost_lines
from seqcli.runs.fit_diagnosis import FitDiagnosis

if TYPE_CHECKING:
    from seqcli.results import (
        CheckpointInfo,
        Evaluation,
        Exported,
        NextToken,
        Prediction,
        Sample,
        Samples,
        ScoredRow,
        Scores,
        TaskInfo,
    )


Document = dict[str, Any]


def evaluation_document(evaluation: Evaluation, rows: int = 10) -> Document:
    """Return all of an evaluation but the single predictions: these are counted, and the worst
    ``rows`` of them told. What is about the checkpoint is left out where there is none."""
    wrong = sum(not row.correct for row in evaluation.predictions)
    return {
        **(_about_checkpoint(evaluation) if evaluation.checkpoint else {"data": evaluation.data}),
        "rows": evaluation.rows,
        "wrong": wrong,
        "metrics": dict(evaluation.metrics),
        "intervals": dict(evaluation.intervals),
        "interval_methods": dict(evaluation.interval_methods),
        "baselines": {name: dict(scores) for name, scores in evaluation.baselines.items()},
        "references": evaluation.references and asdict(evaluation.references),
        "by_length": [asdict(length) for length in evaluation.by_length],
        "by_unseen": [asdict(subset) for subset in evaluation.by_unseen],
        "edits": evaluation.edits and asdict(evaluation.edits),
        "classes": evaluation.classes and asdict(evaluation.classes),
        "worst": [_scored(row, evaluation) for row in worst(evaluation.predictions, rows)],
        "seconds": evaluation.seconds,
        "notes": list(evaluation.notes),
        "warnings": lost_lines(evaluation),
    }


def _about_checkpoint(evaluation: Evaluation) -> Document:
    return {
        "checkpoint": evaluation.checkpoint,
        "data": evaluation.data,
        "split": evaluation.split,
        "beam": evaluation.beam,
        "length_penalty": evaluation.length_penalty,
        "novelty": asdict(evaluation.novelty) if evaluation.novelty else None,
    }


def _scored(row: ScoredRow, scores: Scores) -> Document:
    return {
        "source": row.line(scores.source_joiner),
        "truth": scores.target_joiner.join(row.truth),
        "prediction": scores.target_joiner.join(row.prediction),
        "edits": row.edits,
    }


def samples_document(found: Samples) -> Document:
    """Return the texts drawn from a model, in order, and how to draw them again."""
    return {
        "samples": [_sample(text) for text in found.samples],
        "seed": found.seed,
        "draws": found.draws,
        "notes": list(found.notes),
    }


def next_document(prefix: str, found: Iterable[NextToken]) -> Document:
    """Return the distribution of the next token, most likely first; the token null is ``<eos>``."""
    return {"prefix": prefix, "next": [asdict(one) for one in found]}


def info_document(found: CheckpointInfo) -> Document:
    """Return all that a checkpoint says about itself."""
    settings = {
        key: {"value": value, "from": origin} for key, (value, origin) in found.settings.items()
    }
    return {**asdict(found), "settings": settings}


def export_document(found: Exported) -> Document:
    """Return what an export wrote, and how it was compared with the original."""
    return asdict(found)


def _sample(text: Sample) -> Document:
    known = {name: value for name, value in asdict(text).items() if value is not None}
    return known if text.line else {name: known[name] for name in known if name != "line"}


def training_document(
    finished: Finished, diagnosis: FitDiagnosis, folder: str, read: DataRead | None = None
) -> Document:
    """Return how a run ended, its diagnosis, the metrics of every epoch, and what was read."""
    return {
        "run": folder,
        "epochs": finished.epochs,
        "best_epoch": finished.best_epoch,
        "best": dict(finished.best),
        "reason": finished.reason,
        "seconds": finished.seconds,
        "diagnosis": asdict(diagnosis),
        "history": [dict(row) for row in finished.history],
        "data": None if read is None else reading_document(read),
    }


def reading_document(read: DataRead) -> Document:
    """Return what was read: files, splits, and the rows that were named."""
    return asdict(read)


def tasks_document(tasks: Iterable[tuple[str, str, tuple[str, str]]]) -> Document:
    """Return the tasks: (name, summary, (source, target) of an example) each."""
    return {
        "tasks": [
            {"name": name, "summary": summary, "example": {"source": pair[0], "target": pair[1]}}
            for name, summary, pair in tasks
        ]
    }


def task_document(task: TaskInfo) -> Document:
    """Return what a task is, and its options."""
    source, target = task.example
    options = [
        {"name": name, "default": default, "about": about} for name, default, about in task.options
    ]
    return {**asdict(task), "example": {"source": source, "target": target}, "options": options}


def prediction_document(prediction: Prediction) -> Document:
    """Return the answers to a line; attention weights where they were asked for."""
    document: Document = {
        "source": prediction.source,
        "unknown": list(prediction.unknown),
        "candidates": [asdict(candidate) for candidate in prediction.candidates],
    }
    if prediction.note:
        document["note"] = prediction.note
    if prediction.problem:
        document["problem"] = prediction.problem
    if prediction.attention is not None:
        document["attention"] = {
            "source": list(prediction.attention.source),
            "target": list(prediction.attention.target),
            "weights": prediction.attention.weights.tolist(),
        }
    return document
