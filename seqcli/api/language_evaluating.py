"""`evaluate` for language models: an exact loss, and whether what they invent is new."""

from __future__ import annotations

import time

import numpy as np

from seqcli.api.language import LanguageModel, Trained
from seqcli.api.other_rows import OtherRows, own_corpus
from seqcli.api.own_data import corpus_of_run
from seqcli.arrays.hashing import row_hashes
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import Drawing
from seqcli.data.baselines import row_nats
from seqcli.data.corpus import SPLITS, Corpus, Pairs
from seqcli.data.splits import fingerprints, known, repeats
from seqcli.data.token_rows import decoded, unknown_in_rows
from seqcli.errors import SeqcliError
from seqcli.metrics.texts import TextLosses, score_texts
from seqcli.results import Evaluation, Novelty

DRAWN, SEED = 1000, 0  # texts drawn to see how many are new


def evaluate_language(
    model: LanguageModel, split: str, other: OtherRows | None
) -> tuple[Evaluation, TextLosses]:
    """Score a language model on a split of its own data, or on other data.

    Returns:
        the scores, and the loss of each text that they are computed from.

    Raises:
        DataError: the data has changed since, or has no such split.
    """
    began, trained = time.monotonic(), model.trained
    pairs, corpus, notes = (
        _own_rows(trained, split) if other is None else _other_rows(trained, split, other)
    )
    losses = _losses(model, pairs, corpus, notes)
    evaluation = Evaluation(
        **vars(score_texts(losses)),
        checkpoint=str(trained.path),
        data=str(other.path if other else trained.about.get("name", "")),
        split=split if other is None or other.path.is_dir() else "",
        novelty=_novelty(model, None if other is None else pairs.targets),
        seconds=time.monotonic() - began,
    )
    return evaluation, losses


def _own_rows(trained: Trained, split: str) -> tuple[Pairs, Corpus, tuple[str, ...]]:
    """Return a split of the data the model was trained on, and that data."""
    corpus = own_corpus(trained.config, trained.codec, trained.about, split)
    return corpus.splits[split], corpus, ()


def _other_rows(
    trained: Trained, split: str, other: OtherRows
) -> tuple[Pairs, Corpus | None, tuple[str, ...]]:
    """Return texts of other data, and the data the model was trained on where it is still there:
    the n-gram counts of the baselines come from that."""
    pairs, notes = other.rows(split, trained.codec, trained.config)
    try:
        return pairs, corpus_of_run(trained.config), notes
    except SeqcliError:
        return pairs, None, notes


def _losses(
    model: LanguageModel, pairs: Pairs, corpus: Corpus | None, notes: tuple[str, ...]
) -> TextLosses:
    """Return the loss of each text by the model and by the baselines."""
    codec, rows = model.trained.codec, pairs.targets
    texts = decoded(rows, codec.target, pairs.unknown_targets)
    nats_of_baselines = {}
    if corpus is not None:
        train, vocabulary = corpus.splits["train"].targets, len(corpus.codec.target.tokens)
        nats_of_baselines = row_nats(train, rows, vocabulary)
    return TextLosses(
        [codec.target_tokenizer.join(text) for text in texts],
        codec.target_tokenizer,
        -model.log_probabilities(rows),
        unknown_in_rows(rows),
        nats_of_baselines,
        notes,
    )


def _novelty(model: LanguageModel, data: Ragged | None) -> Novelty:
    """Draw some texts and tell what they are."""
    trained = model.trained
    names = model.draw(
        DRAWN, (), trained.limits.prediction(0), Drawing(), np.random.default_rng(SEED)
    )
    found = {f"in_{split}": trained.known(names, split) for split in SPLITS}
    if data is not None:
        found["in_data"] = known(names, fingerprints({"data": Pairs(data)})["data"])
    old = np.logical_or.reduce(list(found.values()))
    again = repeats({"drawn": row_hashes(names)})["drawn"]
    shares = {"new": 1 - float(old.mean()), "repeated": again / DRAWN}
    return Novelty(DRAWN, shares | {name: float(rows.mean()) for name, rows in found.items()})
