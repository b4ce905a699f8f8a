"""Collect the facts about a run that the fit diagnosis needs."""

from __future__ import annotations

from seqcli.config import Config
from seqcli.config.sections import TrainConfig
from seqcli.data.corpus import Corpus
from seqcli.events import RunFacts


def run_facts(folder: str, config: Config, corpus: Corpus) -> RunFacts:
    """Collect the facts of a run."""
    model, train, data = config.model, config.train, config.data
    recurrent_pairs = corpus.codec.source is not None and model.cell != "transformer"
    splits = corpus.splits
    return RunFacts(
        folder=folder,
        lr=train.lr,
        hidden=model.hidden,
        dropout=model.dropout,
        patience=train.patience,
        doubled_limit=_doubled_limit(train),
        could_attend=recurrent_pairs and model.attention == "none",
        by_hand=train.backend == "numpy",
        drawn_rows=data.train if data.task else 0,
        val_rows=len(splits["val"]) if "val" in splits else 0,
        has_test="test" in splits,
        baselines=tuple(corpus.baselines.get("val", {}).items()),
    )


def _doubled_limit(train: TrainConfig) -> str:
    """Return the command-line option that doubles the training limit."""
    if train.seconds:
        return f"--set train.seconds={2 * train.seconds:g}"
    if train.steps:
        return f"--steps {2 * train.steps}"
    return f"--epochs {2 * train.epochs}"
