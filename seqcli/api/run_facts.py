"""Collect the facts about a run that the fit diagnosis needs."""

from __future__ import annotations

from seqcli.config import Config
from seqcli.config.recipe_choice import attention_hint
from seqcli.config.sections import TrainConfig
from seqcli.data.corpus import Corpus
from seqcli.events import RunFacts


def run_facts(folder: str, config: Config, corpus: Corpus) -> RunFacts:
    """Collect the facts of a run."""
    model, train, data = config.model, config.train, config.data
    recurrent_pairs = corpus.codec.source is not None and model.cell != "transformer"
    splits, could_attend = corpus.splits, recurrent_pairs and model.attention == "none"
    chosen = "model.attention" in config.origins  # by the user, or by compare
    hint = attention_hint() if could_attend and not chosen else ""
    return RunFacts(
        folder=folder,
        lr=train.lr,
        hidden=model.hidden,
        dropout=model.dropout,
        patience=train.patience,
        doubled_limit=_doubled_limit(train),
        could_attend=could_attend,
        by_hand=train.backend == "numpy",
        drawn_rows=data.train if data.task else 0,
        val_rows=len(splits["val"]) if "val" in splits else 0,
        has_test="test" in splits,
        baselines=tuple(corpus.baselines.get("val", {}).items()),
        attention_hint=hint,
    )


def _doubled_limit(train: TrainConfig) -> str:
    """Return the command-line option that doubles the training limit."""
    if train.budget:
        return f"--budget {2 * train.budget:g}"
    if train.steps:
        return f"--steps {2 * train.steps}"
    return f"--epochs {2 * train.epochs}"
