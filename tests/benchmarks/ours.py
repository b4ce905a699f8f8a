"""seqcli, driven through its own command line."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from contender import versions
from measure import Trace
from work import LENGTH, SYMBOLS, Job, Sizes

HERE = Path(__file__).resolve().parent
STEP = re.compile(r"^step (\d+)$")
SIZE = re.compile(r"^parameters (\d+)$")
ACCURACY = re.compile(r"^epoch .* val_sequence_accuracy=([\d.e-]+)")


@dataclass(frozen=True)
class Seqcli:
    """seqcli as it is installed in the environment that runs the benchmark."""

    python: Path = Path(sys.executable)
    name: str = "seqcli"

    def version(self) -> str:
        """Return its version and that of its torch."""
        return versions(self.python, "seqcli")

    def help_command(self) -> list[str]:
        """Return the command that prints its help."""
        return self._run("--help")

    def default_command(self, job: Job) -> list[str]:
        """Return the command a newcomer types: only the task is told, which gives these rows."""
        task = ["--task", "reverse", "--length", str(LENGTH), "--vocab", str(SYMBOLS + 1)]
        where = [*task, "--out", str(job.folder / "run")]
        threads = ["--threads", "1"] if job.threads == 1 else []
        return self._run("train", *where, "--cell", "gru", "--attention", *threads)

    def train_command(self, job: Job) -> list[str]:
        """Return the command that trains into ``job.folder``."""
        where = ["--data", str(job.data), "--out", str(job.folder / "run")]
        settings = [f"--set={key}={value}" for key, value in settings_of(job).items()]
        return self._run("train", *where, *settings)

    def steps_command(self, job: Job) -> list[str]:
        """Return the command that trains through the Python interface and tells every step."""
        settings = {"data.path": str(job.data), **settings_of(job)}
        out = str(job.folder / "run")
        return [str(self.python), str(HERE / "ours_steps.py"), out, json.dumps(settings)]

    def decode_command(self, job: Job, beam: int) -> list[str]:
        """Return the command that decodes the test sources."""
        run, sources = str(job.folder / "run"), str(job.data / "test.src")
        options = ["--ckpt", run, "--input", sources, "--beam", str(beam), "--quiet"]
        return self._run("predict", *options)

    def predictions(self, job: Job, beam: int, trace: Trace) -> list[str]:
        """Return the answers, which it wrote to stdout."""
        return [line.text for line in trace.lines]

    def steps(self, line: str) -> int | None:
        """Read what `ours_steps.py` tells."""
        found = STEP.match(line)
        return int(found[1]) if found else None

    def accuracy(self, line: str) -> float | None:
        """Read the line of an epoch."""
        found = ACCURACY.match(line)
        return 100 * float(found[1]) if found else None

    def parameters(self, line: str) -> int | None:
        """Read what `ours_steps.py` tells."""
        found = SIZE.match(line)
        return int(found[1]) if found else None

    def _run(self, *arguments: str) -> list[str]:
        return [str(self.python), "-m", "seqcli", *arguments]


def settings_of(job: Job) -> dict[str, str]:
    """Return the configuration keys of a job."""
    sizes = job.sizes
    return {
        "train.epochs": str(job.epochs),
        "train.batch_size": str(sizes.batch),
        "train.lr": str(sizes.learning_rate),
        "train.weight_decay": "0",
        "train.grad_clip": str(sizes.clip),
        "train.target_accuracy": "2",
        "train.threads": str(job.threads),
        "train.device": "cpu",
        **_model(sizes),
    }


def _model(sizes: Sizes) -> dict[str, str]:
    attention = {"model.attention": "additive"} if sizes.cell == "gru" else {}
    return {
        "model.cell": sizes.cell,
        "model.layers": str(sizes.layers),
        "model.embedding": str(sizes.embedding),
        "model.hidden": str(sizes.hidden),
        "model.heads": str(sizes.heads),
        "model.feedforward": str(sizes.feedforward),
        "model.dropout": str(sizes.dropout),
        **attention,
    }
