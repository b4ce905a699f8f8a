"""Build a model from its configuration, and initialize its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from seqcli import registry
from seqcli.config import ModelConfig
from seqcli.data.vocabulary import PAD
from seqcli.errors import UsageError
from seqcli.models.attention import Attention
from seqcli.models.base import Model
from seqcli.models.language_model import language_model
from seqcli.models.monotonic import monotonic_seq2seq
from seqcli.models.rnn import RNN
from seqcli.models.seq2seq import BahdanauDecoder, seq2seq
from seqcli.models.transformer import Transformer


def pytorch_default(model: nn.Module) -> None:
    """Keep PyTorch's initialization."""


def orthogonal(model: nn.Module) -> None:
    """Make each gate's block of every matrix orthogonal (Saxe et al. 2014, arXiv:1312.6120)."""
    _each_block(model, lambda block: nn.init.orthogonal_(block))


def xavier(model: nn.Module) -> None:
    """Initialize each gate's block with the uniform distribution of Glorot and Bengio (2010)."""
    _each_block(model, lambda block: nn.init.xavier_uniform_(block))


def _each_block(model: nn.Module, fill: Callable[[Tensor], object]) -> None:
    """Apply ``fill`` to each gate's block of each weight matrix, embeddings excepted."""
    gates = _gates(model)
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            continue
        for weight in module.parameters(recurse=False):
            if weight.dim() == 2:
                for block in weight.data.chunk(gates.get(weight, 1)):  # (H, I) each
                    fill(block)


def _gates(model: nn.Module) -> dict[Tensor, int]:
    """Return the number of gates that the rows of each recurrent weight matrix are split into."""
    return {
        weight: module.cell.gates
        for module in model.modules()
        if isinstance(module, RNN | BahdanauDecoder)
        for part in module.gated()
        for weight in part.parameters()
    }


def _attention(config: ModelConfig) -> type[Attention] | None:
    """Return the attention of a recurrent decoder, or None without it."""
    if config.attention == "none":
        return None
    kind: type[Attention] = registry.resolve("attention", config.attention, registry.ATTENTIONS)
    return kind


def check_copying(config: ModelConfig, copy_ids: Sequence[int]) -> None:
    """Refuse to copy without a source, without attention, or without a token to copy.

    Args:
        config: a model, which may copy or not.
        copy_ids: see `build`; empty for a language model.

    Raises:
        UsageError: the model cannot copy.
    """
    if not config.copy:
        return
    if not copy_ids:
        raise UsageError("a language model has no source to copy from", "leave --copy out")
    if config.cell != "transformer" and config.attention == "none":
        message = "copying needs attention: it points to the token to copy"
        raise UsageError(message, "add --attention, or leave --copy out")
    kind = _attention(config)
    if kind is not None and kind.monotonic:
        message = f"copying does not work with {config.attention} attention"
        raise UsageError(message, "choose additive, dot or general, or leave --copy out")
    if all(target == PAD for target in copy_ids):
        message = "source and target have no token in common, so there is nothing to copy"
        raise UsageError(message, "leave --copy out")


def build(
    config: ModelConfig,
    source: int | None,
    target: int,
    max_length: int,
    copy_ids: Sequence[int] = (),
) -> Model:
    """Build a model for vocabularies of ``source`` and ``target`` ids.

    Args:
        config: the architecture and its sizes.
        source: the size of the source vocabulary; None for a language model.
        target: the size of the target vocabulary.
        max_length: maximum sequence length; the size of a table of learned positions.
        copy_ids: for each source id the target id of the same token, or `PAD`; see
            `seqcli.models.copying.PointerGenerator`.

    Raises:
        UsageError: the settings are incompatible.
    """
    check_copying(config, copy_ids)
    if source is None:
        if config.attention != "none":
            raise UsageError(
                "a language model has no source to attend to",
                "leave --attention out, or train on pairs",
            )
        model = language_model(config, target, max_length)
    elif config.cell == "transformer":
        if config.attention != "none":
            raise UsageError(
                "a Transformer has attention already; --attention is for rnn, gru and lstm",
                "leave --attention out, or choose another --cell",
            )
        model = Transformer(config, source, target, max_length, copy_ids)
    else:
        kind = _attention(config)
        if kind is not None and kind.monotonic:
            model = monotonic_seq2seq(config, source, target, kind)
        else:
            model = seq2seq(config, source, target, copy_ids)
    registry.resolve("initialization", config.init, registry.INITIALIZATIONS)(model)
    return model
