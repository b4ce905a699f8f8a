"""Short names for common keys: flags of ``seqcli train`` and arguments of the API."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any, TypedDict

from seqcli import registry
from seqcli.config.limits import Duration, OneOf
from seqcli.config.schema import ALSO_CALLED, TASK, Plain, keys
from seqcli.errors import UsageError

FLAGS: Mapping[str, str] = {
    "task": "data.task",
    "data": "data.path",
    "train": "data.train_file",
    "val": "data.val_file",
    "test": "data.test_file",
    "format": "data.format",
    "columns": "data.columns",
    "separator": "data.separator",
    "counts": "data.counts",
    "length": "task.length",
    "test_length": "task.test_length",
    "vocab": "task.vocab",
    "train_rows": "data.train",
    "val_rows": "data.val",
    "test_rows": "data.test",
    "data_seed": "data.seed",
    "source_tokens": "data.source_tokens",
    "target_tokens": "data.target_tokens",
    "normalize": "data.normalize",
    "lower": "data.lower",
    "strict": "data.strict",
    "cell": "model.cell",
    "attention": "model.attention",
    "copy": "model.copy",
    "layers": "model.layers",
    "hidden": "model.hidden",
    "embedding": "model.embedding",
    "heads": "model.heads",
    "dropout": "model.dropout",
    "init": "model.init",
    "backend": "train.backend",
    "recipe": "train.recipe",
    "budget": "train.budget",
    "init_from": "train.init_from",
    "freeze": "train.freeze",
    "epochs": "train.epochs",
    "steps": "train.steps",
    "batch_size": "train.batch_size",
    "optimizer": "train.optimizer",
    "lr": "train.lr",
    "schedule": "train.schedule",
    "warmup": "train.warmup",
    "patience": "train.patience",
    "seed": "train.seed",
    "ensemble": "train.members",
    "distill": "train.distill",
    "unlabelled": "train.unlabelled",
    "threads": "train.threads",
    "device": "train.device",
    "samples": "train.samples",
    "beam": "decode.beam",
    "length_penalty": "decode.length_penalty",
}


class Flags(TypedDict, total=False):
    """The types of the flags as arguments of functions; None leaves a setting open.

    ``data``, ``train``, ``val`` and ``test`` are files; the last three may be numbers of rows of a
    task.
    """

    task: str | None
    data: str | PathLike[str] | None
    train: str | PathLike[str] | int | None
    val: str | PathLike[str] | int | None
    test: str | PathLike[str] | int | None
    format: str | None
    columns: str | None
    separator: str | None
    counts: str | None
    length: str | int | None
    test_length: str | int | None
    vocab: int | None
    train_rows: int | None
    val_rows: int | None
    test_rows: int | None
    data_seed: int | None
    source_tokens: str | None
    target_tokens: str | None
    normalize: str | None
    lower: str | None
    strict: bool | None
    cell: str | None
    attention: str | bool | None
    copy: bool | None
    layers: int | None
    hidden: int | None
    embedding: int | None
    heads: int | None
    dropout: float | None
    init: str | None
    backend: str | None
    recipe: str | None
    budget: str | float | None
    init_from: str | PathLike[str] | None
    freeze: str | None
    epochs: int | None
    steps: int | None
    batch_size: int | None
    optimizer: str | None
    lr: float | None
    schedule: str | None
    warmup: int | None
    patience: int | None
    seed: int | None
    ensemble: int | None
    distill: str | PathLike[str] | None
    unlabelled: str | PathLike[str] | None
    threads: int | None
    device: str | None
    samples: int | None
    beam: int | None
    length_penalty: float | None


# Help texts of flags whose keys have none: options of the task.
TASK_HELP = {
    "length": "Tokens per row: a number, or a range such as 5:20.",
    "test_length": "Tokens per test row, such as 21:40 (default: same as in training).",
    "vocab": "Vocabulary size of the task.",
}


def description(name: str, defaults: Mapping[str, Any] | None = None) -> str:
    """Describe a flag in one line: what it sets, its choices and its default.

    ``defaults``: dotted key -> default, where it differs from that of the configuration.
    """
    from seqcli.config.recipe_choice import varying

    key = keys().get(FLAGS[name])
    if key is None:
        return TASK_HELP[name]
    choices = f" One of {', '.join(key.limit.names)}." if isinstance(key.limit, OneOf) else ""
    chosen = "by recipe" if key.name in varying() else key.default
    chosen = (defaults or {}).get(key.name, chosen)
    has_default = chosen not in ("", False) and not isinstance(key.limit, Duration)
    python = " True is additive." if name == "attention" else ""
    return key.doc + choices + python + f" Default: {chosen}." * has_default


def spelt(name: str) -> str:
    """Return the flag as typed: ``batch_size`` is ``--batch-size``."""
    return "--" + name.replace("_", "-")


def dotted(flags: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return dotted key -> (flag as typed, value) for every flag that is not None.

    Raises:
        UsageError: no flag has that name; the hint names the nearest flag or the key.
    """
    values: dict[str, tuple[str, Any]] = {}
    for name, value in flags.items():
        if name not in FLAGS:
            hint = alternative_hint(name) or registry.suggest(name, FLAGS)
            raise UsageError(f"no flag is called {name!r}", hint)
        if name == "attention" and isinstance(value, bool):
            value = "additive" if value else "none"
        if FLAGS[name].startswith(TASK) and isinstance(value, str):
            value = Plain(value)  # text on the command line; the task may expect a number
        if value is not None:
            rows = _rows_key(name, value)
            value = Plain(value) if rows and isinstance(value, str) else value
            values[rows or FLAGS[name]] = (spelt(name), value)
    return values


def _rows_key(name: str, value: object) -> str:
    """Return the key of the number of rows if ``--train``, ``--val`` or ``--test`` is a number."""
    is_number = isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
    return f"data.{name}" if name in ("train", "val", "test") and is_number else ""


def alternative_hint(name: str, options: Collection[str] | None = None) -> str:
    """Return a hint for a setting with another flag or only a key; "" if there is none.

    ``options``: those that the command has, without dashes, if not all flags.
    """
    flag_of = {key: flag for flag, key in FLAGS.items()}
    flag = flag_of.get(ALSO_CALLED.get(name, ""), "")
    if flag and (options is None or spelt(flag).removeprefix("--") in options):
        return f"did you mean {spelt(flag)}?"
    own = FLAGS.get(name, ALSO_CALLED.get(name, ""))
    same = [key.name for key in keys().values() if key.leaf == name or key.name == own]
    return f"{same[0]} has no flag; use --set {same[0]}=..." if same else ""
