"""Every dotted key of the configuration, read off the section dataclasses."""

from __future__ import annotations

import ast
import dataclasses
import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, cast, get_args, get_type_hints

from seqcli.config import sections
from seqcli.config.limits import Limit, Scalar
from seqcli.errors import UsageError

TASK = "task."  # the section whose keys are the task's own business
# What other toolkits call a key; only ever suggested, never taken.
ALSO_CALLED = {
    "learning_rate": "train.lr",
    "optimizer": "train.optimizer",
    "wd": "train.weight_decay",
    "model": "model.cell",
    "rnn_type": "model.cell",
    "clip": "train.grad_clip",
    "clip_value": "train.grad_clip_value",
    "max_grad_norm": "train.grad_clip",
}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Key:
    """One key: its dotted name, type, default, limit and meaning."""

    name: str
    kind: type
    default: Scalar
    limit: Limit | None
    doc: str

    @property
    def leaf(self) -> str:
        """The name without its section."""
        return self.name.partition(".")[2]

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        return _WORDS[self.kind] + ("" if self.limit is None else str(self.limit))


def section_types() -> dict[str, type[Any]]:
    """Return the sections with fixed keys, by name."""
    defaults = {f.name: f.default for f in dataclasses.fields(sections.Config)}
    return {name: type(one) for name, one in defaults.items() if dataclasses.is_dataclass(one)}


@cache
def keys() -> Mapping[str, Key]:
    """Return every key by its dotted name, in the order of definition."""
    docs = field_docs(sections)
    found: dict[str, Key] = {}
    for section, cls in section_types().items():
        hints = get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            kind, *limit = get_args(hints[field.name]) or (hints[field.name],)
            name, default = f"{section}.{field.name}", cast(Scalar, field.default)
            doc = docs.get((cls.__name__, field.name), "")
            found[name] = Key(name, kind, default, limit[0] if limit else None, doc)
    return found


def field_docs(module: ModuleType) -> dict[tuple[str, str], str]:
    """Return (class, field) -> the docstring that stands below the field, of a module's classes."""
    found = {}
    for cls in ast.parse(inspect.getsource(module)).body:
        if isinstance(cls, ast.ClassDef):
            for field, below in zip(cls.body, cls.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    assert isinstance(field.target, ast.Name)
                    text = " ".join(str(ast.literal_eval(below.value)).split())
                    found[cls.name, field.target.id] = text
    return found


def nearest_key(name: str) -> str:
    """Return a hint for an unknown key: the right section for a known leaf, else a near name."""
    leaf = name.rpartition(".")[2]
    same = [key.name for key in keys().values() if key.leaf == leaf]
    if not same and leaf in ALSO_CALLED:
        same = [ALSO_CALLED[leaf]]
    if not same:
        same = difflib.get_close_matches(name, keys(), n=1, cutoff=0.8)
    if not same:
        leaves = {key.leaf: key.name for key in keys().values()}
        same = [leaves[near] for near in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6)]
    if same:
        return f"did you mean {' or '.join(same)}?"
    section = name.partition(".")[0]
    if section in section_types():
        inside = [key.leaf for key in keys().values() if key.name.startswith(section + ".")]
        return f"{section} has " + ", ".join(inside)
    return "the sections are " + ", ".join((*section_types(), TASK[:-1]))


def _first(section: str) -> str:
    """Return the first key of a section."""
    return next((name for name in keys() if name.startswith(section + ".")), "task.length")


def find(name: str, where: str) -> Key:
    """Return the key called ``name``.

    Raises:
        UsageError: there is none; the hint names the nearest.
    """
    if name in section_types() or name == TASK[:-1]:
        message = f"{where}: {name} is a section and takes no value itself"
        raise UsageError(message, f"give its keys, such as {_first(name)}")
    if name not in keys():
        kind = "key" if "." in name else "section"
        raise UsageError(f"{where}: no configuration {kind} is called {name!r}", nearest_key(name))
    return keys()[name]
