"""`info`: describe a checkpoint: its model, data and scores, and commands that use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.arguments import checked
from seqcli.api.checkpoint_config import OpenedCheckpoint
from seqcli.api.members import Ckpt, OpenedMembers, open_members
from seqcli.checkpoints.content import Checkpoint, RunRecord
from seqcli.config import Config
from seqcli.config.sections import describe
from seqcli.data.corpus import Codec
from seqcli.descriptions import CheckpointInfo, MemberInfo, Side
from seqcli.messages import model_words
from seqcli.schema import to_plain

_NOT_DATA_KEYS = {"name", "baselines", "origins", "fingerprints", "max_source", "max_target"}


@checked
def info(ckpt: Ckpt) -> CheckpointInfo:
    """Describe a checkpoint: its model, training data, scores, and commands that use it.

    Args:
        ckpt: a run folder (its best checkpoint), a checkpoint file or a pattern; several of them
            are described as an ensemble.

    Raises:
        CheckpointError: a file is missing, damaged or not a seqcli checkpoint.
        UsageError: the members of an ensemble do not fit together.
    """
    return info_of(open_members(ckpt), ckpt)


def info_of(opened: OpenedMembers, ckpt: Ckpt) -> CheckpointInfo:
    """Describe opened checkpoints, with commands that name them as ``ckpt``; see `info`."""
    checkpoint, limits = opened.first.checkpoint, opened.limits
    codec, record = checkpoint.codec, checkpoint.record
    source = None
    if codec.source is not None:
        source = Side(codec.source_tokenizer.style, codec.source.tokens, limits.source)
    members = tuple(map(_member, opened.members))
    alone = members[0] if len(members) == 1 else None
    return CheckpointInfo(
        path=opened.name,
        version=checkpoint.version,
        model=_model(members),
        parameters=sum(member.parameters for member in members),
        megabytes=round(sum(one.path.stat().st_size for one in opened.members) / 1e6, 2),
        backend=opened.first.config.train.backend,
        source=source,
        target=Side(codec.target_tokenizer.style, codec.target.tokens, limits.target),
        form={**vars(codec.normalizer), "features": codec.features},
        data=_data(record),
        settings=_shared_settings([one.config for one in opened.members]),
        epoch=alone.epoch if alone else 0,
        metrics=alone.metrics if alone else {},
        baselines=record.baselines or {},
        resumable=alone is not None and checkpoint.training is not None,
        next=tuple(
            _next_commands(
                [ckpt] if isinstance(ckpt, str | Path) else ckpt,
                codec,
                record.rows or record.sizes or {},
                alone is not None,
            )
        ),
        members=() if alone else members,
    )


def _member(opened: OpenedCheckpoint) -> MemberInfo:
    checkpoint, metrics = opened.checkpoint, dict(opened.checkpoint.metrics)
    epoch = int(metrics.pop("epoch", 0))
    model = describe(opened.config.model, checkpoint.codec.source is None)
    return MemberInfo(str(opened.path), model, _parameters(checkpoint), epoch, metrics)


def _model(members: Sequence[MemberInfo]) -> str:
    """Describe the model in one line."""
    models = list(dict.fromkeys(member.model for member in members))
    if len(members) == 1:
        return models[0]
    count = f"ensemble of {len(members)} models"
    return f"{count}, each {models[0]}" if len(models) == 1 else count


def _parameters(checkpoint: Checkpoint) -> int:
    """Return the number of parameters; tied weights count once."""
    different = {id(weight): weight for weight in checkpoint.weights.values()}
    return sum(int(weight.size) for weight in different.values())


def _data(record: RunRecord) -> dict[str, Any]:
    stored = to_plain(record)
    data = {key: value for key, value in stored.items() if key not in _NOT_DATA_KEYS}
    return {"name": record.name or "", **data}


def _shared_settings(configs: Sequence[Config]) -> dict[str, tuple[Any, str]]:
    """Return the keys that were set, with their values and origins, if all models share them."""
    first, *others = map(_settings, configs)
    return {key: value for key, value in first.items() if all(o.get(key) == value for o in others)}


def _settings(config: Config) -> dict[str, tuple[Any, str]]:
    """Return the keys that were set, with their values and origins."""
    values = configuration.to_plain(config)
    settings = {}
    for key, origin in config.origins.items():
        section, _, name = key.partition(".")
        if name in values.get(section, {}):
            settings[key] = (values[section][name], origin)
    return settings


def _next_commands(
    models: Sequence[object], codec: Codec, rows: Mapping[str, int], alone: bool
) -> Iterator[str]:
    """Yield commands that use a model, alone or an ensemble, of these checkpoints."""
    ckpt, to_predict = model_words(models), model_words(models, sources_follow=True)
    if codec.source is None:
        yield f"seqcli sample {ckpt} --n 10"
    elif codec.features:
        yield f"printf 'SOURCE\\tFEATURES\\n' | seqcli predict {to_predict}"
    else:
        yield f"seqcli predict {to_predict}"
    split = next((f" --split {name}" for name in ("val", "train") if rows.get(name)), "")
    yield f"seqcli eval {ckpt}" + split * (bool(rows) and not rows.get("test"))
    kind = "onnx --out exported" if alone else "safetensors --out ensemble.safetensors"
    yield f"seqcli export {ckpt} --to {kind}"
