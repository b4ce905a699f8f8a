"""`info`: describe a checkpoint: its model, data and scores, and commands that use it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.arguments import checked
from seqcli.api.checkpoint_config import open_checkpoint
from seqcli.checkpoints.content import Checkpoint, RunRecord
from seqcli.config import Config
from seqcli.config.sections import describe
from seqcli.data.corpus import Codec
from seqcli.results import CheckpointInfo, Side
from seqcli.schema import to_plain

_NOT_DATA_KEYS = {"name", "baselines", "origins", "fingerprints", "max_source", "max_target"}


@checked
def info(ckpt: str | Path) -> CheckpointInfo:
    """Describe a checkpoint: its model, training data, scores, and commands that use it.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.

    Raises:
        CheckpointError: the file is missing, damaged or not a seqcli checkpoint.
    """
    opened = open_checkpoint(ckpt)
    path, checkpoint, config, limits = opened.path, opened.checkpoint, opened.config, opened.limits
    codec, record = checkpoint.codec, checkpoint.record
    source = None
    if codec.source is not None:
        source = Side(codec.source_tokenizer.style, codec.source.tokens, limits.source)
    metrics = dict(checkpoint.metrics)
    return CheckpointInfo(
        path=str(path),
        version=checkpoint.version,
        model=describe(config.model, source is None),
        parameters=_parameters(checkpoint),
        megabytes=round(path.stat().st_size / 1e6, 2),
        backend=config.train.backend,
        source=source,
        target=Side(codec.target_tokenizer.style, codec.target.tokens, limits.target),
        form={**vars(codec.normalizer), "features": codec.features},
        data=_data(record),
        settings=_settings(config),
        epoch=int(metrics.pop("epoch", 0)),
        metrics=metrics,
        baselines=record.baselines or {},
        resumable=checkpoint.training is not None,
        next=tuple(
            _next_commands(shlex.quote(str(ckpt)), codec, record.rows or record.sizes or {})
        ),
    )


def _parameters(checkpoint: Checkpoint) -> int:
    """Return the number of parameters; tied weights count once."""
    different = {id(weight): weight for weight in checkpoint.weights.values()}
    return sum(int(weight.size) for weight in different.values())


def _data(record: RunRecord) -> dict[str, Any]:
    stored = to_plain(record)
    data = {key: value for key, value in stored.items() if key not in _NOT_DATA_KEYS}
    return {"name": record.name or "", **data}


def _settings(config: Config) -> dict[str, tuple[Any, str]]:
    """Return the keys that were set, with their values and origins."""
    values = configuration.to_plain(config)
    settings = {}
    for key, origin in config.origins.items():
        section, _, name = key.partition(".")
        if name in values.get(section, {}):
            settings[key] = (values[section][name], origin)
    return settings


def _next_commands(ckpt: str, codec: Codec, rows: Mapping[str, int]) -> Iterator[str]:
    """Yield commands that use the model."""
    if codec.source is None:
        yield f"seqcli sample --ckpt {ckpt} --n 10"
    elif codec.features:
        yield f"printf 'SOURCE\\tFEATURES\\n' | seqcli predict --ckpt {ckpt}"
    else:
        yield f"seqcli predict --ckpt {ckpt}"
    split = next((f" --split {name}" for name in ("val", "train") if rows.get(name)), "")
    yield f"seqcli eval --ckpt {ckpt}" + split * (bool(rows) and not rows.get("test"))
    yield f"seqcli export {ckpt} --to onnx --out exported"
