"""Defaults that depend on other keys: they replace the general default of an unset key.

Each entry has conditions and the defaults that apply if they hold. If several entries set the same
key, the first one takes precedence.
"""

from __future__ import annotations

from collections.abc import Mapping

from seqcli.config.sections import Scalar

Values = Mapping[str, Scalar]

PRESETS: tuple[tuple[Values, Values], ...] = (
    # tuned on held-out rows of makemore's names: 2.05 nats per character in 15 s on one core
    (
        {"train.backend": "numpy"},
        {
            "model.cell": "rnn",
            "model.hidden": 100,
            "model.dropout": 0.0,
            "train.epochs": 15,
            "train.batch_size": 32,
            "train.lr": 5e-3,
            "train.schedule": "cosine",
            "train.warmup": 0,
        },
    ),
    # better within a minute on one core than twelve epochs at a constant rate
    (
        {"model.cell": "transformer", "data.task": "names"},
        {
            "train.epochs": 8,
            "train.batch_size": 32,
            "train.lr": 3e-3,
            "train.schedule": "cosine",
        },
    ),
    # learns alignments more slowly than a recurrent model with attention; needs more epochs
    (
        {"model.cell": "transformer"},
        {
            "model.layers": 2,
            "train.batch_size": 64,
            "train.lr": 2e-3,
            "train.warmup": 100,
            "train.epochs": 12,
        },
    ),
    ({"model.cell": "transformer", "data.task": "reverse"}, {"model.dropout": 0.0}),
    # must count positions in a state without gates: wider state, lower learning rate
    (
        {"data.task": "reverse", "model.cell": "rnn"},
        {"model.hidden": 128, "train.lr": 1.5e-3},
    ),
    # 99.5% of sequences within half a minute on one core, for every seed tested
    (
        {"data.task": "reverse"},
        {
            "model.hidden": 64,
            "train.batch_size": 32,
            "train.lr": 3e-3,
            "train.warmup": 20,
            "train.epochs": 5,
        },
    ),
)


def varying() -> frozenset[str]:
    """Return the keys whose default depends on the task, the model or the backend."""
    return frozenset(key for _, defaults in PRESETS for key in defaults)
