"""Defaults that hang on another key: they stand in for the general ones of keys left open."""

from __future__ import annotations

from collections.abc import Mapping

from seqcli.config.limits import Scalar

PRESETS: Mapping[tuple[str, Scalar], Mapping[str, Scalar]] = {
    # chosen on makemore's names: 2.02 nats per character in 15 s of one core
    ("train.backend", "numpy"): {
        "model.cell": "rnn",
        "model.hidden": 100,
        "model.dropout": 0.0,
        "train.epochs": 15,
        "train.batch_size": 32,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
    },
}
