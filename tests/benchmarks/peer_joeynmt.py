"""JoeyNMT, driven through its own command line in its own environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contender import versions, write_config
from measure import Trace
from work import Job, Sizes

STEP = re.compile(r"Step: +(\d+), Batch Loss")
ACCURACY = re.compile(r"Evaluation result .*sequence_accuracy: +([\d.]+)")
SIZE = re.compile(r"Total params: (\d+)")
LOG_EVERY = 10  # steps


@dataclass(frozen=True)
class JoeyNMT:
    """JoeyNMT (joeynmt/joeynmt, 2.3.0): configured by one YAML file, reads one file per side."""

    python: Path
    name: str = "joeynmt"

    def version(self) -> str:
        """Return its version and that of its torch."""
        return versions(self.python, "joeynmt")

    def help_command(self) -> list[str]:
        """Return the command that prints its help."""
        return [str(self.python), "-m", "joeynmt", "--help"]

    def train_command(self, job: Job) -> list[str]:
        """Write its configuration and return the command that trains."""
        config = write_config(job.folder / "train.yaml", self._config(job, beam=1))
        return [*self.help_command()[:-1], "train", str(config), "--skip-test"]

    def steps_command(self, job: Job) -> list[str]:
        """Return the command that trains and tells its steps as it goes."""
        return self.train_command(job)

    def decode_command(self, job: Job, beam: int) -> list[str]:
        """Return the command that decodes the test sources."""
        config = self._config(job, beam)
        del config["data"]["dev"]  # it would be decoded too
        path = write_config(job.folder / f"test{beam}.yaml", config)
        answers = str(job.folder / f"beam{beam}")
        return [*self.help_command()[:-1], "test", str(path), "--output-path", answers]

    def predictions(self, job: Job, beam: int, trace: Trace) -> list[str]:
        """Return the best answer of each line."""
        return (job.folder / f"beam{beam}.test").read_text().splitlines()

    def steps(self, line: str) -> int | None:
        """Read the log."""
        found = STEP.search(line)
        return int(found[1]) if found else None

    def accuracy(self, line: str) -> float | None:
        """Read the log of a validation (greedy, free running)."""
        found = ACCURACY.search(line)
        return float(found[1]) if found else None

    def parameters(self, line: str) -> int | None:
        """Read the log."""
        found = SIZE.search(line)
        return int(found[1]) if found else None

    def _config(self, job: Job, beam: int) -> dict[str, Any]:
        return {
            "name": "benchmark",
            "joeynmt_version": "2.3.0",
            "model_dir": str(job.folder / "model"),
            "use_cuda": False,
            "random_seed": 0,
            "data": self._data(job),
            "training": self._training(job),
            "testing": self._testing(job, beam),
            "model": self._model(job.sizes),
        }

    def _data(self, job: Job) -> dict[str, Any]:
        side = {"level": "word", "lowercase": False, "voc_min_freq": 1}
        return {
            "train": str(job.data / "train"),
            "dev": str(job.data / "val"),
            "test": str(job.data / "test"),
            "dataset_type": "plain",
            "src": {"lang": "src", **side},
            "trg": {"lang": "trg", **side},
        }

    def _training(self, job: Job) -> dict[str, Any]:
        never = LOG_EVERY * 1_000_000
        # it insists that validation falls on a logged step
        check = job.steps_per_epoch // job.checks if job.checks else never
        return {
            "optimizer": "adamw",
            "adam_betas": [0.9, 0.999],
            "learning_rate": job.sizes.learning_rate,
            "learning_rate_min": 0.0,
            # it cannot do without a schedule: one that changes nothing
            "scheduling": "exponential",
            "decrease_factor": 1.0,
            "weight_decay": 0.0,
            "clip_grad_norm": job.sizes.clip,
            "batch_size": job.sizes.batch,
            "batch_type": "sentence",
            "normalization": "tokens",
            "epochs": job.epochs,
            "validation_freq": check,
            "logging_freq": check if job.checks else LOG_EVERY,
            "early_stopping_metric": "loss",
            "print_valid_sents": [],
            "overwrite": True,
        }

    def _testing(self, job: Job, beam: int) -> dict[str, Any]:
        return {
            "batch_size": job.sizes.batch,
            "batch_type": "sentence",
            "max_output_length": 30,
            "eval_metrics": ["sequence_accuracy"],
            "beam_size": beam,
            "beam_alpha": 1.0,
            "load_model": str(job.folder / "model" / "latest.ckpt"),
        }

    def _model(self, sizes: Sizes) -> dict[str, Any]:
        side = self._recurrent(sizes) if sizes.cell == "gru" else self._transformer(sizes)
        bridge = {"init_hidden": "bridge", "input_feeding": True, "attention": "bahdanau"}
        recurrent = sizes.cell == "gru"
        extra = bridge | {"hidden_dropout": sizes.dropout} if recurrent else {}
        return {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "encoder": side | ({"bidirectional": True} if recurrent else {}),
            "decoder": side | extra,
        }

    def _recurrent(self, sizes: Sizes) -> dict[str, Any]:
        return {"type": "recurrent", "rnn_type": "gru"} | self._side(sizes, scale=False)

    def _transformer(self, sizes: Sizes) -> dict[str, Any]:
        own = {"num_heads": sizes.heads, "ff_size": sizes.feedforward, "layer_norm": "pre"}
        return {"type": "transformer"} | own | self._side(sizes, scale=True)

    def _side(self, sizes: Sizes, scale: bool) -> dict[str, Any]:
        embeddings = {"embedding_dim": sizes.embedding, "scale": scale, "dropout": sizes.dropout}
        return {
            "embeddings": embeddings,
            "hidden_size": sizes.hidden,
            "num_layers": sizes.layers,
            "dropout": sizes.dropout,
        }
