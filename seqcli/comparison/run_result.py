"""What one run of a comparison came to, as kept in its folder beside the checkpoints."""

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
FORMAT = 3
_MOST_BYTES = 256 << 20
LENGTH_GIVEN = "oracle_length_sequence_accuracy"  # where answers are longer than in training
Baselines = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RowScores:
    """The scored rows of a split, N of each.

    ``score`` over ``weight`` is what the comparison is about: 1 or 0 over 1 for a whole sequence
    right or wrong; bits over symbols (stop symbol counted) for a language model. ``right``:
    symbols right, free running, of ``targets`` symbols. ``groups``: which source each row has, as
    numbers from 0 in order of appearance, the same in every run on the same rows; of a language
    model, which text.
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
            raise ValueError("its rows are not as many in each column")


@dataclass(frozen=True)
class Answer:
    """One row of test as text, with the prediction; ``joiner`` is between symbols."""

    source: str
    truth: str
    prediction: str
    joiner: str = " "


@dataclass(frozen=True)
class Look:
    """Where the model looked while it answered: weights (T, S)."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.source) for row in self.weights):
            raise ValueError("its weights are not one for each source token")


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        run, arm, seed: its name, what it is one of, and its seed.
        model: one line that describes it; ``cell``, ``attention`` and ``positions`` are names.
        steps, epochs, seconds, sequences_per_second, reason: its training.
        split: the rows that were scored: test, or val where there are no test rows.
        metrics: split -> metric -> score; of ``split``, and of val by which models are ranked.
        baselines: what guessing would score on ``split``.
        rows: split -> its rows; val beside test only where test has no length that training had.
        trained_lengths: "source" and "target" -> the least and the greatest length of training.
        answers, look, samples: for people.
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
    answers: tuple[Answer, ...] = ()
    look: Look | None = None
    samples: tuple[str, ...] = field(default=())

    @property
    def scores(self) -> Mapping[str, float]:
        """Metric -> score on the rows that were scored."""
        return self.metrics[self.split]

    @property
    def validation(self) -> Mapping[str, float]:
        """Metric -> score on the validation rows; empty where there are none."""
        return self.metrics.get("val", {})


def write_result(folder: Path, result: RunResult) -> None:
    """Write a run's result into its folder, whole or not at all."""
    text = json.dumps({"format": FORMAT, **asdict(result)}, allow_nan=True)
    write_atomically(folder / FILE, lambda file: file.write(text.encode()))


def read_result(folder: Path) -> RunResult | None:
    """Return the result in a run's folder; None where there is none that can be used.

    A damaged result is as good as none: the run is scored again.
    """
    try:
        found = read_json(folder / FILE, dict[str, Any], _MOST_BYTES)
        if found.pop("format", None) != FORMAT:
            return None
        result: RunResult = schema.read(RunResult, found)
    except (OSError, schema.SchemaError):
        return None
    return result
