"""Check that the NumPy backend supports a configuration.

Every key is supported, irrelevant or refused. The rules are an allow-list: a key that is not in
`RULES` may only have its default, so that a new setting is never ignored silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from seqcli import registry
from seqcli.config import Config, keys
from seqcli.data.corpus import Codec, Corpus
from seqcli.errors import UsageError
from seqcli.numpy_backend.cells import CELLS

_OTHERWISE = "or omit --backend numpy"


@dataclass(frozen=True)
class Supported:
    """Every value has the effect that the configuration documents."""


@dataclass(frozen=True)
class Irrelevant:
    """The key does not change the result.

    Args:
        why: the reason.
    """

    why: str


@dataclass(frozen=True)
class Only:
    """Some values are supported, and the others are refused.

    Args:
        values: a registry table or a tuple.
    """

    values: Iterable[object]


Rule: TypeAlias = Supported | Irrelevant | Only
_ANY = Supported()
_NO_SOURCE = Irrelevant("a language model has no source")
_NO_EMBEDDING = Irrelevant("a recurrent language model has no embedding")
_TRANSFORMER = Irrelevant("only the Transformer has it")
_ALL_TRUE = Irrelevant("the true token is always fed")

RULES: dict[str, Rule] = {
    "model.cell": Only(tuple(CELLS)),
    "model.attention": Only(("none",)),
    "model.copy": Only((False,)),
    "model.layers": Only((1,)),
    "model.hidden": _ANY,
    "model.embedding": _NO_EMBEDDING,
    "model.bidirectional": _NO_SOURCE,
    "model.bridge": _NO_SOURCE,
    "model.feed_context": _NO_SOURCE,
    "model.dropout": Only((0,)),
    "model.embedding_dropout": _NO_EMBEDDING,
    "model.tied_embeddings": Only((False,)),
    "model.layer_norm": Only((False,)),
    "model.activation": Only(("tanh",)),
    "model.init": Only(("default",)),
    "model.heads": _TRANSFORMER,
    "model.feedforward": _TRANSFORMER,
    "model.norm": _TRANSFORMER,
    "model.continue_positions": _TRANSFORMER,
    "model.positions": _TRANSFORMER,
    "model.mark_ends": _TRANSFORMER,
    "model.convolution": _TRANSFORMER,
    "train.recipe": Irrelevant("its choices are checked by their own keys"),
    "train.budget": _ANY,
    "train.epochs": _ANY,
    "train.steps": _ANY,
    "train.epoch_steps": _ANY,
    "train.batch_size": _ANY,
    "train.init_from": _ANY,
    "train.freeze": Only(("",)),
    "train.optimizer": Only(registry.NUMPY_OPTIMIZERS),
    "train.lr": _ANY,
    "train.momentum": _ANY,
    "train.weight_decay": _ANY,
    "train.grad_clip": _ANY,
    "train.grad_clip_value": _ANY,
    "train.schedule": _ANY,
    "train.warmup": _ANY,
    "train.plateau_factor": _ANY,
    "train.plateau_patience": _ANY,
    "train.label_smoothing": Only((0,)),
    "train.teacher_forcing": Only((1,)),
    "train.teacher_forcing_end": _ALL_TRUE,
    "train.teacher_forcing_schedule": Only(("constant",)),
    "train.metric": Only(("loss",)),
    "train.patience": _ANY,
    "train.target_accuracy": Irrelevant("a language model has no sequence accuracy"),
    "train.seed": _ANY,
    "train.members": _ANY,
    "train.distill": Only(("",)),
    "train.unlabelled": Only(("",)),
    "train.backend": _ANY,
    "train.threads": _ANY,
    "train.device": Only(("auto", "cpu")),
    "train.kernels": Irrelevant("only PyTorch has kernels to choose from"),
    "train.precision": Only(("float32", "float64")),
    "train.samples": _ANY,
    "train.save_every": _ANY,
}


def check_model(config: Config, codec: Codec) -> None:
    """Refuse models that this backend cannot run.

    Raises:
        UsageError: a setting is not supported; the hint has the supported values.
    """
    if codec.source is not None:
        raise UsageError(
            "the numpy backend trains language models, and this data has sources",
            f"train on names (--task names), {_OTHERWISE}",
        )
    for key in ("model.cell", "model.layers", "model.attention", "model.activation"):
        _check(config, key)


def check_training(config: Config, corpus: Corpus) -> None:
    """Refuse models and training settings that this backend does not support.

    Raises:
        UsageError: a setting is not supported; the hint has the supported values.
    """
    check_model(config, corpus.codec)
    for key in keys():
        if key.startswith(("model.", "train.")):
            _check(config, key)
    if corpus.splits["train"].weights is not None:
        raise UsageError(
            "the numpy backend does not weight rows by a count",
            f"--set data.counts=repeats, {_OTHERWISE}",
        )


def _check(config: Config, key: str) -> None:
    """Refuse a value that the key's rule does not allow; without a rule only the default is."""
    rule = RULES.get(key, Only((keys()[key].default,)))
    section, _, leaf = key.partition(".")
    value = getattr(getattr(config, section), leaf)
    if isinstance(rule, Only) and value not in (allowed := list(rule.values)):
        choices = " or ".join(map(str, allowed))
        raise UsageError(
            f"the numpy backend has no {key} {value}", f"--set {key}={choices}, {_OTHERWISE}"
        )
