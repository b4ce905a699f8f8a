"""Defaults that depend on other keys: they replace the general default of an unset key.

Each entry: what must be so, and the defaults then. Where two name the same key, the one further up
counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from seqcli.config.sections import Scalar

Values = Mapping[str, Scalar]

PRESETS: tuple[tuple[Values, Values], ...] = (
    # chosen on rows of makemore's names kept apart: 2.05 nats per character in 15 s of one core
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
    # better within a minute of one core than twelve epochs at a constant rate
    (
        {"model.cell": "transformer", "data.task": "names"},
        {
            "train.epochs": 8,
            "train.batch_size": 32,
            "train.lr": 3e-3,
            "train.schedule": "cosine",
        },
    ),
    # learns where to look more slowly than an attentive recurrent net, and takes more passes
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
    # has to count places in a state without gates: a wider one, and smaller steps
    (
        {"data.task": "reverse", "model.cell": "rnn"},
        {"model.hidden": 128, "train.lr": 1.5e-3},
    ),
    # 99.5% of sequences within half a minute of one core, whatever the seed
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
