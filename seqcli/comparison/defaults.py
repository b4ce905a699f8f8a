"""What `seqcli compare` takes where nothing else is said: the only place for it.

Chosen so that twelve runs (four models, three seeds) of ``reverse`` end within 3 minutes on two
cores, and say something about lengths that training never saw.
"""

from __future__ import annotations

from collections.abc import Mapping

from seqcli.config.limits import Scalar

TASK = "reverse"
CELLS = ("rnn", "gru", "lstm", "transformer")
ATTENTION = "on"
SEEDS = 3
MATCH = "params"
RECIPES = "shared"

# In place of the general defaults of the configuration.
SETTINGS: Mapping[str, Scalar] = {
    "data.train": 4000,
    "data.val": 500,
    "data.test": 1000,
    "model.hidden": 64,
    "model.layers": 1,
    "train.epochs": 8,
    "train.batch_size": 64,  # the same budget for all: as many steps, and nobody stops early
    "train.goal": 2.0,
    "train.threads": 1,  # the same sums on every machine, and room for --jobs
}
# How every model is trained; see the module for how it was chosen.
RECIPE: Mapping[str, Scalar] = {
    "train.lr": 3e-3,
    "train.schedule": "cosine",
    "train.warmup": 50,
    "model.dropout": 0.0,
}
TASK_OPTIONS: Mapping[str, Mapping[str, Scalar]] = {
    "reverse": {"length": "3:8", "test_length": "3:12", "vocab": 12},
}
ORIGIN = "default of compare"
