"""What one run of a comparison came to, as kept in its folder beside the checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from seqcli.files.atomic import write_atomically

FILE = "result.json"
FORMAT = 3
LENGTH_GIVEN = "oracle_length_sequence_accuracy"  # where answers are longer than in training
Floors = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class RowScores:
    """The scored rows of a split, N of each.

    ``score`` over ``weight`` is what the comparison is about: 1 or 0 over 1 for a whole sequence
    right or wrong; bits over symbols (stop symbol counted) for a language model. ``right``:
    symbols right, free running, of ``targets`` symbols.
    """

    sources: tuple[int, ...]  # lengths
    targets: tuple[int, ...]  # lengths
    score: tuple[float, ...]
    weight: tuple[int, ...]
    right: tuple[int, ...] = ()


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


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Args:
        run, arm, seed: its name, what it is one of, and its seed.
        model: one line that describes it; ``cell``, ``attention`` and ``positions`` are names.
        steps, epochs, seconds, sequences_per_second, reason: its training.
        split: the rows that were scored: test, or val where there are no test rows.
        metrics: split -> metric -> score; of ``split``, and of val by which models are ranked.
        floors: what guessing would score on ``split``.
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
    floors: Floors
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
    """Return the result in a run's folder; None where there is none that can be read."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        return _result(found) if found.pop("format") == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _result(found: dict[str, Any]) -> RunResult:
    """Return the record that ``asdict`` took apart."""
    rows = {split: RowScores(**_tuples(one)) for split, one in found["rows"].items()}
    look = found["look"]
    made = {
        "rows": rows,
        "trained_lengths": {side: tuple(span) for side, span in found["trained_lengths"].items()},
        "answers": tuple(Answer(**one) for one in found["answers"]),
        "look": look and Look(**{**_tuples(look), "weights": tuple(map(tuple, look["weights"]))}),
        "samples": tuple(found["samples"]),
    }
    known = {one.name for one in fields(RunResult)}
    if set(found) != known:
        raise ValueError("another format")
    return RunResult(**{**found, **made})


def _tuples(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in mapping.items()}
