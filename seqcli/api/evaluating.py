"""`evaluate` and `rescore`: score a model or its stored predictions, next to baselines."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from seqcli import registry
from seqcli.api.arguments import check_counts, check_length_penalty, checked
from seqcli.api.evaluation_data import EvaluationData, evaluation_data, other_data
from seqcli.api.members import Ckpt
from seqcli.api.pair_evaluation import evaluate_pairs
from seqcli.api.trained_model import LanguageModel, TrainedModel, open_model
from seqcli.api.views import add_views
from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import SamplingConfig
from seqcli.data import baselines
from seqcli.data.corpus import SPLITS, Pairs, fingerprints, known, repeats
from seqcli.data.token_rows import decoded, unknown_in_rows
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import UsageError
from seqcli.files.atomic import check_own_output
from seqcli.metrics.predictions_file import read_predictions, write_predictions
from seqcli.metrics.scores import score
from seqcli.metrics.table_file import table_lines
from seqcli.metrics.texts import TextLosses, holds_texts, read_texts, score_texts, write_texts
from seqcli.results import Evaluation, Novelty, Suspect

add_views()

T = TypeVar("T")

GROUPINGS = ("features",)  # columns whose values can be scored apart
NOVELTY_SAMPLES, NOVELTY_SEED = 1000, 0  # texts sampled to estimate novelty


@checked
def evaluate(
    ckpt: Ckpt | TrainedModel,
    *,
    split: str = "test",
    data: str | Path | None = None,
    beam: int | None = None,
    length_penalty: float | None = None,
    oracle_length: bool = False,
    by: str | None = None,
    batch_size: int = 256,
    predictions: str | Path | None = None,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    format: str | None = None,
    columns: str | None = None,
    separator: str | None = None,
) -> Evaluation:
    """Score a model on a split of its own data, or on other data.

    Args:
        ckpt: a model or an ensemble; see `open_model`.
        split: train, val or test.
        data: a folder written by gen-data (its ``split`` is used), or a whole file of pairs (texts
            for a language model). By default the split of the run's own data.
        beam, length_penalty: search settings; by default those of the run.
        oracle_length: force each prediction to the length of its reference.
        by: features: also score each value of the features column apart.
        batch_size: rows decoded at a time.
        predictions: a TSV file to write the predictions or losses to, for `rescore`.
        backend, device, threads: see `open_model`.
        format, columns, separator: the format of the file ``data``; by default as in training.

    Raises:
        CheckpointError, DataError: the model or the data cannot be used, or the data has changed.
        UsageError: an argument is invalid.
    """
    _check_search(beam, length_penalty, batch_size)
    other = other_data(None if data is None else Path(data), format, columns, separator)
    _check_choices(split, by, predictions)
    model = open_model(ckpt, backend, device, threads)
    _check_features(by, model.name, model.codec.features)
    rows = evaluation_data(model, split, other)
    if isinstance(model, LanguageModel):
        _check_no_search(model, beam is not None or length_penalty is not None or oracle_length)
        return _evaluate_texts(model, rows, predictions)
    search = model.search(beam, length_penalty)
    evaluation, table = evaluate_pairs(model, rows, search, batch_size, oracle_length, bool(by))
    _save(predictions, write_predictions, table)
    return evaluation


def _save(path: str | Path | None, write: Callable[[Path, T], None], content: T) -> None:
    """Write predictions or losses to a file, if one is given."""
    if path is not None:
        write(Path(path), content)


@checked
def suspects(ckpt: Ckpt | TrainedModel, n: int = 20) -> list[Suspect]:
    """Return the training rows with the highest loss, which are often errors in the data.

    Args:
        ckpt: a model or an ensemble; see `open_model`.
        n: the number of rows.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        DataError: the data has changed since training, or cannot be used.
    """
    model = open_model(ckpt)
    pairs = evaluation_data(model, "train", None).pairs
    loss = -model.log_likelihoods(pairs) / (pairs.targets.lengths + 1)  # (N,)
    worst = np.argsort(-loss, kind="stable")[:n]
    rows, codec = pairs.take(worst), model.codec
    targets = decoded(rows.targets, codec.target, rows.unknown_targets)
    sources = [""] * len(rows)
    if rows.sources is not None and codec.source is not None:
        tokens = decoded(rows.sources, codec.source, rows.unknown_sources)
        sources = list(map(codec.source_tokenizer.join, tokens))
    texts = map(codec.target_tokenizer.join, targets)
    return [Suspect(*one) for one in zip(loss[worst].tolist(), sources, texts, strict=True)]


def _check_search(beam: int | None, length_penalty: float | None, batch_size: int) -> None:
    check_counts(beam=beam, batch_size=batch_size)
    check_length_penalty(length_penalty)


def _check_choices(split: str, by: str | None, predictions: str | Path | None) -> None:
    """Check the arguments of `evaluate` that need no model."""
    registry.check("split", split, SPLITS)
    _check_grouping(by)
    if predictions is not None:
        check_own_output(Path(predictions), _is_predictions, "choose another file name")


def _check_grouping(by: str | None) -> None:
    if by is not None:
        registry.check("column for --by", by, GROUPINGS)


def _check_features(by: str | None, name: str, has_features: bool) -> None:
    """Refuse to group rows by a column that they do not have."""
    if by is not None and not has_features:
        hint = "omit --by, or train with --columns source=...,target=...,features=..."
        raise UsageError(f"{name} has no features column", hint)


def _check_no_search(model: LanguageModel, has_options: bool) -> None:
    if has_options:
        message = f"{model.name} is a language model: it is scored without decoding"
        hint = "omit --beam, --length-penalty and --oracle-length"
        raise UsageError(message, hint)


def _is_predictions(begin: bytes) -> bool:
    """Return whether the beginning of a file is that of predictions, which may be overwritten."""
    return re.match(rb"(source|text):[a-z]+\t", begin) is not None


def _evaluate_texts(
    model: LanguageModel, data: EvaluationData, path: str | Path | None
) -> Evaluation:
    """Score a language model: its exact loss, and the novelty of sampled texts.

    The loss of each text is written to ``path``, if it is given.
    """
    began = time.monotonic()
    losses = _losses(model, data)
    evaluation = Evaluation(
        **vars(score_texts(losses)),
        checkpoint=model.name,
        members=model.member_paths,
        data=data.name,
        split=data.split,
        novelty=_novelty(model, None if data.own else data.pairs.targets),
        seconds=time.monotonic() - began,
    )
    _save(path, write_texts, losses)
    return evaluation


def _losses(model: LanguageModel, data: EvaluationData) -> TextLosses:
    """Compute the loss of each text for the model and for the baselines."""
    codec, rows = model.codec, data.pairs.targets
    texts = decoded(rows, codec.target, data.pairs.unknown_targets)
    losses = {}
    if data.corpus is not None:
        train, vocabulary = data.corpus.splits["train"].targets, len(codec.target.tokens)
        losses = baselines.row_nats(train, rows, vocabulary)
    return TextLosses(
        [codec.target_tokenizer.join(text) for text in texts],
        codec.target_tokenizer,
        -model.log_likelihoods(Pairs(rows)),
        unknown_in_rows(rows),
        losses,
        data.notes,
    )


def _novelty(model: LanguageModel, data: Ragged | None) -> Novelty:
    """Sample texts; return the shares that are new, repeated, or in each split of the data."""
    random, limit = np.random.default_rng(NOVELTY_SEED), model.limits.prediction(0)
    texts = model.sample(NOVELTY_SAMPLES, SamplingConfig(), random, (), limit)
    known_texts = {f"in_{split}": model.in_split(texts, split) for split in SPLITS}
    if data is not None:
        known_texts["in_data"] = known(texts, fingerprints({"data": Pairs(data)})["data"])
    old = np.logical_or.reduce(list(known_texts.values()))
    repeated = repeats({"drawn": row_hashes(texts)})["drawn"]
    shares = {"new": 1 - float(old.mean()), "repeated": repeated / NOVELTY_SAMPLES}
    return Novelty(
        NOVELTY_SAMPLES, shares | {name: float(rows.mean()) for name, rows in known_texts.items()}
    )


@checked
def rescore(
    path: str | Path,
    *,
    source_tokens: str | None = None,
    target_tokens: str | None = None,
    by: str | None = None,
) -> Evaluation:
    """Score a file of predictions without a checkpoint or PyTorch.

    Args:
        path: a file written by ``evaluate(predictions=...)``, or a table with the columns source,
            truth and prediction; gzip files are decompressed; ``-`` is stdin.
        source_tokens, target_tokens: the tokenization, if the file does not name it; by default
            words if most texts contain spaces, else characters.
        by: features: also score each value of the features column apart.

    Raises:
        DataError: the file is not a table of predictions.
        UsageError: a tokenization is unknown, or the file cannot be read.
    """
    _check_grouping(by)
    styles = [
        name and Tokenizer(registry.check("token style", name, registry.TOKEN_STYLES))
        for name in (source_tokens, target_tokens)
    ]
    began = time.monotonic()
    source, target = (style or None for style in styles)
    lines = table_lines(Path(path))
    if holds_texts(lines):
        _check_features(by, str(path), has_features=False)
        scores = score_texts(read_texts(Path(path), lines))
    else:
        table = read_predictions(Path(path), lines, source, target)
        _check_features(by, str(path), table.features is not None)
        scores = score(table, by is not None)
    return Evaluation(**vars(scores), data=str(path), seconds=time.monotonic() - began)
