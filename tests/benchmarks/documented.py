"""The peers at the settings that they document: their own configuration files, transcribed.

Each class is a contender that ignores the sizes of a job. What a file leaves open stays at the
default of the program; precision is 32 bits, which is faster and more exact than mixed precision
on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from peer_joeynmt import JoeyNMT
from peer_yoyodyne import Yoyodyne, named
from work import Job

# PyTorch 2.7 removed an argument that JoeyNMT 2.3.0 passes to its schedule.
WITHOUT_VERBOSE = """
import runpy, torch
plateau = torch.optim.lr_scheduler.ReduceLROnPlateau
start = plateau.__init__
plateau.__init__ = lambda self, *args, verbose=None, **options: start(self, *args, **options)
runpy.run_module("joeynmt", run_name="__main__")
"""


@dataclass(frozen=True)
class YoyodyneIcelandic(Yoyodyne):
    """yoyodyne's attentive LSTM as its tests train it on the Icelandic words.

    Source: tests/testdata/configs/{soft_attention_lstm, ice_g2p_data, real_trainer}.yaml. The
    checkpoint is the one with the best validation accuracy (configs/accuracy_checkpoint.yaml).
    """

    settings: ClassVar[str] = "soft_attention_lstm"

    def _config(self, job: Job, beam: int) -> dict[str, Any]:
        config = super()._config(job, beam)
        config["checkpoint"] = {"filename": "last", "monitor": "val_accuracy", "mode": "max"}
        return config

    def _trainer(self, job: Job) -> dict[str, Any]:
        stopping = {"monitor": "val_loss", "patience": 10}
        trainer = super()._trainer(job)
        trainer["callbacks"] += [named("lightning.pytorch.callbacks.EarlyStopping", stopping)]
        own = {"max_epochs": 50, "gradient_clip_val": 3, "limit_val_batches": 1.0}
        return {**trainer, **own}

    def _data(self, job: Job) -> dict[str, Any]:
        return {**super()._data(job), "batch_size": 100}

    def _model(self, sizes: object, beam: int) -> dict[str, Any]:
        encoder = {"dropout": 0.2, "embedding_size": 64, "hidden_size": 256}
        return named(
            "yoyodyne.models.SoftAttentionLSTMModel",
            {
                "source_encoder": named("yoyodyne.models.modules.LSTMEncoder", encoder),
                "decoder_dropout": 0.2,
                "decoder_hidden_size": 256,
                "embedding_size": 64,
                "label_smoothing": 0.1,
                "optimizer": named("torch.optim.Adam", {"lr": 0.01}),
                "beam_width": beam,
            },
        )


@dataclass(frozen=True)
class YoyodyneTransformer(YoyodyneIcelandic):
    """yoyodyne's rotary Transformer as its tests train it (rotary_transformer.yaml)."""

    settings: ClassVar[str] = "rotary_transformer"

    def _model(self, sizes: object, beam: int) -> dict[str, Any]:
        shared = {"embedding_size": 64}
        encoder = shared | {"dropout": 0.2, "hidden_size": 256, "layers": 4}
        warmup = {"warmup_epochs": 10}
        return named(
            "yoyodyne.models.RotaryTransformerModel",
            shared
            | {
                "source_encoder": named(
                    "yoyodyne.models.modules.RotaryTransformerEncoder", encoder
                ),
                "decoder_dropout": 0.2,
                "decoder_hidden_size": 256,
                "decoder_layers": 4,
                "label_smoothing": 0.1,
                "optimizer": named("torch.optim.Adam", {"lr": 0.01}),
                "scheduler": named("yoyodyne.schedulers.WarmupInverseSquareRoot", warmup),
                "beam_width": beam,
            },
        )


@dataclass(frozen=True)
class JoeyNMTSmall(JoeyNMT):
    """JoeyNMT's attentive LSTM for its smallest data set (configs/iwslt_deen_bahdanau.yaml).

    That file validates once an epoch; so does this.
    """

    settings: ClassVar[str] = "iwslt_deen_bahdanau"
    beam: ClassVar[int] = 10

    def help_command(self) -> list[str]:
        """Return the command that prints its help."""
        return [str(self.python), "-c", WITHOUT_VERBOSE, "--help"]

    def _training(self, job: Job) -> dict[str, Any]:
        steps = -(-job.rows // 64)
        return {
            "optimizer": "adam",
            "learning_rate": 0.001,
            "learning_rate_min": 0.00005,
            "batch_size": 64,
            "batch_type": "sentence",
            "scheduling": "plateau",
            "patience": 0,
            "decrease_factor": 0.5,
            "early_stopping_metric": "ppl",
            "epochs": 100,
            "validation_freq": steps,
            "logging_freq": steps,
            "print_valid_sents": [],
            "overwrite": True,
        }

    def _testing(self, job: Job, beam: int) -> dict[str, Any]:
        best = str(job.folder / "model" / "best.ckpt")
        return {**super()._testing(job, self.beam), "max_output_length": 100, "load_model": best}

    def _model(self, sizes: object) -> dict[str, Any]:
        side = {
            "type": "recurrent",
            "rnn_type": "lstm",
            "embeddings": {"embedding_dim": 256, "scale": False},
            "hidden_size": 256,
            "num_layers": 1,
        }
        attention = {"input_feeding": True, "init_hidden": "last", "attention": "luong"}
        dropout = {"dropout": 0.2, "hidden_dropout": 0.2}
        return {
            "encoder": {**side, "bidirectional": True, "dropout": 0.0},
            "decoder": {**side, **attention, **dropout},
        }
