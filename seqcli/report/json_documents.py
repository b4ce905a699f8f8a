"""Build the documents that ``--json`` prints: dictionaries of numbers, strings and lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.events import DataRead, EnsembleFinished, Finished
from seqcli.report.evaluation import baseline_warnings
from seqcli.report.predictions import worst
from seqcli.runs.fit_diagnosis import FitDiagnosis

if TYPE_CHECKING:
    from seqcli.config.examples import Example
    from seqcli.descriptions import CheckpointInfo, Exported, RunSummary, TaskInfo
    from seqcli.results import (
        Candidate,
        Evaluation,
        NextToken,
        Prediction,
        Sample,
        Samples,
        ScoredRow,
        Scores,
    )


Document = dict[str, Any]


def evaluation_document(evaluation: Evaluation, rows: int = 10) -> Document:
    """Return the document of an evaluation, with its ``rows`` worst predictions.

    Fields about the checkpoint are omitted if a file of predictions was scored.
    """
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
        "by_features": [asdict(group) for group in evaluation.by_features],
        "edits": evaluation.edits and asdict(evaluation.edits),
        "classes": evaluation.classes and asdict(evaluation.classes),
        "worst": [_scored(row, evaluation) for row in worst(evaluation.predictions, rows)],
        "seconds": evaluation.seconds,
        "notes": list(evaluation.notes),
        "warnings": baseline_warnings(evaluation),
    }


def _about_checkpoint(evaluation: Evaluation) -> Document:
    return {
        "checkpoint": evaluation.checkpoint,
        "members": list(evaluation.members),
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


def samples_document(samples: Samples) -> Document:
    """Return the document of sampled texts, with the seed that reproduces them."""
    return {
        "samples": [_sample(text) for text in samples.samples],
        "seed": samples.seed,
        "draws": samples.draws,
        "notes": list(samples.notes),
    }


def next_document(prefix: str, distribution: Iterable[NextToken]) -> Document:
    """Return the next-token distribution, most likely first; the token null means ``<eos>``."""
    return {"prefix": prefix, "next": [asdict(one) for one in distribution]}


def info_document(checkpoint: CheckpointInfo) -> Document:
    """Return the document that describes a checkpoint."""
    settings = {
        key: {"value": value, "from": origin}
        for key, (value, origin) in checkpoint.settings.items()
    }
    return {**asdict(checkpoint), "settings": settings}


def export_document(exported: Exported) -> Document:
    """Return the document of an export: its files and its comparison with the original."""
    return asdict(exported)


def _sample(text: Sample) -> Document:
    known = {name: value for name, value in asdict(text).items() if value is not None}
    return known if text.line else {name: known[name] for name in known if name != "line"}


def training_document(
    finished: Finished, diagnosis: FitDiagnosis, folder: str, read: DataRead | None = None
) -> Document:
    """Return the document of a run: its end, diagnosis, metrics of every epoch, and data."""
    return {
        "run": folder,
        "epochs": finished.epochs,
        "updates": finished.updates,
        "best_epoch": finished.best_epoch,
        "best": dict(finished.best),
        "reason": finished.reason,
        "seconds": finished.seconds,
        "diagnosis": asdict(diagnosis),
        "history": [dict(row) for row in finished.history],
        "data": None if read is None else reading_document(read),
    }


def ensemble_document(
    finished: EnsembleFinished, folder: str, read: DataRead | None = None
) -> Document:
    """Return the document of an ensemble: its members, and validation scores of each and of all."""
    scores = list(map(dict, finished.validation))
    members = [asdict(member) for member in finished.members]
    for member, validation in zip(members, scores, strict=False):
        member["validation"] = validation
    return {
        "run": folder,
        "members": members,
        "validation": scores[-1] if scores else {},
        "seconds": finished.seconds,
        "data": None if read is None else reading_document(read),
    }


def reading_document(read: DataRead) -> Document:
    """Return the document of the data read: files, splits, and flagged rows."""
    return asdict(read)


def tasks_document(tasks: Iterable[tuple[str, str, tuple[str, str]]]) -> Document:
    """Return the document that lists tasks, given (name, summary, (source, target)) of each."""
    return {
        "tasks": [
            {"name": name, "summary": summary, "example": {"source": pair[0], "target": pair[1]}}
            for name, summary, pair in tasks
        ]
    }


def examples_document(examples: Iterable[Example]) -> Document:
    """Return the document that lists the files that come with seqcli."""
    return {"examples": [_example(one) for one in examples]}


def runs_document(runs: Iterable[RunSummary]) -> Document:
    """Return the document that lists runs."""
    return {"runs": [asdict(run) for run in runs]}


def copied_document(example: Example, path: Path) -> Document:
    """Return the document of a copied example."""
    return {**_example(example), "file": str(path)}


def _example(one: Example) -> Document:
    return {"name": one.name, "kind": one.kind, "about": one.about, "usage": one.usage}


def task_document(task: TaskInfo) -> Document:
    """Return the document that describes a task and its options."""
    source, target = task.example
    options = [
        {"name": name, "default": default, "about": about} for name, default, about in task.options
    ]
    return {**asdict(task), "example": {"source": source, "target": target}, "options": options}


def _candidate(candidate: Candidate) -> Document:
    """Return a candidate, with the probabilities of its tokens if requested."""
    document = asdict(candidate)
    if not candidate.tokens:
        del document["tokens"]
    return document


def prediction_document(prediction: Prediction) -> Document:
    """Return the predictions for a line, with attention weights if requested."""
    document: Document = {
        "source": prediction.source,
        "unknown": list(prediction.unknown),
        "candidates": [_candidate(one) for one in prediction.candidates],
    }
    if prediction.known:
        document["known"] = True
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
