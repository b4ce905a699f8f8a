"""A model's answers to some rows, as texts, with what needs no model beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from seqcli.api.loading import Loaded
from seqcli.data.baselines import UNKNOWN, majority_guess, most_frequent, remembered
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.task_corpus import task_guesses
from seqcli.data.token_rows import decoded, unknown_in_rows
from seqcli.data.vocabulary import visible_token
from seqcli.engine.answering import outcome
from seqcli.metrics.predictions import PredictionTable, TokenRows

LISTED = 10  # unknown tokens of a side

if TYPE_CHECKING:
    from seqcli.api.evaluating import Search


def answers_of(
    loaded: Loaded,
    pairs: Pairs,
    corpus: Corpus | None,
    search: Search,
    batch_size: int,
    own: bool,
) -> PredictionTable:
    """Return a model's answers.

    Args:
        loaded: the model.
        pairs: N rows.
        corpus: what it was trained on, where that is still there.
        search: how answers are searched for.
        batch_size: rows decoded at a time.
        own: whether the rows are of the corpus.
    """
    decode, given = search.over(loaded.config.decode), search.oracle_length
    result = outcome(loaded.model, pairs, loaded.limits, decode, batch_size, oracle_length=given)
    codec, sources = loaded.codec, pairs.sources
    assert sources is not None
    texts = _source_texts(codec, pairs)
    return PredictionTable(
        texts,
        decoded(pairs.targets, codec.target, pairs.unknown_targets),
        decoded(result.predictions, codec.target),
        codec.source_tokenizer,
        codec.target_tokenizer,
        features=_features(codec, pairs) if codec.features else None,
        nats=result.nats,
        unseen_sources=unknown_in_rows(sources),
        unseen_truths=unknown_in_rows(pairs.targets),
        vocabulary=len(codec.target.tokens),
        baselines=dict(_guesses(codec, pairs, texts, corpus, own)),
        truncated=None if result.truncated is None else result.truncated.astype(np.int64),
        oracle_length=given,
    )


def unknown_notes(pairs: Pairs) -> Iterator[str]:
    """Yield a line for each side that lists its commonest tokens without an id."""
    for side, tokens in (("source", pairs.unknown_sources), ("target", pairs.unknown_targets)):
        if tokens:
            common = Counter(tokens).most_common(LISTED)
            listed = ", ".join(f"{visible_token(token)} ({n:,})" for token, n in common)
            more = len(set(tokens)) - len(common)
            others = f" and {more:,} more" if more else ""
            yield f"{side} tokens never seen in training: {listed}{others}"


def _guesses(
    codec: Codec, pairs: Pairs, texts: Sequence[str], corpus: Corpus | None, own: bool
) -> Iterator[tuple[str, TokenRows]]:
    """Yield what simple rules answer: see the README on what the numbers are."""
    copies = [_copy(codec, text) for text in texts] if _share_symbols(codec) else []
    if copies:
        yield "copy", copies
    if corpus is None:
        return
    train, sources = corpus.splits["train"], pairs.sources
    assert sources is not None
    yield "majority", decoded(majority_guess(train.targets, pairs.targets), codec.target)
    common = [_trained_target(codec, train, most_frequent(train.targets))] * len(pairs)
    yield "most_frequent", common
    rest = copies or common
    yield (
        f"memorize_else_{'copy' if copies else 'most_frequent'}",
        [
            rest[place] if row == UNKNOWN else _trained_target(codec, train, row)
            for place, row in enumerate(remembered(train, sources).tolist())
        ],
    )
    for name, guess in task_guesses(corpus.about, pairs).items() if own else ():
        yield name, decoded(guess, codec.target)


def _trained_target(codec: Codec, train: Pairs, row: int) -> list[str]:
    return codec.target.decode(train.targets[row].tolist())


def _share_symbols(codec: Codec) -> bool:
    """Say whether any symbol can stand on both sides: else a copy is no answer at all."""
    assert codec.source is not None
    return not set(codec.source.tokens).isdisjoint(codec.target.tokens)


def _copy(codec: Codec, source: str) -> list[str]:
    """Return the target tokens of a source: its own tokens if they are joined by spaces."""
    joiner = codec.target_tokenizer.joiner
    text = joiner.join(codec.source_tokenizer.split(source)) if joiner else source
    return codec.target_tokenizer.split(text)


def _written(codec: Codec, pairs: Pairs) -> Iterator[str]:
    """Yield the sources as they are written, features and all."""
    assert codec.source is not None
    assert pairs.sources is not None
    return map(codec.detokenize_source, decoded(pairs.sources, codec.source, pairs.unknown_sources))


def _source_texts(codec: Codec, pairs: Pairs) -> list[str]:
    texts = _written(codec, pairs)
    return [text.partition("\t")[0] for text in texts] if codec.features else list(texts)


def _features(codec: Codec, pairs: Pairs) -> list[str]:
    return [text.partition("\t")[2] for text in _written(codec, pairs)]
