"""Descriptions of checkpoints, exports, tasks and runs, as records of numbers and text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Side:
    """One side of a model (source or target): its vocabulary and its tokenization."""

    tokenization: str
    tokens: tuple[str, ...]
    max_length: int  # tokens of the longest training row


@dataclass(frozen=True)
class MemberInfo:
    """A member of an ensemble; see `CheckpointInfo`."""

    path: str
    model: str
    parameters: int
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class CheckpointInfo:
    """The description of a checkpoint, or of an ensemble.

    ``model``: one line; ``parameters``: their number; ``megabytes``: the size of the file.
    ``source``: None for a language model. ``data``: name and origin, with ``rows`` and ``sha256``
    of files. ``settings``: key -> (value, origin) of keys that were set. ``resumable``: whether it
    has the training state. ``metrics``: those of epoch ``epoch`` (0 if unknown). ``baselines``:
    split -> name -> metric -> score. ``next``: commands to run next.

    An ensemble has ``members``: parameters and sizes are their sums, the settings are those that
    all share, and there are no metrics of its own.
    """

    path: str
    version: str
    model: str
    parameters: int
    megabytes: float
    backend: str
    source: Side | None
    target: Side
    form: Mapping[str, str | bool]
    data: Mapping[str, Any]
    settings: Mapping[str, tuple[Any, str]]
    epoch: int
    metrics: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, Mapping[str, float]]]
    resumable: bool
    next: tuple[str, ...]
    members: tuple[MemberInfo, ...] = ()


@dataclass(frozen=True)
class Exported:
    """The files of an export, and its comparison with the original.

    ``files``: their paths. ``rows``, ``steps``: the number compared; ``largest_difference``: of
    weights, logits or log-probabilities, as ``compared`` says. ``notes``: further notes.
    """

    to: str
    files: tuple[str, ...]
    rows: int
    steps: int
    largest_difference: float
    notes: tuple[str, ...] = ()
    compared: str = ""


@dataclass(frozen=True)
class TaskInfo:
    """The description of a task.

    ``options``: name, default and description of each; ``about``: definition and references.
    """

    name: str
    summary: str
    example: tuple[str, str]
    about: str
    options: tuple[tuple[str, Any, str], ...]


@dataclass(frozen=True)
class RunSummary:
    """A run in a list of runs.

    ``state``: finished, interrupted, running, damaged, or no checkpoint. ``reason``: why training
    ended, such as "patience". ``epoch``: the best one, with its ``metrics``; 0 if unknown, as for
    an ensemble. ``data``, ``model``: "" if there is no checkpoint. ``modified``: seconds since the
    Unix epoch.
    """

    path: str
    state: str
    modified: float
    data: str = ""
    model: str = ""
    reason: str = ""
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
