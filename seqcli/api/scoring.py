"""What a finished run of a comparison came to: scored once, and kept in its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from seqcli import api, runs
from seqcli.api.language import open_language_model
from seqcli.api.matching import parameters
from seqcli.api.reading import config_of
from seqcli.checkpoints import numpy_file
from seqcli.comparison.outcome import LENGTH_GIVEN, Answer, Look, RowScores, RunResult
from seqcli.comparison.plan import seen
from seqcli.config import Config
from seqcli.config.describing import describe
from seqcli.data.build import corpus as build_corpus
from seqcli.data.corpus import Corpus, Pairs
from seqcli.report.attention import row_names
from seqcli.report.error_tables import choose
from seqcli.report.metrics_log import read_metrics
from seqcli.results import Evaluation, ScoredRow
from seqcli.training.progress import Progress, why_over

LONGEST_LOOK = 24  # symbols of the row whose attention is shown


@dataclass(frozen=True)
class RunName:
    """What a run is called, which arm it belongs to, and its seed."""

    run: str
    arm: str
    seed: int


def over(folder: Path) -> str:
    """Return why the training in a folder is over; "" while it is not, or was never begun."""
    paths = runs.RunPaths(folder)
    if not (paths.last.exists() and paths.best.exists()):
        return ""
    last = numpy_file.load(paths.last)
    if last.training is None:
        return ""
    settings = config_of(last, paths.last).train
    return why_over(Progress(**last.training["progress"]), settings)


def score_run(folder: Path, name: RunName, reason: str) -> RunResult:
    """Score the best checkpoint of a run on test, and on val where only val has trained lengths.

    Where test asks for longer answers than training had, it is scored with their lengths given
    too: a model that writes on rightly but ends too soon, as it learnt to, is told apart.

    Args:
        folder: of the run.
        name: what the result is filed under.
        reason: why training ended.
    """
    paths = runs.RunPaths(folder)
    config = config_of(numpy_file.load(paths.best), paths.best)
    corpus = build_corpus(config.data, config.task)
    split = "test" if "test" in corpus.splits else "val"
    language = corpus.codec.source is None
    found = {"test": api.evaluate(folder, split=split)}
    spans = _spans(corpus)
    if not language and split == "test" and not _any_seen(corpus.splits["test"], spans):
        found["val"] = api.evaluate(folder, split="val")
    splits = {"test": corpus.splits[split], **{s: corpus.splits[s] for s in found if s == "val"}}
    metrics = {part: dict(one.metrics) for part, one in found.items()}
    if not language and splits["test"].targets.lengths.max() > spans["target"][1]:
        given = api.evaluate(folder, split=split, oracle_length=True).metrics
        metrics["test"][LENGTH_GIVEN] = given["sequence_accuracy"]
    return RunResult(
        **vars(name),
        data=corpus.name,
        language=language,
        **_what(config, corpus),
        **_training(paths),
        reason=reason,
        metrics=metrics,
        floors={one: dict(scores) for one, scores in found["test"].floors.items()},
        rows={part: _rows(folder, splits[part], one) for part, one in found.items()},
        trained_lengths=spans,
        **_for_people(folder, found["test"], config),
    )


def _what(config: Config, corpus: Corpus) -> dict[str, Any]:
    model = config.model
    return {
        "model": describe(model, corpus.codec.source is None),
        "cell": model.cell,
        "attention": model.attention,
        "positions": model.positions if model.cell == "transformer" else "",
        "parameters": parameters(config, corpus),
    }


def _training(paths: runs.RunPaths) -> dict[str, Any]:
    history = read_metrics(paths.metrics)
    best = max((int(row["epoch"]) for row in history if row.get("improved")), default=0)
    return {
        "steps": int(history[-1]["step"]),
        "epochs": len(history),
        "best_epoch": best,
        "seconds": sum(row["seconds"] for row in history),
        "sequences_per_second": median(row["sequences_per_second"] for row in history),
    }


def _spans(corpus: Corpus) -> dict[str, tuple[int, int]]:
    train = corpus.splits["train"]
    sides = {"source": train.source_lengths, "target": train.targets.lengths}
    return {side: (int(one.min()), int(one.max())) for side, one in sides.items()}


def _any_seen(pairs: Pairs, spans: Mapping[str, tuple[int, int]]) -> bool:
    sources, targets = pairs.source_lengths.tolist(), pairs.targets.lengths.tolist()
    return bool(seen(sources, targets, spans).any())


def _rows(folder: Path, pairs: Pairs, evaluation: Evaluation) -> RowScores:
    sources = tuple(pairs.source_lengths.tolist())
    targets = tuple(pairs.targets.lengths.tolist())
    if pairs.sources is None:
        nats = open_language_model(folder).log_probabilities(pairs.targets)
        bits = tuple(np.round(-nats / math.log(2), 6).tolist())
        return RowScores(sources, targets, bits, tuple(length + 1 for length in targets))
    rows = evaluation.predictions
    right = tuple(sum(map(str.__eq__, row.truth, row.prediction)) for row in rows)
    return RowScores(
        sources, targets, tuple(float(row.correct) for row in rows), (1,) * len(rows), right
    )


def _for_people(folder: Path, evaluation: Evaluation, config: Config) -> dict[str, Any]:
    """Return some answers, where the model looked in one of them, or some inventions."""
    if evaluation.novelty is not None:
        drawn = api.sample(folder, n=12, seed=0)
        return {"samples": tuple(text.text for text in drawn.samples)}
    answers = tuple(_answer(row, evaluation) for row in choose(evaluation.predictions))
    return {"answers": answers, "look": _look(folder, evaluation, config)}


def _answer(row: ScoredRow, evaluation: Evaluation) -> Answer:
    joiner = evaluation.target_joiner
    source = row.line(evaluation.source_joiner)
    return Answer(source, joiner.join(row.truth), joiner.join(row.prediction), joiner)


def _look(folder: Path, evaluation: Evaluation, config: Config) -> Look | None:
    """Return where the model looked in the longest row that fits a page, a right one if any."""
    if config.model.cell != "transformer" and config.model.attention == "none":
        return None
    short = [row for row in evaluation.predictions if _fits(row)]
    if not short:
        return None
    chosen = max(short, key=lambda row: (row.correct, len(row.source)))
    line = chosen.line(evaluation.source_joiner)
    shown = next(iter(api.predict(folder, [line], attention=True))).attention
    if shown is None:
        return None
    weights = tuple(tuple(row) for row in shown.weights.round(4).tolist())
    return Look(shown.source, tuple(row_names(shown)), weights)


def _fits(row: ScoredRow) -> bool:
    return 4 <= len(row.source) <= LONGEST_LOOK and len(row.prediction) <= LONGEST_LOOK
