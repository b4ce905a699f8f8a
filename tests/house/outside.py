"""A user's file: it imports seqcli and registers definitions; it may also run as a program.

Nothing in the package knows any of these names.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

import seqcli
from seqcli.data.files.columns import Layout
from seqcli.data.files.rows import Records, text_records
from seqcli.metrics.definitions import Ratio
from seqcli.metrics.metric import PERCENT, Metric
from seqcli.models.attention import Attention
from seqcli.models.cells import Cell
from seqcli.tasks.rearrangement import Rearrangement


@dataclass(frozen=True)
class Rotate(Rearrangement):
    """The source with its first token last: 3 1 4 -> 1 4 3."""

    name: ClassVar[str] = "rotate"
    version: ClassVar[int] = 1
    summary: ClassVar[str] = "the first token goes last"
    example: ClassVar[tuple[str, str]] = ("3 1 4", "1 4 3")

    def targets(self, sources):
        return np.roll(sources, -1, axis=1)


class MinimalCell(Cell):
    """One gate: h' = h + f (tanh(a) - h)."""

    gates = 2

    def combine(self, inputs, recurrent, state):
        (hidden,) = state
        gate, new = (inputs + recurrent).chunk(2, -1)
        return (torch.lerp(hidden, torch.tanh(new), torch.sigmoid(gate)),)


class SigmoidAttention(Attention):
    """Additive-like: energy = v . sigmoid(W q + U k), before each step."""

    before_step = True

    def __init__(self, hidden, directions):
        super().__init__(hidden, directions)
        self.key = nn.Linear(hidden * directions, hidden)
        self.query = nn.Linear(hidden, hidden, bias=False)
        self.energy = nn.Linear(hidden, 1, bias=False)

    def project_queries(self, states: Tensor) -> Tensor:
        return self.query(states)

    def project_keys(self, memory: Tensor) -> Tensor:
        return self.key(memory)

    def energies(self, queries: Tensor, keys: Tensor) -> Tensor:
        total = queries[:, :, None] + keys[:, None]  # (B, T, S, A)
        return self.energy(torch.sigmoid(total))[..., 0]  # (B, T, S)


class ScaledAttention(Attention):
    """Multiplicative: energy = q . W k / sqrt(H), after the cell."""

    def __init__(self, hidden, directions):
        super().__init__(hidden, directions)
        self.key = nn.Linear(hidden * directions, hidden, bias=False)

    def project_keys(self, memory: Tensor) -> Tensor:
        return self.key(memory)

    def energies(self, queries: Tensor, keys: Tensor) -> Tensor:
        return super().energies(queries, keys) / self.hidden**0.5


def _hits(outcome):
    """Return (N,) whether the first token is right."""
    sides = ((outcome.truths[n], outcome.predictions[n]) for n in range(len(outcome)))
    return np.array([len(p) > 0 and p[0] == t[0] for t, p in sides])


# No suffix tells the direction of either.
FIRST_TOKEN_HITS = Metric(
    "first_token_hits",
    "first-token hits",
    higher_is_better=True,
    format=PERCENT,
    definition="Share of rows whose first token is right.",
    parts=lambda outcome: Ratio(_hits(outcome), np.ones(len(outcome)), "share"),
)
FIRST_TOKEN_MISSES = Metric(
    "first_token_misses",
    "first-token misses",
    higher_is_better=False,
    format=PERCENT,
    definition="Share of rows whose first token is wrong.",
    parts=lambda outcome: Ratio(~_hits(outcome), np.ones(len(outcome)), "share"),
)


def rmsprop(parameters, config):
    """RMSprop."""
    return torch.optim.RMSprop(parameters, lr=config.lr)


def arrows(files, asked):
    """Read lines such as ``a b -> b a``."""
    records = (
        record._replace(cells=[side.strip() for side in record.cells[0].split("->")])
        for record in text_records(files[0])
    )
    return Records(Layout(1, 0, width=2), records)


seqcli.register("task", "rotate", Rotate)
seqcli.register("cell", "minimal", MinimalCell)
seqcli.register("attention", "sigmoid", SigmoidAttention)
seqcli.register("attention", "scaled", ScaledAttention)
seqcli.register("metric", "first_token_hits", FIRST_TOKEN_HITS)
seqcli.register("metric", "first_token_misses", FIRST_TOKEN_MISSES)
seqcli.register("optimizer", "rmsprop", rmsprop)
seqcli.register("format", "arrows", arrows)

SMALL = {"hidden": 16, "embedding": 16, "threads": 1, "epochs": 3}
SETTINGS = ["train.metric=first_token_hits", "train.lr=0.01", "train.warmup=0"]
ROWS = {"train_rows": 256, "val_rows": 32, "test_rows": 32, "length": "2:4"}


def screen():
    """Return an output that is a wide terminal, and the text on it."""
    from seqcli.report.console import Out

    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=200, height=50)
    return Out(console, console), text


def program() -> dict[str, object]:
    """Train, evaluate and compare as a notebook does; return what is shown."""
    from seqcli import api
    from seqcli.report.evaluation import show_evaluation
    from seqcli.report.live import LiveView
    from seqcli.report.runs_view import ComparisonView

    shown = {}
    out, text = screen()
    with LiveView(out) as view:
        run = seqcli.train(
            task="rotate",
            cell="minimal",
            attention="sigmoid",
            optimizer="rmsprop",
            set=SETTINGS,
            listen=view,
            **SMALL,
            **ROWS,
        )
    shown["train"] = text.getvalue()
    out, text = screen()
    show_evaluation(out, seqcli.evaluate(run.path))
    shown["eval"] = text.getvalue()
    out, text = screen()
    plan = api.plan(
        task="rotate",
        cells=["minimal"],
        set=[*SETTINGS, "model.attention=scaled", "train.optimizer=rmsprop"],
        seeds=2,
        **SMALL,
        **ROWS,
    )
    with ComparisonView(out, plan.runs) as view:
        api.run_plan(plan, jobs=2, watch=view)
    shown["compare"] = text.getvalue()
    shown["folder"], shown["run"] = str(plan.folder), str(run.path)
    return shown


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps(program()))
