"""`evaluate`: how good a model is, beside what no model could do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from seqcli import registry
from seqcli.api.language import open_language_model, takes_sources
from seqcli.api.language_evaluating import evaluate_language
from seqcli.config import DecodeConfig
from seqcli.data import floors
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import pairs_of
from seqcli.data.corpus import SPLITS, Corpus, Pairs
from seqcli.data.vocabulary import UNK
from seqcli.engine.metrics import (
    Metric,
    Outcome,
    correct_rows,
    correct_tokens,
    edit_distances,
)
from seqcli.errors import DataError, SeqcliError, UsageError
from seqcli.report.predictions import write_predictions
from seqcli.results import Evaluation, LengthBin, ScoredRow

if TYPE_CHECKING:
    from seqcli.api.loading import Loaded

Floors = Mapping[str, Mapping[str, float]]
BINS = 8  # at most this many rows in the table of accuracy by length


def evaluate(
    ckpt: str | Path,
    *,
    split: str = "test",
    data: str | Path | None = None,
    beam: int | None = None,
    length_penalty: float | None = None,
    batch_size: int = 256,
    predictions: str | Path | None = None,
    backend: str = "torch",
) -> Evaluation:
    """Score a checkpoint on a split of its own data, or on other data.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        split: train, val or test; without ``data`` the very rows that training kept apart.
        data: a folder made by gen-data (its ``split`` is taken), or a file of pairs (all of it);
            for a language model a file of names.
        beam, length_penalty: how answers are searched for; the run's own setting by default.
        batch_size: rows decoded at a time.
        predictions: a TSV file to write every row's prediction to.
        backend: torch, or numpy for a language model that is rnn, gru or lstm.

    Raises:
        CheckpointError, DataError, UsageError: one line that says what and where.
    """
    registry.check("split", split, SPLITS)
    if not takes_sources(ckpt):
        if beam is not None or length_penalty is not None or predictions is not None:
            message = f"{ckpt} is a language model: it is scored without decoding"
            raise UsageError(message, "leave --beam, --length-penalty and --predictions out")
        where = None if data is None else Path(data)
        return evaluate_language(open_language_model(ckpt, backend), split, where)
    evaluation = _evaluate_pairs(ckpt, split, data, (beam, length_penalty), batch_size)
    if predictions is not None:
        write_predictions(
            Path(predictions),
            evaluation.predictions,
            evaluation.source_joiner,
            evaluation.target_joiner,
        )
    return evaluation


def _evaluate_pairs(
    ckpt: str | Path,
    split: str,
    data: str | Path | None,
    search: tuple[int | None, float | None],
    batch_size: int,
) -> Evaluation:
    """Score a model of pairs; this alone needs PyTorch."""
    from seqcli.api.loading import load_model
    from seqcli.engine.answering import outcome

    began, loaded = time.monotonic(), load_model(ckpt)
    if data is None:
        pairs, baselines = _own_rows(loaded, split)
    else:
        pairs, baselines = _other_rows(loaded, split, Path(data))
    decode = _decode(loaded.config.decode, *search)
    result = outcome(loaded.model, pairs, loaded.limits, decode, batch_size)
    return Evaluation(
        checkpoint=str(loaded.path),
        data=str(data or loaded.checkpoint.about.get("name", "")),
        split=split if data is None or Path(data).is_dir() else "",
        rows=len(pairs),
        beam=decode.beam,
        length_penalty=decode.length_penalty,
        metrics=_metrics(result),
        floors=baselines,
        by_length=_by_length(pairs, result),
        predictions=_scored(loaded, pairs, result),
        seconds=time.monotonic() - began,
        source_joiner=loaded.codec.source_tokens.join(("", "")),
        target_joiner=loaded.codec.target_tokens.join(("", "")),
        notes=_notes(pairs),
    )


def _own_rows(loaded: Loaded, split: str) -> tuple[Pairs, Floors]:
    """Return a split of the data the model was trained on, and its baselines.

    Raises:
        DataError: the data has changed since, or has no such split.
    """
    corpus = build_corpus(loaded.config.data, loaded.config.task)
    changed = corpus.about.get("sha256") != loaded.checkpoint.about.get("sha256")
    if corpus.codec != loaded.codec or changed:
        raise DataError(
            f"{corpus.name}: the data is not what this model was trained on",
            "put the old data back, or name the rows to score with --data",
        )
    if split not in corpus.splits:
        raise DataError(f"{corpus.name}: has no {split} rows", "choose another --split")
    pairs = corpus.splits[split]
    return pairs, corpus.floors if split == "test" else _floors(pairs, corpus)


def _other_rows(loaded: Loaded, split: str, path: Path) -> tuple[Pairs, Floors]:
    """Return rows the model has nothing to do with; majority is learnt on its own training rows,
    where those are still there."""
    pairs, _ = pairs_of(path, split, loaded.codec)
    try:
        corpus = build_corpus(loaded.config.data, loaded.config.task)
    except SeqcliError:
        symbols = len(loaded.codec.target.symbols)
        return pairs, {"chance": floors.chance(pairs.targets, symbols)}
    return pairs, _floors(pairs, corpus)


def _floors(pairs: Pairs, corpus: Corpus) -> Floors:
    train, symbols = corpus.splits["train"].targets, len(corpus.codec.target.symbols)
    return floors.measure(train, pairs.targets, symbols, {})


def _decode(own: DecodeConfig, beam: int | None, length_penalty: float | None) -> DecodeConfig:
    return DecodeConfig(
        own.beam if beam is None else beam,
        own.length_penalty if length_penalty is None else length_penalty,
    )


def _notes(pairs: Pairs) -> tuple[str, ...]:
    """Say how many rows hold symbols that training never saw: those cannot come out right."""
    sides = {"source": pairs.sources, "target": pairs.targets}
    counts = {side: int((rows.tokens == UNK).sum()) for side, rows in sides.items() if rows}
    return tuple(
        f"{count} {side} symbols were never seen in training"
        for side, count in counts.items()
        if count
    )


def _metrics(result: Outcome) -> Mapping[str, float]:
    def score(name: str) -> float:
        metric: Metric = registry.resolve("metric", name, registry.METRICS)
        return metric.score(result)

    return {name: score(name) for name in registry.METRICS}


def _by_length(pairs: Pairs, result: Outcome) -> tuple[LengthBin, ...]:
    """Cut the range of source lengths into at most BINS bins of equal width."""
    lengths, right, rows = pairs.source_lengths, correct_tokens(result), correct_rows(result)
    low, high = int(lengths.min()), int(lengths.max())
    width = -(-(high - low + 1) // BINS)
    bins = []
    for start in range(low, high + 1, width):
        inside = (lengths >= start) & (lengths < start + width)
        if inside.any():
            tokens = max(int(result.truths.lengths[inside].sum()), 1)
            bins.append(
                LengthBin(
                    start,
                    min(start + width - 1, high),
                    int(inside.sum()),
                    float(right[inside].sum() / tokens),
                    float(np.mean(rows[inside])),
                )
            )
    return tuple(bins)


def _scored(loaded: Loaded, pairs: Pairs, result: Outcome) -> tuple[ScoredRow, ...]:
    codec, sources = loaded.codec, pairs.sources
    assert codec.source is not None
    assert sources is not None
    right, edits = correct_rows(result).tolist(), edit_distances(result).tolist()
    return tuple(
        ScoredRow(
            tuple(codec.source.decode(sources[i].tolist())),
            tuple(codec.target.decode(result.truths[i].tolist())),
            tuple(codec.target.decode(result.predictions[i].tolist())),
            right[i],
            edits[i],
        )
        for i in range(len(pairs))
    )
