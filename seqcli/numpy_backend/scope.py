"""What this backend can do, and a plain refusal of the rest."""

from __future__ import annotations

from dataclasses import dataclass

from seqcli.config import Config
from seqcli.data.corpus import Codec, Corpus
from seqcli.errors import UsageError
from seqcli.numpy_backend.cells import CELLS

_OTHER = "or leave --backend numpy out"


@dataclass(frozen=True)
class Rule:
    """The values that one key of the configuration may have here."""

    key: str
    allowed: tuple[object, ...]

    def check(self, config: Config) -> None:
        """Raise UsageError if the key has another value."""
        section, _, leaf = self.key.partition(".")
        value = getattr(getattr(config, section), leaf)
        if value not in self.allowed:
            choice = " or ".join(map(str, self.allowed))
            message = f"the numpy backend has no {self.key} {value}"
            raise UsageError(message, f"--set {self.key}={choice}, {_OTHER}")


MODEL = (
    Rule("model.cell", tuple(CELLS)),
    Rule("model.layers", (1,)),
    Rule("model.attention", ("none",)),
    Rule("model.activation", ("tanh",)),
)
TRAINING = (
    Rule("model.dropout", (0,)),
    Rule("model.init", ("default",)),
    Rule("train.label_smoothing", (0,)),
    Rule("train.teacher_forcing", (1,)),
    Rule("train.teacher_forcing_schedule", ("constant",)),
    Rule("train.metric", ("loss",)),
    Rule("train.device", ("auto", "cpu")),
    Rule("train.precision", ("float32", "float64")),
)


def check_model(config: Config, codec: Codec) -> None:
    """Refuse models that this backend cannot run.

    Raises:
        UsageError: says which setting it is, and what to choose.
    """
    if codec.source is not None:
        raise UsageError(
            "the numpy backend runs language models, and this data has sources",
            f"train on names (--task names), {_OTHER}",
        )
    for rule in MODEL:
        rule.check(config)


def check_training(config: Config, corpus: Corpus) -> None:
    """Refuse models and ways of training that this backend does not have.

    Raises:
        UsageError: says which setting it is, and what to choose.
    """
    check_model(config, corpus.codec)
    for rule in TRAINING:
        rule.check(config)
    if corpus.splits["train"].weights is not None:
        raise UsageError(
            "the numpy backend does not weigh rows by a count",
            f"--set data.counts=repeats, {_OTHER}",
        )
