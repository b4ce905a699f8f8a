"""What every contender can do, ours and the peers alike."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import measure
from measure import Trace
from work import Job


class Contender(Protocol):
    """A program that trains and decodes, and how to read what it writes."""

    @property
    def name(self) -> str:
        """What to call it."""

    def version(self) -> str:
        """Return its version and that of its torch."""

    def help_command(self) -> list[str]:
        """Return the command that prints its help."""

    def train_command(self, job: Job) -> list[str]:
        """Write what it needs and return the command that trains."""

    def steps_command(self, job: Job) -> list[str]:
        """Write what it needs and return the command that trains and tells its steps as it goes."""

    def decode_command(self, job: Job, beam: int) -> list[str]:
        """Return the command that decodes the test sources with what `train_command` trained."""

    def predictions(self, job: Job, beam: int, trace: Trace) -> list[str]:
        """Return what `decode_command` found, a line per test row."""

    def steps(self, line: str) -> int | None:
        """Return the optimizer steps done since the start of training, if the line tells."""

    def accuracy(self, line: str) -> float | None:
        """Return the sequence accuracy on validation in percent, if the line tells."""

    def parameters(self, line: str) -> int | None:
        """Return the number of parameters, if the line tells."""


def trained(contender: Contender, job: Job) -> Job:
    """Train in a folder of the contender's own below ``job.folder``; return the job with it."""
    own = replace(job, folder=job.folder / contender.name)
    measure.say(f"training {contender.name}")
    measure.watch(contender.train_command(own), own.threads)
    return own


def versions(python: Path, package: str) -> str:
    """Return the version of a package, and of torch, in the environment of ``python``."""
    code = "import importlib.metadata as m; print(m.version({0!r}), 'torch', m.version('torch'))"
    command = [str(python), "-c", code.format(package)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write_config(path: Path, config: dict[str, Any]) -> Path:
    """Write a configuration as JSON, which is YAML too, if small numbers have a point: 5.0e-05."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"(\s\d+)(e-\d+)", r"\1.0\2", json.dumps(config, indent=1)))
    return path
