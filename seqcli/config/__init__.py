"""The configuration of a run: defaults < YAML < ``--set`` < flags, validated, with origins."""

from seqcli.config.flags import FLAGS
from seqcli.config.loading import flat, from_plain, load, task_options, to_plain, with_defaults
from seqcli.config.schema import Key, keys
from seqcli.config.sections import Config, DataConfig, DecodeConfig, ModelConfig, TrainConfig

__all__ = [
    "FLAGS",
    "Config",
    "DataConfig",
    "DecodeConfig",
    "Key",
    "ModelConfig",
    "TrainConfig",
    "flat",
    "from_plain",
    "keys",
    "load",
    "task_options",
    "to_plain",
    "with_defaults",
]
