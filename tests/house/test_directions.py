"""Imports point one way, and each outside library stays in its rooms."""

import pytest
from source import Module, modules

# A room may import rooms of a lower rank, and of its own rank where that is 4.
RANKS = {
    "errors": 0,
    "messages": 0,
    "schema": 0,
    "interrupts": 0,
    "files": 1,
    "statistics": 1,
    "registry": 1,
    "arrays": 2,
    "config": 3,
    "events": 4,
    "results": 4,
    "data": 5,
    "metrics": 7,
    "tasks": 5,
    "checkpoints": 5,
    "formatting": 6,
    "models": 6,
    "engine": 8,
    "training": 8,
    "numpy_backend": 9,
    "export": 9,
    "runs": 9,
    "comparison": 9,
    "report": 10,
    "api": 11,
    "cli": 12,
    "__main__": 13,
    "__init__": 13,
    "__version__": 0,
}
NEIGHBORS = {5, 8}
FORBIDDEN = {("report", "models"), ("report", "engine")}
LIBRARIES = {
    "typer": {"cli"},
    "rich": {"report"},
    "matplotlib": {"report"},
    "tensorboard": {"report"},
    "jinja2": {"report"},
    "torch": {"models", "engine", "training", "export", "checkpoints", "api"},
    "yaml": {"config", "data"},
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
    if room == other:
        return True
    if (room, other) in FORBIDDEN:
        return False
    return RANKS[other] < RANKS[room] or RANKS[other] == RANKS[room] in NEIGHBORS


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_imports_point_one_way(module: Module):
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
    assert not may_import("report", "engine")
    assert not may_import("engine", "report")
    assert not may_import("data", "models")
    assert not may_import("errors", "registry")
    assert may_import("tasks", "data")


def test_the_table_names_every_room():
    assert {module.room for module in modules()} <= set(RANKS)
