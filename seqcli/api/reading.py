"""What a checkpoint says about itself, read without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.corpus import Codec
from seqcli.data.limits import Limits
from seqcli.errors import CheckpointError, UsageError


def config_of(checkpoint: Checkpoint, path: Path) -> Config:
    """Return the configuration in a checkpoint, checked as strictly as one from a user.

    Raises:
        CheckpointError: it holds something this version does not know.
    """
    origins = checkpoint.about.get("origins", {})
    try:
        return replace(configuration.from_plain(checkpoint.config), origins=origins)
    except UsageError as error:
        raise CheckpointError(f"{path}: {error.message}", error.hint) from error


def limits_of(about: Mapping[str, Any], codec: Codec, path: Path) -> Limits:
    """Return the longest rows of training, as a checkpoint or corpus tells them.

    Raises:
        CheckpointError: it does not tell them.
    """
    source, target = about.get("max_source"), about.get("max_target")
    if not (isinstance(source, int) and isinstance(target, int)):
        raise CheckpointError(
            f"{path}: does not say how long its training rows were", "train again"
        )
    return Limits(source, target, labels=codec.target_tokens.style == "whole")
