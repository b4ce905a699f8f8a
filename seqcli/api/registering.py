"""`register_task`, `register_cell` and `register_metric`: add definitions from a program.

`seqcli.register` adds all kinds of definitions by their names; these functions are typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from seqcli.registry import register

if TYPE_CHECKING:
    from seqcli.metrics.metric import Metric
    from seqcli.models.cells import Cell
    from seqcli.tasks.base import Task

TaskT = TypeVar("TaskT", bound="type[Task]")


def register_task(task: TaskT) -> TaskT:
    """Add a task under its ``name``; every command then accepts it. Can be used as a decorator.

    Args:
        task: a subclass of `seqcli.tasks.base.Task`; its fields are the options of the task.

    Raises:
        UsageError: the name is malformed or taken.
    """
    register("task", task.name, task)
    return task


def register_cell(name: str, cell: type[Cell]) -> None:
    """Add a recurrent cell; ``--cell NAME`` then trains it.

    Args:
        name: lower-case letters, digits and underscores.
        cell: a subclass of `seqcli.models.cells.Cell`.

    Raises:
        UsageError: the name is malformed or taken.
    """
    register("cell", name, cell)


def register_metric(
    metric: Metric,
    kind: Literal["metric", "evaluation_metric", "language_metric"] = "metric",
) -> None:
    """Add a metric under its ``name``; training, evaluation and every report then show it.

    Args:
        metric: the metric.
        kind: "metric": of pairs, after each epoch of training and in evaluations;
            "evaluation_metric": of pairs, in evaluations only; "language_metric": of language
            models, computed from the loss.

    Raises:
        UsageError: the name is malformed or taken.
    """
    register(kind, metric.name, metric)
