"""One way from a configuration to a model."""

from __future__ import annotations

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.errors import UsageError
from seqcli.models.contract import Model
from seqcli.models.encoder_decoder import encoder_decoder
from seqcli.models.transformer import Transformer


def build(config: ModelConfig, source: int, target: int, longest: int) -> Model:
    """Build a model for vocabularies of ``source`` and ``target`` ids.

    ``longest`` is the number of positions that learned positions must have room for.

    Raises:
        UsageError: the settings do not fit together.
    """
    if config.cell == "transformer":
        if config.attention != "none":
            raise UsageError(
                "a Transformer is attention already; --attention is for rnn, gru and lstm",
                "leave --attention out, or choose another --cell",
            )
        model: Model = Transformer(config, source, target, longest)
    else:
        model = encoder_decoder(config, source, target)
    registry.resolve("initialisation", config.init, registry.INITIALISATIONS)(model)
    return model


def describe(config: ModelConfig) -> str:
    """Return one line that says what the model is."""
    layers = "1 layer" if config.layers == 1 else f"{config.layers} layers"
    if config.cell == "transformer":
        return (
            f"Transformer, {layers} each, {config.hidden} wide, {config.heads} heads, "
            f"{config.positions} positions, {config.norm}-norm"
        )
    cell = f"{config.activation} RNN" if config.cell == "rnn" else config.cell.upper()
    encoder = "bidirectional" if config.bidirectional else "one-way"
    attention = f"{config.attention} attention" if config.attention != "none" else "no attention"
    return f"{cell} encoder-decoder, {layers}, {config.hidden} wide, {encoder}, {attention}"
