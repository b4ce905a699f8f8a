"""Score the finished runs of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from seqcli import api, runs
from seqcli.api.checkpoint_config import progress_of
from seqcli.api.evaluation_data import check_same_data, corpus_of_run
from seqcli.api.parameter_matching import count_parameters
from seqcli.api.trained_model import PairModel, TrainedModel, open_model
from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.checkpoints import numpy_file
from seqcli.comparison.run_result import (
    ORACLE_LENGTH,
    RowScores,
    RunResult,
    ShownAttention,
    ShownPrediction,
)
from seqcli.comparison.summary import in_distribution
from seqcli.config import Config
from seqcli.config.sections import describe
from seqcli.data.corpus import Corpus, Pairs
from seqcli.report.plots import row_names
from seqcli.report.predictions import choose
from seqcli.results import Evaluation, ScoredRow
from seqcli.runs.metrics_log import read_metrics

MAX_MAP_LENGTH = 24  # tokens of the row whose attention is shown, at most


@dataclass(frozen=True)
class RunName:
    """The name of a run, its arm and its seed."""

    run: str
    arm: str
    seed: int


def score_run(folder: Path, name: RunName, reason: str, only: str = "") -> RunResult:
    """Score the best checkpoint of a run on test and val (on train if it has neither).

    The rows of val are also stored if no test row has a length of training. If test has longer
    targets than training, it is also scored with oracle lengths, which separates wrong tokens from
    stopping too early.

    Args:
        folder: the run folder.
        name: the name, arm and seed of the result.
        reason: why training ended.
        only: the only split to score, if given.
    """
    paths = runs.RunPaths(folder)
    model = open_model(folder)
    config = model.config
    corpus = check_same_data(corpus_of_run(config), model.codec, model.checkpoint.record)
    split = only or next(one for one in ("test", "val", "train") if one in corpus.splits)
    language = corpus.codec.source is None
    spans = _spans(corpus)
    splits = dict.fromkeys(one for one in (split, "val") if one in corpus.splits)
    evaluations = {one: api.evaluate(model, split=one) for one in splits}
    metrics = {part: dict(one.metrics) for part, one in evaluations.items()}
    if not language and corpus.splits[split].targets.lengths.max() > spans["target"][1]:
        oracle = api.evaluate(model, split=split, oracle_length=True).metrics
        metrics[split][ORACLE_LENGTH] = oracle["sequence_accuracy"]
    shown = [split]
    if not language and not _any_in_distribution(corpus.splits[split], spans):
        shown = list(splits)
    return RunResult(
        **vars(name),
        data=corpus.name,
        language=language,
        **_model_facts(config, corpus),
        **_training_facts(paths),
        reason=reason,
        split=split,
        metrics=metrics,
        baselines={one: dict(scores) for one, scores in evaluations[split].baselines.items()},
        rows={part: _rows(model, corpus.splits[part], evaluations[part]) for part in shown},
        trained_lengths=spans,
        **_examples(model, evaluations[split]),
    )


def _model_facts(config: Config, corpus: Corpus) -> dict[str, Any]:
    model = config.model
    return {
        "model": describe(model, corpus.codec.source is None),
        "cell": model.cell,
        "attention": model.attention,
        "positions": model.positions if model.cell == "transformer" else "",
        "parameters": count_parameters(config, corpus),
    }


def _training_facts(paths: runs.RunPaths) -> dict[str, Any]:
    progress = progress_of(numpy_file.load(paths.last), paths.last)
    speeds = [row["sequences_per_second"] for row in read_metrics(paths.metrics)]
    return {
        "steps": progress.step,
        "epochs": progress.epochs_done,
        "best_epoch": progress.best_epoch,
        "seconds": progress.seconds_before,
        "sequences_per_second": median(speeds) if speeds else 0.0,
    }


def _spans(corpus: Corpus) -> dict[str, tuple[int, int]]:
    train = corpus.splits["train"]
    sides = {"source": train.source_lengths, "target": train.targets.lengths}
    return {side: (int(one.min()), int(one.max())) for side, one in sides.items()}


def _any_in_distribution(pairs: Pairs, spans: Mapping[str, tuple[int, int]]) -> bool:
    sources, targets = pairs.source_lengths.tolist(), pairs.targets.lengths.tolist()
    return bool(in_distribution(sources, targets, spans).any())


def _rows(model: TrainedModel, pairs: Pairs, evaluation: Evaluation) -> RowScores:
    sources = tuple(pairs.source_lengths.tolist())
    targets = tuple(pairs.targets.lengths.tolist())
    if pairs.sources is None:
        nats = -model.log_likelihoods(pairs)
        bits = tuple(np.round(nats / math.log(2), 6).tolist())
        weights = tuple(length + 1 for length in targets)
        return RowScores(sources, targets, bits, weights, groups=_groups(pairs.targets))
    rows = evaluation.predictions
    right = tuple(sum(map(str.__eq__, row.truth, row.prediction)) for row in rows)
    correct, groups = tuple(float(row.correct) for row in rows), _groups(pairs.sources)
    return RowScores(sources, targets, correct, (1,) * len(rows), right, groups)


def _groups(rows: Ragged) -> tuple[int, ...]:
    """Return a group number for each row: equal rows share one, from 0 in order of appearance."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(one, len(numbers)) for one in row_hashes(rows).tolist())


def _examples(model: TrainedModel, evaluation: Evaluation) -> dict[str, Any]:
    """Return examples for the report: predictions and one attention map, or samples."""
    if evaluation.novelty is not None:
        drawn = api.sample(model, n=12, seed=0)
        return {"samples": tuple(text.text for text in drawn.samples)}
    rows = choose(evaluation.predictions)
    return {
        "predictions": tuple(_shown_prediction(row, evaluation) for row in rows),
        "attention_map": _shown_attention(model, evaluation),
    }


def _shown_prediction(row: ScoredRow, evaluation: Evaluation) -> ShownPrediction:
    source = row.line(evaluation.source_joiner)
    return ShownPrediction(source, row.truth, row.prediction, evaluation.target_joiner)


def _shown_attention(model: TrainedModel, evaluation: Evaluation) -> ShownAttention | None:
    """Return the attention map of the longest row that fits a page, preferring correct rows."""
    if not (isinstance(model, PairModel) and model.has_attention):
        return None
    short = [row for row in evaluation.predictions if _fits(row)]
    if not short:
        return None
    chosen = max(short, key=lambda row: (row.correct, len(row.source)))
    line = chosen.line(evaluation.source_joiner)
    shown = next(iter(api.predict(model, [line], attention=True))).attention
    if shown is None:
        return None
    weights = tuple(tuple(row) for row in shown.weights.round(4).tolist())
    return ShownAttention(shown.source, tuple(row_names(shown)), weights)


def _fits(row: ScoredRow) -> bool:
    return 4 <= len(row.source) <= MAX_MAP_LENGTH and len(row.prediction) <= MAX_MAP_LENGTH
