"""Build a model from a configuration."""

from __future__ import annotations

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.errors import UsageError
from seqcli.models.base import Model
from seqcli.models.language_model import language_model
from seqcli.models.seq2seq import seq2seq
from seqcli.models.transformer import Transformer


def build(config: ModelConfig, source: int | None, target: int, longest: int) -> Model:
    """Build a model for vocabularies of ``source`` and ``target`` ids.

    Args:
        config: what to build.
        source: None for a language model.
        target: the size of the target vocabulary.
        longest: positions that learned positions must have room for.

    Raises:
        UsageError: the settings do not fit together.
    """
    if source is None:
        if config.attention != "none":
            raise UsageError(
                "a language model has no source to look back at",
                "leave --attention out, or train on pairs",
            )
        model = language_model(config, target, longest)
    elif config.cell == "transformer":
        if config.attention != "none":
            raise UsageError(
                "a Transformer is attention already; --attention is for rnn, gru and lstm",
                "leave --attention out, or choose another --cell",
            )
        model = Transformer(config, source, target, longest)
    else:
        model = seq2seq(config, source, target)
    registry.resolve("initialisation", config.init, registry.INITIALISATIONS)(model)
    return model
