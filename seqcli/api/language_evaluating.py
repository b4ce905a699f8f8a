"""`evaluate` for language models: an exact loss, and whether what they invent is new."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from seqcli.api.language import LanguageModel, Trained, mean_loss
from seqcli.api.other_rows import OtherRows, own_corpus
from seqcli.api.own_data import corpus_of_run
from seqcli.config.drawing import Drawing
from seqcli.data import language_floors
from seqcli.data.corpus import SPLITS, Corpus, Pairs
from seqcli.data.fingerprints import fingerprints, known
from seqcli.data.overlap import repeats, row_hashes
from seqcli.data.ragged import Ragged
from seqcli.data.vocabulary import UNK
from seqcli.errors import SeqcliError
from seqcli.results import Evaluation, Novelty

Floors = Mapping[str, Mapping[str, float]]
DRAWN, SEED = 1000, 0  # texts drawn to see how many are new


def evaluate_language(model: LanguageModel, split: str, other: OtherRows | None) -> Evaluation:
    """Score a language model on a split of its own data, or on other data.

    Raises:
        DataError: the data has changed since, or has no such split.
    """
    began, trained = time.monotonic(), model.trained
    if other is None:
        rows, floors, notes = _own_rows(trained, split)
    else:
        rows, floors, notes = _other_rows(trained, split, other)
    return Evaluation(
        checkpoint=str(trained.path),
        data=str(other.path if other else trained.about.get("name", "")),
        split=split if other is None or other.path.is_dir() else "",
        rows=len(rows),
        beam=0,
        length_penalty=0.0,
        metrics=language_floors.scores(mean_loss(model, rows)),
        floors=floors,
        by_length=(),
        predictions=(),
        novelty=_novelty(model, None if other is None else rows),
        seconds=time.monotonic() - began,
        target_joiner=trained.codec.target_tokens.join(("", "")),
        notes=(*notes, *_unknown(rows)),
    )


def _own_rows(trained: Trained, split: str) -> tuple[Ragged, Floors, tuple[str, ...]]:
    """Return a split of the data the model was trained on, and its baselines."""
    corpus = own_corpus(trained.config, trained.codec, trained.about, split)
    rows = corpus.splits[split].targets
    return rows, corpus.floors if split == "test" else _floors(rows, corpus), ()


def _other_rows(
    trained: Trained, split: str, other: OtherRows
) -> tuple[Ragged, Floors, tuple[str, ...]]:
    """Return texts the model has nothing to do with; the counts behind the baselines are of its
    own training rows, where those are still there."""
    pairs, notes = other.rows(split, trained.codec, trained.config)
    try:
        corpus = corpus_of_run(trained.config)
    except SeqcliError:
        return pairs.targets, {}, notes
    return pairs.targets, _floors(pairs.targets, corpus), notes


def _floors(rows: Ragged, corpus: Corpus) -> Floors:
    symbols = len(corpus.codec.target.symbols)
    return language_floors.measure(corpus.splits["train"].targets, rows, symbols)


def _unknown(rows: Ragged) -> tuple[str, ...]:
    count = int((rows.tokens == UNK).sum())
    return (f"{count} symbols were never seen in training",) if count else ()


def _novelty(model: LanguageModel, data: Ragged | None) -> Novelty:
    """Draw some texts and tell what they are."""
    trained = model.trained
    names = model.draw(DRAWN, (), trained.limits.answer(0), Drawing(), np.random.default_rng(SEED))
    found = {f"in_{split}": trained.known(names, split) for split in SPLITS}
    if data is not None:
        found["in_data"] = known(names, fingerprints({"data": Pairs(data)})["data"])
    old = np.logical_or.reduce(list(found.values()))
    again = repeats({"drawn": row_hashes(names)})["drawn"]
    shares = {"new": 1 - float(old.mean()), "repeated": again / DRAWN}
    return Novelty(DRAWN, shares | {name: float(rows.mean()) for name, rows in found.items()})
