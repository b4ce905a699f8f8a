"""The interface of a synthetic task, and the parsing of its options."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast, get_type_hints

from seqcli import registry
from seqcli.arrays.ragged import Index, Ragged
from seqcli.config.schema import field_docs
from seqcli.descriptions import TaskInfo
from seqcli.errors import UsageError

# Fractions of the instance space, independent of the number of rows.
SPLIT_SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


@dataclass(frozen=True)
class Rows:
    """A batch of N rows of a task, as indices into its alphabets (0 is the first token).

    ``sources`` is None for a task without sources.
    """

    sources: Ragged | None
    targets: Ragged

    @property
    def distinct(self) -> Ragged:
        """The side that identifies rows: the sources, or the targets if there are no sources."""
        return self.targets if self.sources is None else self.sources


@dataclass(frozen=True)
class Task(ABC):
    """A synthetic task. A subclass is a frozen dataclass whose fields are the task's options.

    Rows are a pure function of (seed, split, index): the same whether streamed or stored, in any
    order. Splits are disjoint by construction. Options are validated in ``__post_init__``
    (``UsageError``). ``version`` increases whenever the same (seed, split, index) gives other rows.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    summary: ClassVar[str]  # one line for `seqcli tasks`
    example: ClassVar[tuple[str, str]]  # source and target, as text

    @abstractmethod
    def source_tokens(self) -> tuple[str, ...] | None:
        """Return the source alphabet; None if rows have no source (language models).

        The tokens of a language-model task are characters, written without spaces.
        """

    @abstractmethod
    def target_tokens(self) -> tuple[str, ...]:
        """Return the target alphabet."""

    @abstractmethod
    def rows(self, seed: int, split: str, index: Index) -> Rows:
        """Return the rows at ``index`` (N,) of a split.

        Raises:
            UsageError: the task has too few distinct rows for this split to have one.
        """

    def heuristics(self, sources: Ragged, target_lengths: Index) -> dict[str, Ragged]:
        """Return predictions of simple rules by name ("copy_last" ...), as target indices."""
        return {}


def make(name: str, options: Mapping[str, Any]) -> Task:
    """Create a task by name, with the given options and defaults for the others.

    Raises:
        UsageError: the task or an option is unknown; a value has a wrong type or is out of range.
    """
    definition = registry.resolve("task", name, registry.TASKS)
    hints = get_type_hints(definition)
    known = [option.name for option in dataclasses.fields(definition)]
    for option in options:
        registry.check(f"option of task {name}", option, known)
    values = {option: _typed(option, value, hints[option]) for option, value in options.items()}
    return cast(Task, definition(**values))


def options(task: Task) -> dict[str, Any]:
    """Return the options of a task as plain scalars and lists, as ``make`` accepts them."""
    values = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}


def option_docs(kind: type[Task]) -> tuple[tuple[str, Any, str], ...]:
    """Return name, default and description of each option of a task."""
    docs: dict[str, str] = {}
    for one in reversed(kind.__mro__):  # descriptions in subclasses override inherited ones
        if issubclass(one, Task):
            own = field_docs(sys.modules[one.__module__])
            docs |= {field: doc for (name, field), doc in own.items() if name == one.__name__}
    return tuple((f.name, f.default, docs.get(f.name, "")) for f in dataclasses.fields(kind))


def parse_range(option: str, text: str, least: int = 1, most: int = 10_000) -> tuple[int, int]:
    """Parse ``"5:20"`` as (5, 20) and ``"16"`` as (16, 16).

    Raises:
        UsageError: the text has another form, the range is reversed, or not within least .. most.
    """
    match = re.fullmatch(r"([0-9]{1,9})(?::([0-9]{1,9}))?", text.strip())
    if not match:
        raise UsageError(
            f"task.{option} cannot be {text!r}", "write a number, or a range such as 5:20"
        )
    low = int(match[1])
    high = int(match[2] or low)
    if high < low:
        raise UsageError(f"task.{option} cannot be {text!r}", f"did you mean {high}:{low}?")
    if low < least or high > most:
        raise UsageError(f"task.{option} cannot be {text!r}", f"choose from {least} to {most}")
    return low, high


def check_between(option: str, value: int, least: int, most: int) -> None:
    """Raise UsageError unless ``least <= value <= most``."""
    if not least <= value <= most:
        raise UsageError(f"task.{option} cannot be {value}", f"choose from {least} to {most}")


def _typed(option: str, value: Any, kind: Any) -> Any:
    """Convert a value from YAML or a flag to the type of its field, without loss."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind == tuple[str, ...]:
        return _words(option, value)
    if kind is str and whole:  # length: 16
        return str(value)
    if kind is float and whole:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"task.{option} must be {_KINDS[kind]}, not {value!r}")
    return value


_KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def _words(option: str, value: Any) -> tuple[str, ...]:
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"task.{option} must be a list of names, not {value!r}")
    return tuple(word.strip() for word in words)


def tasks() -> list[tuple[str, str, tuple[str, str]]]:
    """Return name, summary and a worked example (source, target) of every task."""
    kinds: list[type[Task]] = [
        registry.resolve("task", name, registry.TASKS) for name in registry.TASKS
    ]
    return [(kind.name, kind.summary, kind.example) for kind in kinds]


def task(name: str) -> TaskInfo:
    """Describe a task and its options.

    Raises:
        UsageError: the task is unknown; the hint names the most similar one.
    """
    kind: type[Task] = registry.resolve("task", name, registry.TASKS)
    about = (inspect.getdoc(kind) or "").replace("``", "")
    return TaskInfo(kind.name, kind.summary, kind.example, about, option_docs(kind))
