"""Imports point one way, and each outside library stays in its rooms."""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
from source import ROOT, Module, modules

from seqcli import registry

# A room may import the rooms above it in this list, and none below.
ROOMS = (
    "__version__",
    "errors",
    "messages",
    "schema",
    "interrupts",
    "statistics",
    "results",
    "descriptions",
    "events",
    "registry",
    "plugins",
    "files",
    "arrays",
    "config",
    "tasks",
    "data",
    "checkpoints",
    "formatting",
    "metrics",
    "models",
    "decoding",
    "training",
    "numpy_backend",
    "exporters",
    "runs",
    "comparison",
    "report",
    "api",
    "cli",
    "__init__",
    "__main__",
)
FORBIDDEN = {("report", "models")}
LIBRARIES = {
    "typer": {"cli"},
    "rich": {"report"},
    "matplotlib": {"report"},
    "tensorboard": {"report"},
    "jinja2": {"report", "exporters"},
    # arrays: inside functions for tensors on a GPU
    "torch": {"arrays", "models", "training", "exporters", "checkpoints", "api"},
    "yaml": {"config", "data"},
    "regex": {"data"},
    "platformdirs": {"data"},
    "distributed": {"api"},
    "optuna": {"api"},
    "trackio": {"report"},
    "wandb": {"report"},
    "mlflow": {"report"},
}
NO_NUMPY = {
    "errors",
    "schema",
    "messages",
    "interrupts",
    "registry",
    "config",
    "events",
    "cli",
    "__init__",
    "__main__",
}


def may_import(room: str, other: str) -> bool:
    if (room, other) in FORBIDDEN:
        return False
    return ROOMS.index(other) <= ROOMS.index(room)


def test_imports_point_one_way():
    for module in modules():
        check_imports(module)


def check_imports(module: Module):
    for line, name in module.imports():
        first, *rest = name.split(".")
        if first == "seqcli" and rest:
            assert may_import(module.room, rest[0]), f"{module.name}, line {line}: {name}"
        rooms = LIBRARIES.get(first)
        if rooms is not None:
            assert module.room in rooms, f"{module.name}, line {line}: {name}"
        if first == "numpy":
            assert module.room not in NO_NUMPY, f"{module.name}, line {line}: {name}"


def test_a_wrong_direction_would_be_noticed():
    assert not may_import("report", "models")
    assert not may_import("decoding", "report")
    assert not may_import("data", "models")
    assert not may_import("errors", "registry")
    assert not may_import("tasks", "data")
    assert not may_import("data", "metrics")
    assert may_import("data", "tasks")


def test_the_list_names_every_room_once():
    assert {module.room for module in modules()} <= set(ROOMS)
    assert len(set(ROOMS)) == len(ROOMS)


def test_names_resolve_to_rooms_that_may_be_imported():
    """A lookup in the registry imports a module: it has to point the same way."""
    lookups = [(module, table) for module in modules() for table in resolved_tables(module)]
    for module, table in lookups:
        for name, target in getattr(registry, table).items():
            room = target.split(".")[1].partition(":")[0]
            assert may_import(module.room, room), f"{module.name}: {table}[{name!r}] is {target}"


def test_lookups_are_found():
    by_name = {module.name: module for module in modules()}
    assert resolved_tables(by_name["seqcli/tasks/base.py"]) == {"TASKS"}
    assert "METRICS" in resolved_tables(by_name["seqcli/metrics/metric.py"])


def resolved_tables(module: Module) -> set[str]:
    """Return the registry tables that a module resolves names of.

    Where a lookup takes its table from a variable, every table that the module mentions counts.
    """
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    resolving = [call for call in calls if ast.unparse(call.func) == "registry.resolve"]
    direct = {name for call in resolving for name in _tables(call.args[2])}
    if all(_tables(call.args[2]) for call in resolving):
        return direct
    return _tables(module.tree)


def _tables(tree: ast.AST) -> set[str]:
    """Return X of every ``registry.X`` where X is a table."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) == "registry"
        and node.attr.isupper()
    }


def test_no_module_is_part_of_an_import_cycle():
    """Import what modules import at their top; imports inside functions and for types are late."""
    known = {dotted_name(module) for module in modules()}
    graph = {dotted_name(module): set(module.imported_at_the_top(known)) for module in modules()}
    assert set(TopologicalSorter(graph).static_order()) == known


def test_a_cycle_would_be_noticed():
    with pytest.raises(CycleError):
        TopologicalSorter({"one": {"other"}, "other": {"one"}}).prepare()


def dotted_name(module: Module) -> str:
    parts = module.path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")
