"""What happens while a model trains: small frozen records, told to listeners.

The engine tells, reports listen. Records hold numbers, strings and tuples only, never tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True)
class FileRead:
    """A file of rows. ``rows`` counts all of them: those ``kept`` and those left out."""

    path: str
    split: str  # "train", "val", "test", or "" where its rows are split by source
    format: str
    rows: int
    kept: int


@dataclass(frozen=True)
class SplitRead:
    """The rows of a split; lengths are in symbols, (median, longest)."""

    split: str
    rows: int
    sources: int  # distinct ones; of a language model distinct texts
    source_length: tuple[float, int]
    target_length: tuple[float, int]
    shared: int  # rows whose source stands in an earlier split too
    unknown_rows: int  # rows with symbols that train does not have
    unknown_symbols: int
    weight: float = 0.0  # the sum of a count column; 0 without one


@dataclass(frozen=True)
class Finding:
    """Rows of a file that have something in common worth telling, and the first of their lines."""

    path: str
    split: str
    kind: str  # "blank", "duplicate" ...
    what: str  # the same in words
    left_out: bool
    example: str = ""  # more about the first of them
    count: int = 0
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class DataRead:
    """Files of the user's were read: every row is kept or among the findings."""

    files: tuple[FileRead, ...]
    splits: tuple[SplitRead, ...]
    vocabulary: tuple[int, int]  # symbols on the source and the target side
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    named_rows: str = ""  # the file that names every row of the findings
    tokens: tuple[str, str] = ("", "")  # how sources ("" without any) and targets are cut


@dataclass(frozen=True)
class RunStarted:
    """A run begins, or goes on (``epochs_done`` > 0)."""

    name: str  # for example "reverse-gru-attention"
    folder: str  # the run folder; "" when nothing is written
    model: str  # one line that describes the model
    parameters: int
    rows: Mapping[str, int]  # split -> rows
    vocabulary: tuple[int, int]  # symbols on the source and the target side
    device: str
    threads: int
    epochs: int
    batch_size: int
    epochs_done: int = 0
    steps_done: int = 0
    notes: tuple[str, ...] = ()
    file: str = ""  # the file that holds the best checkpoint too, where one was asked for


@dataclass(frozen=True)
class Progress:
    """Told a few times a second inside an epoch."""

    epoch: int
    epochs: int
    step: int  # within the epoch, from 1
    steps: int  # steps in an epoch
    sequences_per_second: float
    phase: str = "train"  # "train" or "validate"
    smoothed_loss: float | None = None  # running mean, nats per token


@dataclass(frozen=True)
class Example:
    """One validation row: what went in, what should and what did come out (as symbols)."""

    source: str
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    joiner: str = " "  # what stands between symbols in a text: "" for characters


@dataclass(frozen=True)
class EpochEnded:
    """An epoch and its validation are over.

    ``metrics`` holds, in this order where known: train_loss, smoothed_loss (running mean over
    steps), val_loss (nats per token, teacher forced), val_bits_per_character and val_perplexity (of
    language models, the end symbol counted), {train,val}_token_accuracy,
    {train,val}_sequence_accuracy (free running, greedy), val_symbol_error_rate, teacher_forcing,
    learning_rate, seconds, sequences_per_second.
    """

    epoch: int
    epochs: int
    step: int  # optimiser steps since the start of the run
    metrics: Mapping[str, float]
    improved: bool
    examples: tuple[Example, ...] = ()
    samples: tuple[str, ...] = ()  # drawn from a language model


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    path: str
    best: bool
    epoch: int


@dataclass(frozen=True)
class Finished:
    """Training is over.

    ``reason``: "epochs", "iterations", "seconds", "patience", "goal", "interrupted".
    """

    epochs: int
    best_epoch: int
    best: Mapping[str, float]  # the metrics of the best epoch
    reason: str
    seconds: float
    history: tuple[Mapping[str, float], ...] = field(default=())


Event: TypeAlias = DataRead | RunStarted | Progress | EpochEnded | Saved | Finished
Listener: TypeAlias = Callable[[Event], None]


def broadcast(*listeners: Listener) -> Listener:
    """Return one listener that tells each of ``listeners`` in order."""

    def tell(event: Event) -> None:
        for listen in listeners:
            listen(event)

    return tell
