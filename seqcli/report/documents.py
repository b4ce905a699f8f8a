"""What ``--json`` prints: plain dictionaries of numbers, strings and lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from seqcli.events import Finished
from seqcli.report.verdict import verdict

if TYPE_CHECKING:
    from seqcli.results import Evaluation, NextSymbol, Prediction, Sample, Samples

Document = dict[str, Any]


def evaluation_document(evaluation: Evaluation) -> Document:
    """Return all of an evaluation but the single predictions, which are counted."""
    wrong = sum(not row.correct for row in evaluation.predictions)
    return {
        "checkpoint": evaluation.checkpoint,
        "data": evaluation.data,
        "split": evaluation.split,
        "rows": evaluation.rows,
        "wrong": wrong,
        "beam": evaluation.beam,
        "length_penalty": evaluation.length_penalty,
        "metrics": dict(evaluation.metrics),
        "floors": {name: dict(scores) for name, scores in evaluation.floors.items()},
        "by_length": [asdict(length) for length in evaluation.by_length],
        "novelty": asdict(evaluation.novelty) if evaluation.novelty else None,
        "seconds": evaluation.seconds,
        "notes": list(evaluation.notes),
    }


def predictions_document(predictions: Iterable[Prediction]) -> Document:
    """Return the answers to each line, in order; attention weights where they were asked for."""
    return {"predictions": [_prediction(prediction) for prediction in predictions]}


def samples_document(found: Samples) -> Document:
    """Return the texts drawn from a model, in order, and how to draw them again."""
    return {
        "samples": [_sample(text) for text in found.samples],
        "seed": found.seed,
        "draws": found.draws,
        "notes": list(found.notes),
    }


def next_document(prefix: str, found: Iterable[NextSymbol]) -> Document:
    """Return what may come after a prefix, likeliest first; the symbol null is the end."""
    return {"prefix": prefix, "next": [asdict(one) for one in found]}


def _sample(text: Sample) -> Document:
    known = {name: value for name, value in asdict(text).items() if value is not None}
    return known if text.line else {name: known[name] for name in known if name != "line"}


def training_document(finished: Finished, folder: str) -> Document:
    """Return how a run ended, its verdict, and the metrics of every epoch."""
    found = verdict(finished.history)
    return {
        "run": folder,
        "epochs": finished.epochs,
        "best_epoch": finished.best_epoch,
        "best": dict(finished.best),
        "reason": finished.reason,
        "seconds": finished.seconds,
        "verdict": {"kind": found.kind, "since": found.since, "text": found.text},
        "history": [dict(row) for row in finished.history],
    }


def tasks_document(tasks: Iterable[tuple[str, str, tuple[str, str]]]) -> Document:
    """Return the tasks: (name, summary, (source, target) of an example) each."""
    return {
        "tasks": [
            {"name": name, "summary": summary, "example": {"source": pair[0], "target": pair[1]}}
            for name, summary, pair in tasks
        ]
    }


def _prediction(prediction: Prediction) -> Document:
    document: Document = {
        "source": prediction.source,
        "unknown": list(prediction.unknown),
        "candidates": [asdict(candidate) for candidate in prediction.candidates],
    }
    if prediction.attention is not None:
        document["attention"] = {
            "source": list(prediction.attention.source),
            "target": list(prediction.attention.target),
            "weights": prediction.attention.weights.tolist(),
        }
    return document
