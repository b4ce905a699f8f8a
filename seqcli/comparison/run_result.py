"""The result of one run of a comparison, stored in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from seqcli import schema
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import read_json
from seqcli.schema import Bounds, Count

FILE = "result.json"
FORMAT = 4
_MAX_BYTES = 256 << 20
ORACLE_LENGTH = "oracle_length_sequence_accuracy"  # if test has targets longer than training
Baselines = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RowScores:
    """The scored rows of a split, N of each.

    The deciding metric is the sum of ``score`` over the sum of ``weight``: 1 or 0 over 1 for a
    right or wrong sequence; bits over tokens (including ``<eos>``) for a language model. ``right``:
    correct tokens, free running. ``groups``: the source of each row (of a language model, the
    text), numbered from 0 in order of appearance; the same in every run on the same rows.
    """

    sources: tuple[Count, ...]  # lengths
    targets: tuple[Count, ...]  # lengths
    score: tuple[float, ...]
    weight: tuple[Annotated[int, Bounds(1)], ...]
    right: tuple[Count, ...] = ()
    groups: tuple[Count, ...] = ()

    def __post_init__(self) -> None:
        optional = (column for column in (self.sources, self.right, self.groups) if column)
        columns = (self.targets, self.score, self.weight, *optional)
        if len(set(map(len, columns))) > 1:
            raise ValueError("its columns differ in length")


@dataclass(frozen=True)
class ShownPrediction:
    """One row with its prediction, as tokens; ``joiner`` separates tokens in texts."""

    source: str
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    joiner: str = " "


@dataclass(frozen=True)
class ShownAttention:
    """The attention weights (T, S) of a prediction."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.source) for row in self.weights):
            raise ValueError("its rows must have one weight for each source token")


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        run, arm, seed: names of the run and its arm, and the seed.
        model: one line that describes the model; ``cell``, ``attention``, ``positions``: names.
        steps, epochs, seconds, sequences_per_second: of training; ``reason``: why it ended.
        split: the scored split: test, or val if there are no test rows.
        metrics: split -> metric -> value; of ``split``, and of val, by which models are ranked.
        baselines: baseline -> metric -> value on ``split``.
        rows: split -> its rows; val as well if no row of test has a length of training.
        trained_lengths: "source" and "target" -> the shortest and the longest length of training.
        predictions, attention_map, samples: examples for the report.
    """

    run: str
    arm: str
    seed: int
    data: str
    language: bool
    model: str
    cell: str
    attention: str
    positions: str
    parameters: int
    steps: int
    epochs: int
    best_epoch: int
    seconds: float
    sequences_per_second: float
    reason: str
    split: str
    metrics: Mapping[str, Mapping[str, float]]
    baselines: Baselines
    rows: Mapping[str, RowScores]
    trained_lengths: Mapping[str, tuple[int, int]]
    predictions: tuple[ShownPrediction, ...] = ()
    attention_map: ShownAttention | None = None
    samples: tuple[str, ...] = field(default=())

    @property
    def scores(self) -> Mapping[str, float]:
        """Metric -> value on the scored split."""
        return self.metrics[self.split]

    @property
    def validation(self) -> Mapping[str, float]:
        """Metric -> value on the validation rows; empty if there are none."""
        return self.metrics.get("val", {})


def write_result(folder: Path, result: RunResult) -> None:
    """Write the result of a run to its folder, atomically."""
    text = json.dumps({"format": FORMAT, **asdict(result)}, allow_nan=True)
    write_atomically(folder / FILE, lambda file: file.write(text.encode()))


def read_result(folder: Path) -> RunResult | None:
    """Read the result in a run folder; return None if it is missing or unreadable.

    A run with an unreadable result is scored again.
    """
    try:
        document = read_json(folder / FILE, dict[str, Any], _MAX_BYTES)
        if document.pop("format", None) != FORMAT:
            return None
        result: RunResult = schema.read(RunResult, document)
    except (OSError, schema.SchemaError):
        return None
    return result
