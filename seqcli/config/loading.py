"""Load a configuration: defaults < YAML < ``--set`` < flags, each value with its origin.

``--set`` and flags form one layer: neither discards settings of the other. Keys that no layer sets
have the default of the schema here; `seqcli.config.recipes` chooses better ones from the data.
`options_of` is the inverse: it writes a configuration as options of ``seqcli train``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from seqcli.config import flags as flag_table
from seqcli.config import schema
from seqcli.config.examples import config_path
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.limits import Duration, Scalar
from seqcli.config.schema import TASK, stays_text
from seqcli.config.sections import Config
from seqcli.errors import UsageError

# Keys that select the training data: a layer may set one, which replaces that of lower layers.
_WAYS = {
    "data.task": "a task",
    "data.path": "a data path",
    "data.train_file": "a file of training rows",
}
BY_BUDGET = "limited by train.budget"  # origin of train.epochs
# Keys of earlier versions, which stored configurations still have, and values without effect.
_REMOVED = {
    "train.ema": ("0", "0.0"),
    "train.restarts": tuple(map(str, range(1, 11))),  # of a schedule that was removed as well
}
_BESIDE_TRAIN = ("data.val_file", "data.test_file")

Source = str | PathLike[str] | Mapping[str, Any] | Config


@dataclass(frozen=True)
class Setting:
    """An assignment of a key. ``origin`` is stored with the value; ``where`` is used in errors."""

    key: str
    value: object
    origin: str
    where: str


def load(
    source: Source | None = None, sets: Sequence[str] = (), flags: Mapping[str, Any] | None = None
) -> Config:
    """Build the configuration from all layers.

    Args:
        source: a YAML file (``-`` is stdin), the name of a preset, a mapping of sections or dotted
            keys, or a configuration to start from.
        sets: ``key=value`` texts, the key dotted.
        flags: flag name (see ``FLAGS``) -> value; None counts as not given.

    Raises:
        UsageError: a key or flag is unknown, given twice or of the wrong type; a value is out of
            range; values are incompatible; the file is missing or not YAML.
    """
    base = source if isinstance(source, Config) else Config()
    state = _State(dict(_flat(to_plain(base))), dict(base.origins))
    if source is not None and not isinstance(source, Config):
        state.apply(list(_from_source(source)))
    flag_values = flag_table.dotted(flags or {})
    typed = [Setting(key, value, flag, flag) for key, (flag, value) in flag_values.items()]
    state.apply([*map(_from_set, sets), *typed])
    state.lift_epochs()
    return state.config()


def with_defaults(config: Config, values: Mapping[str, object], origin: str) -> Config:
    """Return a configuration with other values for some keys, all with the same origin.

    Raises:
        UsageError: a value is out of range, or values are incompatible.
    """
    state = _State(dict(_flat(to_plain(config))), dict(config.origins))
    state.apply([Setting(key, value, origin, origin) for key, value in values.items()])
    return state.config()


def to_plain(config: Config) -> dict[str, dict[str, Any]]:
    """Return section -> key -> value as plain dicts, lists, numbers and text."""
    plain: dict[str, dict[str, Any]] = {}
    for name in ("data", "task", *schema.section_types()):
        section = getattr(config, name)
        plain[name] = dict(section) if name == "task" else dataclasses.asdict(section)
    return plain


def flat(config: Config) -> dict[str, Scalar]:
    """Return dotted key -> value; options of a task that are not scalars as text."""
    sections = to_plain(config).items()
    return {
        f"{section}.{key}": value if isinstance(value, Scalar) else str(value)
        for section, values in sections
        for key, value in values.items()
    }


def from_plain(plain: object, origin: str = "checkpoint") -> Config:
    """Convert the output of ``to_plain`` back, validated as strictly as a file.

    Raises:
        UsageError: it is not such a mapping, or contains an unknown key or an invalid value.
    """
    if not isinstance(plain, Mapping):
        raise UsageError(
            f"{origin}: the configuration must be a mapping, not {type(plain).__name__}"
        )
    state = _State(dict(_flat(to_plain(Config()))), {})
    state.apply(list(_from_mapping(plain, origin)))
    return state.config()


class _State:
    """The values so far, by dotted key."""

    def __init__(self, values: dict[str, object], origins: dict[str, str]) -> None:
        self.values, self.origins = values, origins

    def apply(self, layer: Sequence[Setting]) -> None:
        """Apply one layer over the previous ones; the last value of a key counts."""
        self._replace_source(layer)
        for one in layer:
            if one.key in _REMOVED:
                _check_removed(one)
                continue
            self.values[one.key] = _checked(one)
            self.origins[one.key] = one.origin

    def lift_epochs(self) -> None:
        """Remove the limit of epochs if a time budget is the only limit that is set."""
        limits = ("train.epochs", "train.steps")
        if self.values["train.budget"] and not any(key in self.origins for key in limits):
            self.values["train.epochs"] = 0
            self.origins["train.epochs"] = BY_BUDGET

    def _replace_source(self, layer: Sequence[Setting]) -> None:
        """Drop the data of previous layers and its options if this layer selects other data.

        Settings of the layer itself are kept, and so are task options of layers without data.
        """
        new = _source_in(layer)
        below = next((key for key in _WAYS if self.values[key]), "")
        if new is None or not below:
            return
        same = new.key == below
        if not same or (below == "data.task" and self.values[below] != new.value):
            for key in [key for key in self.values if key.startswith(TASK)]:
                del self.values[key]
                self.origins.pop(key, None)
        if not same:
            for key in (*_WAYS, *_BESIDE_TRAIN):
                self.values[key] = ""
                self.origins.pop(key, None)

    def config(self) -> Config:
        """Return the configuration, after checking that its values are compatible."""
        nested: dict[str, dict[str, Any]] = {"task": {}}
        for name, value in self.values.items():
            section, _, leaf = name.partition(".")
            nested.setdefault(section, {})[leaf] = value
        typed = {name: cls(**nested[name]) for name, cls in schema.section_types().items()}
        config = Config(**typed, task=nested["task"], origins=self.origins)
        _check_together(config)
        return config


def _source_in(layer: Sequence[Setting]) -> Setting | None:
    """Return the setting that selects the data, if the layer has one.

    Raises:
        UsageError: it has several settings of different kinds.
    """
    chosen = {one.key: one for one in layer if one.key in _WAYS}
    named = [chosen[key] for key in _WAYS if key in chosen and chosen[key].value != ""]
    if len(named) > 1:
        first, second, *_ = named
        both = f"{_WAYS[first.key]} and {_WAYS[second.key]} are both given"
        raise UsageError(f"{second.where}: {both}", "choose one")
    return named[0] if named else None


def _checked(one: Setting) -> object:
    """Return the value of a setting, converted to the type of its key."""
    if one.key.startswith(TASK) and one.key != TASK:
        return schema.read_free(one.key, one.value, one.where)
    return schema.read(schema.find(one.key, one.where), one.value, one.where)


def _check_removed(one: Setting) -> None:
    """Reject a key of an earlier version, unless its value had no effect."""
    if str(one.value) not in _REMOVED[one.key]:
        raise UsageError(f"{one.where}: {one.key} was removed: it helped nowhere", "omit it")


def _check_together(config: Config) -> None:
    """Reject values that are valid separately but not together."""
    model, train = config.model, config.train
    if not (train.epochs or train.steps or train.budget):
        hint = "give --epochs N, or a time: --budget 10m"
        raise UsageError("train.epochs is 0, and no other key limits training", hint)
    if model.cell != "transformer":
        return
    if "model.hidden" in config.origins or train.recipe == "none":  # else the recipe rounds it
        _check_heads(config)
    if model.continue_positions and model.positions in ("rotary", "none"):
        message = f"model.continue_positions has no effect with model.positions={model.positions}"
        raise UsageError(message, "choose sinusoidal or learned positions")
    if model.convolution and model.convolution % 2 == 0:
        message = f"model.convolution is {model.convolution}, which has no middle position"
        raise UsageError(message, "choose an odd number, such as 3; 0 for no convolution")
    if model.attention != "none":
        message = f"model.attention is {model.attention}, but model.cell is transformer"
        hint = "the Transformer has its own attention: omit --attention"
        raise UsageError(message, hint)


def _check_heads(config: Config) -> None:
    """Reject a width that the heads do not divide into parts of a valid size."""
    model = config.model
    if model.hidden % model.heads:
        message = (
            f"model.hidden is {model.hidden}, which model.heads, {model.heads}, does not divide"
        )
        raise UsageError(message, "choose a multiple of the heads for the width")
    width = model.hidden // model.heads
    if model.positions == "rotary" and width % 2:
        message = (
            f"model.positions is rotary, but each head is {width} wide "
            f"(model.hidden {model.hidden}, model.heads {model.heads})"
        )
        raise UsageError(message, "rotary positions rotate pairs: choose heads of an even width")


def _flat(nested: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[str, object]]:
    for section, inside in nested.items():
        for leaf, value in inside.items():
            yield f"{section}.{leaf}", value


def _from_source(source: str | PathLike[str] | Mapping[str, Any]) -> Iterator[Setting]:
    if isinstance(source, Mapping):
        yield from _from_mapping(source, "config")
        return
    from seqcli.config import yaml_file  # YAML is slow to import

    for key, value, name, line in yaml_file.read(config_path(source)):
        yield Setting(key, value, name, f"{name}, line {line}")


def _from_mapping(mapping: Mapping[str, Any], origin: str) -> Iterator[Setting]:
    """Yield the settings of a mapping from sections to keys, or from dotted keys to values."""
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            for leaf, inner in value.items():
                yield Setting(f"{name}.{leaf}", inner, origin, origin)
        else:
            yield Setting(str(name), value, origin, origin)


def task_options(texts: Sequence[str]) -> dict[str, object]:
    """Parse options of a task given as ``key=value`` texts without the prefix ``task.``.

    Raises:
        UsageError: a text is not of that form, or an option is given twice.
    """
    options: dict[str, object] = {}
    for one in (_from_set(TASK + text.strip(), "--option") for text in texts):
        name = one.key.removeprefix(TASK)
        if name in options:
            raise UsageError(f"--option {name} is given twice")
        options[name] = schema.read_free(name, one.value, one.where)
    return options


def _from_set(text: str, flag: str = "--set") -> Setting:
    """Parse ``key=value`` as a setting."""
    key, sign, text_value = (part.strip() for part in text.partition("="))
    if not sign or key in ("", TASK):
        hint = "for example --set train.lr=3e-4 or --option length=5:20"
        raise UsageError(f"{flag} must be key=value, not {text.removeprefix(TASK)!r}", hint)
    value: object = schema.Plain(text_value)
    if key.startswith(TASK) and text_value.startswith(("[", '"', "'")):
        from seqcli.config import yaml_file

        value = yaml_file.read_value(text_value, f"{flag} {key}")
    return Setting(key, value, flag, flag)


_FLAG_OF = {key: flag for flag, key in FLAGS.items()}
# A number as the value of these flags is a number of rows.
_FILES = ("data.train_file", "data.val_file", "data.test_file")


def options_of(config: Config) -> list[str]:
    """Return the command-line arguments that reproduce ``config``, without shell quoting.

    The configuration is complete, so the arguments turn off the recipe.
    """
    plain = {**dotted_values(config), "train.recipe": "none"}
    always = ("model.cell", "train.recipe", "train.budget")
    default = dotted_values(load({key: plain[key] for key in always}))
    words: list[str] = []
    for key, value in plain.items():
        shown = key in always and value != 0.0
        if shown or key.startswith(TASK) or default[key] != value:
            words += _option(key, value)
    return words


def dotted_values(config: Config) -> dict[str, Any]:
    """Return dotted_values key -> value, where values are numbers, text and lists."""
    sections = to_plain(config).items()
    return {f"{name}.{leaf}": value for name, inside in sections for leaf, value in inside.items()}


def _option(key: str, value: object) -> Iterator[str]:
    """Yield an option and its value: the key's flag, or else ``--set``."""
    text = written(key, value)
    flag = _FLAG_OF.get(key, "")
    is_rows = key in _FILES and text.isdecimal()
    limit = None if key.startswith(TASK) else schema.find(key, flag).limit
    is_no_time = isinstance(limit, Duration) and Duration.seconds(text) is None  # such as 1e-06
    other = is_rows or is_no_time or isinstance(value, bool | list) or text != _bare(value)
    if not flag or other:
        yield from ("--set", f"{key}={text}")
    elif text.startswith("-"):
        yield f"{spelt(flag)}={text}"
    else:
        yield from (spelt(flag), text)


def written(key: str, value: object) -> str:
    """Format a value for ``--set key=`` such that it is read back unchanged."""
    text = _bare(value)
    if not key.startswith(TASK) or isinstance(value, bool | int | float):
        return text
    begins_a_value = text.startswith(("[", '"', "'"))
    if isinstance(value, str) and not begins_a_value and text == text.strip() and stays_text(text):
        return text
    from seqcli.config import yaml_file

    return yaml_file.written(value)


def _bare(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
