"""yoyodyne, driven through its own command line in its own environment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contender import versions, write_config
from measure import Trace
from work import Job, Sizes

BAR = re.compile(r"Epoch (\d+):.*? (\d+)/(\d+) \[")  # the first epoch is 0
ACCURACY = re.compile(r"val_accuracy=([\d.]+)")
SIZE = re.compile(r"Trainable parameters: ([\d,]+)")
REFRESH = 10  # steps


@dataclass(frozen=True)
class Yoyodyne:
    """yoyodyne (CUNY-CL/yoyodyne, 0.5.26): Lightning, configured by one YAML file.

    Its validation feeds gold prefixes. A row that is right at every position is right without
    them too, so its accuracy is sequence accuracy all the same.
    """

    python: Path
    name: str = "yoyodyne"

    def version(self) -> str:
        """Return its version and that of its torch."""
        return versions(self.python, "yoyodyne")

    def help_command(self) -> list[str]:
        """Return the command that prints its help."""
        return [str(self.python), str(self.python.with_name("yoyodyne")), "--help"]

    def train_command(self, job: Job) -> list[str]:
        """Write its configuration and return the command that trains."""
        config = write_config(job.folder / "fit.yaml", self._config(job, beam=1))
        return self._run("fit", "--config", str(config))

    def steps_command(self, job: Job) -> list[str]:
        """Return the command that trains and tells its steps as it goes."""
        return self.train_command(job)

    def decode_command(self, job: Job, beam: int) -> list[str]:
        """Return the command that decodes the test sources."""
        config = self._config(job, beam)
        del config["data"]["train"], config["data"]["val"]
        config["data"] |= {"predict": str(job.data / "test.src"), "target_col": 0}
        config["prediction"] = {"path": str(job.folder / f"beam{beam}.tsv")}
        path = write_config(job.folder / f"predict{beam}.yaml", config)
        checkpoint = next(job.folder.rglob("last.ckpt"))
        return self._run("predict", "--config", str(path), "--ckpt_path", str(checkpoint))

    def predictions(self, job: Job, beam: int, trace: Trace) -> list[str]:
        """Return the best answer of each line."""
        lines = (job.folder / f"beam{beam}.tsv").read_text().splitlines()
        return [line.split("\t")[0] for line in lines]

    def steps(self, line: str) -> int | None:
        """Read the progress bar."""
        found = BAR.search(line)
        return int(found[1]) * int(found[3]) + int(found[2]) if found else None

    def accuracy(self, line: str) -> float | None:
        """Read the progress bar."""
        found = ACCURACY.search(line)
        return 100 * float(found[1]) if found else None

    def parameters(self, line: str) -> int | None:
        """Read the model summary."""
        found = SIZE.search(line)
        return int(found[1].replace(",", "")) if found else None

    def _run(self, *arguments: str) -> list[str]:
        return [*self.help_command()[:2], *arguments]

    def _config(self, job: Job, beam: int) -> dict[str, Any]:
        return {
            "seed_everything": 0,
            "trainer": self._trainer(job),
            "model": self._model(job.sizes, beam),
            "data": self._data(job),
            "checkpoint": {"save_last": True, "filename": "model"},
        }

    def _trainer(self, job: Job) -> dict[str, Any]:
        folder = {"save_dir": str(job.folder)}
        validation = {"val_check_interval": 1 / job.checks} if job.checks else {}
        bar = {"refresh_rate": REFRESH}
        return {
            "accelerator": "cpu",
            "devices": 1,
            "max_epochs": job.epochs,
            "gradient_clip_val": job.sizes.clip,
            "num_sanity_val_steps": 0,
            "limit_val_batches": 1.0 if job.checks else 0,
            "logger": named("lightning.pytorch.loggers.CSVLogger", folder),
            "callbacks": [named("lightning.pytorch.callbacks.TQDMProgressBar", bar)],
            **validation,
        }

    def _data(self, job: Job) -> dict[str, Any]:
        return {
            "model_dir": str(job.folder),
            "train": str(job.data / "train.tsv"),
            "val": str(job.data / "val.tsv"),
            "source_sep": " ",
            "target_sep": " ",
            "batch_size": job.sizes.batch,
        }

    def _model(self, sizes: Sizes, beam: int) -> dict[str, Any]:
        parts = self._recurrent(sizes) if sizes.cell == "gru" else self._transformer(sizes)
        kind, encoder, options = parts
        shared = {"embedding_size": sizes.embedding, "layers": sizes.layers}
        inner = shared | {"dropout": sizes.dropout} | options["encoder"]
        optimizer = {"lr": sizes.learning_rate, "weight_decay": 0.0}
        outer = options["decoder"] | {
            "embedding_size": sizes.embedding,
            "decoder_layers": sizes.layers,
            "decoder_dropout": sizes.dropout,
            "source_encoder": named(f"yoyodyne.models.modules.{encoder}", inner),
            "optimizer": named("torch.optim.AdamW", optimizer),
            "beam_width": beam,
        }
        return named(f"yoyodyne.models.{kind}", outer)

    def _recurrent(self, sizes: Sizes) -> tuple[str, str, dict[str, dict[str, Any]]]:
        encoder = {"hidden_size": sizes.hidden, "bidirectional": True}
        decoder = {"decoder_hidden_size": sizes.hidden}
        return "SoftAttentionGRUModel", "GRUEncoder", {"encoder": encoder, "decoder": decoder}

    def _transformer(self, sizes: Sizes) -> tuple[str, str, dict[str, dict[str, Any]]]:
        # here "hidden" is the width of the feed-forward layers
        encoder = {"hidden_size": sizes.feedforward, "attention_heads": sizes.heads}
        decoder = {
            "decoder_hidden_size": sizes.feedforward,
            "decoder_attention_heads": sizes.heads,
        }
        return "TransformerModel", "TransformerEncoder", {"encoder": encoder, "decoder": decoder}


def named(path: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return how Lightning's configuration names a class and its arguments."""
    return {"class_path": path, "init_args": arguments}
