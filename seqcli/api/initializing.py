"""`train --init-from`: start from the weights of another run.

The new run has the architecture and the tokenization of the other run unless they are set, and its
vocabularies, extended by the new tokens. Weights are reused wherever their shapes fit; the rows of
new tokens are initialized as usual.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqcli.api.checkpoint_config import OpenedCheckpoint, limits_of, open_checkpoint
from seqcli.config import Config, to_plain, with_defaults
from seqcli.data.build import extended_codec, reencoded
from seqcli.data.corpus import Codec, Corpus
from seqcli.data.vocabulary import visible_token
from seqcli.errors import UsageError
from seqcli.messages import plural
from seqcli.training.trainer import Trainer

SHOWN = 5  # names in a list of a note
_TEXT_KEYS = ("source_tokens", "target_tokens", "normalize", "lower")


def initial_model(config: Config) -> OpenedCheckpoint | None:
    """Open the model of ``train.init_from``; None if it is not set.

    Raises:
        CheckpointError: the file is missing, damaged or not a checkpoint.
    """
    return open_checkpoint(config.train.init_from) if config.train.init_from else None


def with_initial_settings(config: Config) -> Config:
    """Fill the keys of the model and of tokenization that are not set from the initial model.

    The path of the model becomes absolute, so that the run can be repeated from any folder. Without
    an initial model the configuration is returned unchanged.

    Raises:
        CheckpointError: the model cannot be read.
        UsageError: the settings do not fit together.
    """
    initial, path = initial_model(config), config.train.init_from
    if initial is None:
        return config
    _check_architecture(config, initial, path)
    codec = initial.checkpoint.codec
    values = {f"model.{key}": one for key, one in to_plain(initial.config)["model"].items()}
    if not config.data.task:
        styles = (codec.source_tokenizer.style, codec.target_tokenizer.style)
        texts = (*styles, codec.normalizer.normalize, codec.normalizer.lower)
        values |= {f"data.{key}": one for key, one in zip(_TEXT_KEYS, texts, strict=True)}
    unset = {key: value for key, value in values.items() if key not in config.origins}
    config = with_defaults(config, unset, f"from {path}")
    absolute = os.path.abspath(path)  # noqa: PTH100 - keep links
    return replace(config, train=replace(config.train, init_from=absolute))


def with_initial_vocabulary(corpus: Corpus, config: Config) -> Corpus:
    """Encode a corpus with the vocabularies of the initial model, extended by its new tokens.

    Raises:
        CheckpointError: the model cannot be read.
        UsageError: the model has other inputs or outputs, or another tokenization.
    """
    initial = initial_model(config)
    if initial is None:
        return corpus
    old, new = initial.checkpoint.codec, corpus.codec
    if (old.source is None) != (new.source is None):
        kinds = ("a language model", "a model of pairs")
        kind = kinds[old.source is not None]
        message = f"--init-from {initial.path}: is {kind}, but {corpus.name} contains "
        message += "pairs" if old.source is None else "texts without sources"
        raise UsageError(message, "start from a model that was trained on data of the same kind")
    for what, value in new.text_settings.items():
        before = old.text_settings[what]
        if value != before:
            message = f"--init-from {initial.path}: {what} is {before}, "
            message += f"but {value} for {corpus.name}"
            raise UsageError(message, "prepare the texts in the same way, or train a new model")
    return reencoded(corpus, extended_codec(old, new))


def initialize(trainer: Trainer, config: Config, corpus: Corpus) -> tuple[str, ...]:
    """Copy the weights of the initial model, if there is one, to a trainer.

    Returns:
        notes on what was reused and what was not.

    Raises:
        CheckpointError: the model cannot be read.
    """
    initial = initial_model(config)
    if initial is None:
        return ()
    old, sizes = initial.checkpoint.weights, _changed_sizes(initial, corpus)
    fitted = {
        name: _fitted(_on_cpu(weight), old.get(name), sizes)
        for name, weight in trainer.weights().items()
    }
    trainer.set_weights({name: one.weight for name, one in fitted.items()})
    added = _added_tokens(initial.checkpoint.codec, corpus.codec)
    notes = [_reused_note(initial, list(fitted.values()), added)]
    if added and "embeddings" in config.train.freeze:
        notes.append("the embeddings of new tokens are frozen at their initial values")
    problems = [f"{name} {one.problem}" for name, one in fitted.items() if one.problem]
    left = [name for name in old if name not in fitted]
    problems += [f"{name} ({_shape(old[name])}) has no counterpart" for name in left]
    if problems:
        notes.append(f"not reused: {_list(problems)}")
    return tuple(notes)


@dataclass(frozen=True)
class _Fitted:
    """A weight of the new model, and why it is not that of the initial model, if it is not."""

    weight: NDArray[Any]
    problem: str = ""


def _fitted(fresh: NDArray[Any], old: Any, sizes: set[tuple[int, int]]) -> _Fitted:
    """Return the old weight, or the fresh one with as much of the old one as fits.

    Args:
        fresh: the initialized weight.
        old: the weight of the initial model, or None.
        sizes: the old and new sizes of the axes that depend on the data: vocabularies, positions.
    """
    if old is None:
        return _Fitted(fresh, f"({_shape(fresh)}) is new")
    if old.shape == fresh.shape:
        return _Fitted(old)
    pairs = list(zip(old.shape, fresh.shape, strict=False))
    changed = [pair for pair in pairs if pair[0] != pair[1]]
    if old.ndim != fresh.ndim or len(changed) > 1 or changed[0] not in sizes:
        return _Fitted(fresh, f"is {_shape(old)} there, {_shape(fresh)} here")
    common = tuple(slice(min(pair)) for pair in pairs)
    weight = fresh.copy()
    weight[common] = old[common]
    return _Fitted(weight)


def _on_cpu(weight: Any) -> NDArray[Any]:
    """Return a weight of either backend as an array."""
    return np.asarray(weight.cpu() if hasattr(weight, "cpu") else weight)


def _check_architecture(config: Config, initial: OpenedCheckpoint, path: str) -> None:
    """Refuse to start a Transformer from a recurrent model, or the reverse: nothing would fit."""
    old, new = initial.config.model.cell, config.model.cell
    if "model.cell" in config.origins and (old == "transformer") != (new == "transformer"):
        message = f"--init-from {path}: the model is of kind {old}, not {new}"
        raise UsageError(message, f"omit --cell {new}, or train a new model")


def _changed_sizes(initial: OpenedCheckpoint, corpus: Corpus) -> set[tuple[int, int]]:
    """Return the old and new sizes that depend on the data: of vocabularies, and positions."""
    old, new = initial.checkpoint.codec, corpus.codec
    limits = limits_of(corpus.provenance, new, initial.path)
    sizes = {(len(old.target), len(new.target)), (initial.limits.positions, limits.positions)}
    if old.source is not None and new.source is not None:
        sizes.add((len(old.source), len(new.source)))
    return sizes


def _added_tokens(old: Codec, new: Codec) -> dict[str, list[str]]:
    """Return the new tokens of each side that has some."""
    sides = {"source": (old.source, new.source), "target": (old.target, new.target)}
    added = {
        side: [visible_token(token) for token in now.tokens[len(before.tokens) :]]
        for side, (before, now) in sides.items()
        if before is not None and now is not None
    }
    return {side: tokens for side, tokens in added.items() if tokens}


def _reused_note(
    initial: OpenedCheckpoint, fitted: list[_Fitted], added: Mapping[str, list[str]]
) -> str:
    reused = sum(not one.problem for one in fitted)
    note = f"starting from {initial.path}: {reused} of {plural(len(fitted), 'weight array')} reused"
    for side, tokens in added.items():
        note += f"; {plural(len(tokens), f'new {side} token')}: {_list(tokens)}"
    return note


def _list(items: list[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def _shape(weight: Any) -> str:
    return " x ".join(map(str, weight.shape)) or "a scalar"
