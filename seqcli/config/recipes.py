"""Recipes: defaults computed from the data and the time, for keys that the user leaves open.

A recipe counts in updates (optimizer steps), not in passes over the rows: what a model needs grows
slowly with the rows. ``quick`` is a first look within a minute on one core, ``auto`` takes 2 to 10
minutes for 1,000 to 10,000 rows on two cores, ``best`` up to an hour. With a time budget
(``train.budget``), ``auto`` uses the model sizes that fit it. Patience is off in all recipes: the
best epochs are those at the end, when the schedule has reduced the learning rate to 0.

This module has the tables, which are tuned by experiments; `seqcli.config.recipe_choice` applies
them. Synthetic tasks (`SYNTHETIC`) and the NumPy backend (`NUMPY`) have small models of their own,
which learn within half a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seqcli.config.limits import Scalar

Values = Mapping[str, Scalar]

UPDATES = {"quick": 0.2, "auto": 1.0, "best": 4.0}  # factors of `Recipe.updates`
REFERENCE_ROWS = 4_000  # training rows that `Recipe.updates` is for
GROWTH = 0.2  # updates grow with this power of the number of rows
SMALL_ROWS = 300  # data with fewer rows gets a smaller recurrent model
COPYABLE = 0.6  # from this fraction of copyable target tokens on, models copy
MONOTONIC = 0.12  # nats per target token; from this gain on, little data gets monotonic attention
MONOTONIC_ROWS = 3_000  # from this number of rows on, additive attention is as good, and faster
MAX_EMISSIONS = 50_000  # probabilities per row that monotonic attention may compute in training
QUICK_LENGTH = 24  # source and target tokens per row; quick does fewer updates for longer rows
VALIDATIONS = {"quick": 10, "auto": 30, "best": 60}  # epochs, each of which ends with one
SHORTEST_EPOCH = 50  # updates
MAX_WARMUP = 0.1  # of all updates
QUICK_BUDGET, BEST_BUDGET = 90, 1800  # seconds: up to and from which auto uses quick and best sizes


@dataclass(frozen=True)
class DataFacts:
    """Facts about the training rows, which determine a recipe.

    Args:
        rows: the number of training rows.
        length: mean number of source and target tokens per row.
        copyable: fraction of the target tokens that also occur in their source, from 0 to 1.
        monotonic: how much better monotonic alignments explain the targets than free ones, in
            nats per target token (`seqcli.data.alignment.monotonic_gain`); None if not measured.
        vocabulary: number of target tokens.
        features: whether the sources have features, as in inflection.
        labels: whether each target is a single token.
        language: whether the rows are texts without a source, for a language model.
        task: the synthetic task that generated the rows; "" for a user's files.
    """

    rows: int
    length: float = 0.0
    copyable: float = 0.0
    monotonic: float | None = None
    vocabulary: int = 0
    features: bool = False
    labels: bool = False
    language: bool = False
    task: str = ""


@dataclass(frozen=True)
class Recipe:
    """The recipe of an architecture.

    Args:
        updates: optimizer steps of ``auto`` at `REFERENCE_ROWS` training rows.
        auto: dotted key -> value.
        quick, best: values that differ in these recipes.
        labels: values for targets of a single token; these override the previous ones.
        small: values for data with fewer than ``small_rows`` rows; these override all others.
    """

    updates: int
    auto: Values
    quick: Values = field(default_factory=dict)
    best: Values = field(default_factory=dict)
    labels: Values = field(default_factory=dict)
    small: Values = field(default_factory=dict)
    small_rows: int = SMALL_ROWS

    def values(self, pace: str, facts: DataFacts) -> dict[str, Scalar]:
        """Return the settings for some data; ``pace`` is quick, auto or best."""
        paced = {"quick": self.quick, "auto": {}, "best": self.best}[pace]
        labels = self.labels if facts.labels else {}
        small = self.small if facts.rows < self.small_rows else {}
        return {**self.auto, **paced, **labels, **small}


PAIRS: Values = {  # of every model that maps sources to targets
    "train.schedule": "cosine",
    "train.label_smoothing": 0.1,
    "train.metric": "sequence_accuracy",
    "decode.beam": 5,
}
RECURRENT = Recipe(  # recurrent models, with and without attention
    updates=4_500,
    auto={
        **PAIRS,
        "model.hidden": 256,
        "model.embedding": 128,
        "model.dropout": 0.3,
        "train.batch_size": 32,
        "train.lr": 2e-3,
        "train.warmup": 100,
    },
    quick={"model.hidden": 128, "model.embedding": 64, "train.lr": 3e-3, "decode.beam": 1},
    best={"train.lr": 1e-3},
    labels={"model.hidden": 128, "model.embedding": 64, "model.dropout": 0.4, "decode.beam": 1},
    small={"model.hidden": 128, "model.embedding": 64, "model.dropout": 0.4},
)
MONOTONIC_RECURRENT = replace(  # with monotonic attention, of which little data needs less
    RECURRENT, small={"model.hidden": 128}, small_rows=MONOTONIC_ROWS
)
TRANSFORMER = Recipe(  # hidden is rounded to the heads, feedforward is 4 times as large
    updates=3_500,
    auto={
        **PAIRS,
        "model.layers": 3,
        "model.hidden": 128,
        "model.norm": "pre",
        "model.positions": "rotary",
        "model.mark_ends": True,
        "model.convolution": 3,
        "model.dropout": 0.3,
        "train.batch_size": 64,
        "train.lr": 2e-3,
        "train.warmup": 300,
    },
    quick={"model.layers": 2, "model.hidden": 64, "model.dropout": 0.1, "decode.beam": 1},
    best={"model.hidden": 192, "train.lr": 1.5e-3},
    labels={"model.layers": 2, "model.hidden": 64, "decode.beam": 1},
    small={"model.hidden": 64, "train.lr": 5e-3},
    small_rows=3_000,
)
LANGUAGE_RECURRENT = Recipe(  # recurrent language models
    updates=6_000,
    auto={
        "model.hidden": 256,
        "model.dropout": 0.3,
        "train.batch_size": 64,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
        "train.warmup": 100,
    },
    quick={"model.hidden": 128, "model.dropout": 0.1},
    small={"model.hidden": 64},
)
LANGUAGE_TRANSFORMER = Recipe(  # Transformer language models
    updates=8_000,
    auto={
        "model.layers": 4,
        "model.hidden": 64,
        "model.norm": "pre",
        "model.dropout": 0.1,
        "train.batch_size": 64,
        "train.lr": 2.5e-3,
        "train.schedule": "cosine",
        "train.warmup": 300,
    },
    quick={"model.layers": 2},
    best={"model.hidden": 128},
    small={"model.layers": 2, "model.dropout": 0.3},
)

# Backend numpy: tuned on held-out rows of makemore's names, 2.05 nats per character in 15 s on one
# core.
NUMPY: Values = {
    "model.cell": "rnn",
    "model.hidden": 100,
    "model.dropout": 0.0,
    "train.epochs": 15,
    "train.batch_size": 32,
    "train.lr": 5e-3,
    "train.schedule": "cosine",
    "train.warmup": 0,
}


@dataclass(frozen=True)
class Synthetic:
    """Settings for a synthetic task (any if it is "") and a cell (any if it is "").

    Epochs are passes over the rows, as many in ``auto`` as stated.
    """

    task: str
    cell: str
    values: Values


# The first entry that has a key takes precedence.
SYNTHETIC: tuple[Synthetic, ...] = (
    # better within a minute on one core than twelve epochs at a constant rate
    Synthetic(
        "names",
        "transformer",
        {"train.epochs": 8, "train.batch_size": 32, "train.lr": 3e-3, "train.schedule": "cosine"},
    ),
    # learns alignments more slowly than a recurrent model with attention; needs more epochs
    Synthetic(
        "",
        "transformer",
        {
            "model.layers": 2,
            "train.batch_size": 64,
            "train.lr": 2e-3,
            "train.warmup": 100,
            "train.epochs": 12,
        },
    ),
    Synthetic("reverse", "transformer", {"model.dropout": 0.0}),
    # must count positions in a state without gates: wider state, lower learning rate
    Synthetic("reverse", "rnn", {"model.hidden": 128, "train.lr": 1.5e-3}),
    # 99.5% of sequences within half a minute on one core, for every seed tested
    Synthetic(
        "reverse",
        "",
        {
            "model.hidden": 64,
            "train.batch_size": 32,
            "train.lr": 3e-3,
            "train.warmup": 20,
            "train.epochs": 5,
        },
    ),
)


@dataclass(frozen=True)
class AttentionGain:
    """What attention adds to a recurrent model on one data set, as measured.

    Args:
        data: the name of the data set.
        without, with_attention: sequence accuracy on its validation rows, from 0 to 1.
        date: of the measurement, such as 2026-11-27.
        command: the command that trains the model with attention; the other one adds --cell.
    """

    data: str
    without: float
    with_attention: float
    date: str
    command: str


# one run each, seed 0
ATTENTION_GAINS: tuple[AttentionGain, ...] = (
    AttentionGain(
        "Tamil transliteration",  # 68,218 training rows, 6,827 validation rows
        without=0.571,
        with_attention=0.628,
        date="2026-11-28",
        command="seqcli train --train ta.train.tsv --val ta.dev.tsv "
        "--columns target=1,source=2,count=3",
    ),
)
