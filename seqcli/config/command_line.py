"""Write a configuration as options of ``seqcli train``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seqcli.config import loading, yaml_file
from seqcli.config.flags import FLAGS, spelt
from seqcli.config.schema import TASK, stays_text
from seqcli.config.sections import Config

_FLAG_OF = {key: flag for flag, key in FLAGS.items()}
# A number as the value of these flags is a number of rows.
_FILES = ("data.train_file", "data.val_file", "data.test_file")


def options_of(config: Config) -> list[str]:
    """Return the command-line arguments that reproduce ``config``, without shell quoting.

    The configuration is complete, so the arguments turn off the recipe.
    """
    plain = {**dotted(config), "train.recipe": "none"}
    always = ("model.cell", "train.recipe", "train.budget")
    default = dotted(loading.load({key: plain[key] for key in always}))
    words: list[str] = []
    for key, value in plain.items():
        shown = key in always and value != 0.0
        if shown or key.startswith(TASK) or default[key] != value:
            words += _option(key, value)
    return words


def dotted(config: Config) -> dict[str, Any]:
    """Return dotted key -> value, where values are numbers, text and lists."""
    sections = loading.to_plain(config).items()
    return {f"{name}.{leaf}": value for name, inside in sections for leaf, value in inside.items()}


def _option(key: str, value: object) -> Iterator[str]:
    """Yield an option and its value: the key's flag, or else ``--set``."""
    text = written(key, value)
    flag = _FLAG_OF.get(key, "")
    is_rows = key in _FILES and text.isdecimal()
    if not flag or is_rows or isinstance(value, bool | list) or text != _bare(value):
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
    return yaml_file.written(value)


def _bare(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
