"""Evaluate a sequence-to-sequence model against references and baselines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from seqcli.api.evaluation_data import EvaluationData
from seqcli.api.trained_model import PairModel
from seqcli.data.baselines import UNKNOWN, majority_prediction, memorized_rows, most_frequent
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.task_corpus import heuristic_predictions
from seqcli.data.token_rows import decoded, unknown_in_rows
from seqcli.data.vocabulary import visible_token
from seqcli.decoding.search import Search
from seqcli.metrics.predictions import PredictionTable, TokenRows
from seqcli.metrics.scores import score
from seqcli.results import Evaluation

LISTED = 10  # unknown tokens of each side


def evaluate_pairs(
    model: PairModel,
    data: EvaluationData,
    search: Search,
    batch_size: int,
    oracle_length: bool,
    by_features: bool = False,
) -> tuple[Evaluation, PredictionTable]:
    """Score a sequence-to-sequence model; return the scores and the predictions.

    Args:
        model: the model to evaluate.
        data: the rows to evaluate it on.
        search: the search settings.
        batch_size: rows decoded at a time.
        oracle_length: whether each prediction has the length of its reference.
        by_features: whether each value of the features column is scored apart.
    """
    began = time.monotonic()
    predictions = _predictions(model, data, search, batch_size, oracle_length)
    scores = score(predictions, by_features)
    notes = (*data.notes, *scores.notes, *_unknown_notes(data.pairs))
    evaluation = Evaluation(
        **{**vars(scores), "notes": notes},
        checkpoint=model.name,
        members=model.member_paths,
        data=data.name,
        split=data.split,
        beam=search.beam,
        length_penalty=search.length_penalty,
        seconds=time.monotonic() - began,
    )
    return evaluation, predictions


def _predictions(
    model: PairModel, data: EvaluationData, search: Search, batch_size: int, oracle_length: bool
) -> PredictionTable:
    """Return the predictions of a model as tokens, with losses and baseline predictions."""
    codec, pairs = model.codec, data.pairs
    assert pairs.sources is not None
    log_likelihoods = model.log_likelihoods(pairs, batch_size)
    rows, truncated = model.predictions(pairs, search, batch_size, oracle_length)
    texts = _source_texts(codec, pairs)
    return PredictionTable(
        texts,
        decoded(pairs.targets, codec.target, pairs.unknown_targets),
        decoded(rows, codec.target),
        codec.source_tokenizer,
        codec.target_tokenizer,
        features=_features(codec, pairs) if codec.features else None,
        nats=-log_likelihoods,
        unseen_sources=unknown_in_rows(pairs.sources),
        unseen_truths=unknown_in_rows(pairs.targets),
        vocabulary=len(codec.target.tokens),
        baselines=dict(_baselines(codec, pairs, texts, data.corpus, data.own)),
        truncated=truncated.astype(np.int64),
        oracle_length=oracle_length,
    )


def _unknown_notes(pairs: Pairs) -> Iterator[str]:
    """Yield a note for each side that has unknown tokens, with the most common of them."""
    for side, tokens in (("source", pairs.unknown_sources), ("target", pairs.unknown_targets)):
        if tokens:
            common = Counter(tokens).most_common(LISTED)
            listed = ", ".join(f"{visible_token(token)} ({n:,})" for token, n in common)
            more = len(set(tokens)) - len(common)
            others = f" and {more:,} more" if more else ""
            yield f"{side} tokens not in the vocabulary: {listed}{others}"


def _baselines(
    codec: Codec, pairs: Pairs, texts: Sequence[str], corpus: Corpus | None, own: bool
) -> Iterator[tuple[str, TokenRows]]:
    """Yield the predictions of each baseline; the README defines them."""
    copies = [_copy(codec, text) for text in texts] if _share_tokens(codec) else []
    if copies:
        yield "copy", copies
    if corpus is None:
        return
    train, sources = corpus.splits["train"], pairs.sources
    assert sources is not None
    yield "majority", decoded(majority_prediction(train.targets, pairs.targets), codec.target)
    common = [_trained_target(codec, train, most_frequent(train.targets))] * len(pairs)
    yield "most_frequent", common
    rest = copies or common
    yield (
        f"memorize_else_{'copy' if copies else 'most_frequent'}",
        [
            rest[place] if row == UNKNOWN else _trained_target(codec, train, row)
            for place, row in enumerate(memorized_rows(train, sources).tolist())
        ],
    )
    guesses = heuristic_predictions(corpus.provenance, codec, pairs) if own else {}
    for name, guess in guesses.items():
        yield name, decoded(guess, codec.target)


def _trained_target(codec: Codec, train: Pairs, row: int) -> list[str]:
    return codec.target.decode(train.targets[row].tolist())


def _share_tokens(codec: Codec) -> bool:
    """Return whether source and target share tokens; otherwise a copy is never correct."""
    assert codec.source is not None
    return not set(codec.source.tokens).isdisjoint(codec.target.tokens)


def _copy(codec: Codec, source: str) -> list[str]:
    """Tokenize a source as a target, with its own tokens if target tokens are joined by spaces."""
    joiner = codec.target_tokenizer.joiner
    text = joiner.join(codec.source_tokenizer.split(source)) if joiner else source
    return codec.target_tokenizer.split(text)


def _detokenized(codec: Codec, pairs: Pairs) -> Iterator[str]:
    """Yield the sources as texts, with their features."""
    assert codec.source is not None
    assert pairs.sources is not None
    return map(codec.detokenize_source, decoded(pairs.sources, codec.source, pairs.unknown_sources))


def _source_texts(codec: Codec, pairs: Pairs) -> list[str]:
    texts = _detokenized(codec, pairs)
    return [text.partition("\t")[0] for text in texts] if codec.features else list(texts)


def _features(codec: Codec, pairs: Pairs) -> list[str]:
    return [text.partition("\t")[2] for text in _detokenized(codec, pairs)]
