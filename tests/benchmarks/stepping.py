"""Watching a program train: its speed, read off the optimizer steps that it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import measure

Reader = Callable[[str], int | None]


@dataclass(frozen=True)
class Window:
    """How long to watch: steps that are not counted, steps in a window, windows in a turn."""

    warmup: int
    steps: int
    count: int


@dataclass
class Figures:
    """What was seen of one contender at one number of threads."""

    speeds: list[float] = field(default_factory=list)
    cpu_speeds: list[float] = field(default_factory=list)
    parameters: int | None = None

    def add(self, other: Figures) -> None:
        """Take in what a further turn showed."""
        self.speeds += other.speeds
        self.cpu_speeds += other.cpu_speeds
        self.parameters = other.parameters

    def told(self, unit: str = "seqs") -> dict[str, Any]:
        """Return the figures as a mapping."""
        return {
            "parameters": self.parameters,
            f"{unit}_per_second": measure.summary(self.speeds),
            f"{unit}_per_cpu_second": measure.summary(self.cpu_speeds),
        }


def train_for_a_while(
    command: Sequence[str],
    threads: int,
    per_step: float,
    window: Window,
    steps: Reader,
    parameters: Reader,
) -> Figures:
    """Train until the windows are full, then stop the process.

    Args:
        command: trains, and tells its steps as it goes.
        threads: that it may use.
        per_step: sequences, or characters, in an optimizer step.
        window: how long to watch.
        steps, parameters: read a line of it.
    """
    wanted = window.warmup + window.count * window.steps
    trace = measure.watch(command, threads, lambda line: (steps(line.text) or 0) >= wanted)
    told = [(step, line) for line in trace.lines if (step := steps(line.text))]
    sizes = (per_step, window.warmup, window.steps)
    clock = measure.window_speeds([(step, line.seconds) for step, line in told], *sizes)
    cpu = measure.window_speeds([(step, line.cpu_seconds) for step, line in told], *sizes)
    return Figures(clock, cpu, trace.first(parameters))
