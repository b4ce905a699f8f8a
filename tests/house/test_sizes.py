"""Short functions, short files, everything public told, nothing left to do."""

import ast
import re

import pytest
from source import FUNCTIONS, Module, modules

LONGEST_FUNCTION, LONGEST_FILE = 50, 300
SHORT_MEDIAN = 9
LEFT_TO_DO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_classes"}


def lines_of(module: Module, node: ast.AST) -> int:
    text = module.text.splitlines()[node.lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) for line in text)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_files_and_functions_are_short(module: Module):
    assert sum(bool(line.strip()) for line in module.text.splitlines()) <= LONGEST_FILE
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS):
            assert lines_of(module, node) <= LONGEST_FUNCTION, node.name


def test_most_functions_are_very_short():
    lengths = sorted(
        lines_of(module, node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS)
    )
    assert lengths[len(lengths) // 2] <= SHORT_MEDIAN


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_nothing_is_left_to_do_and_names_say_something(module: Module):
    assert not LEFT_TO_DO.search(module.text)
    assert not VAGUE & set(module.path.with_suffix("").parts)


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_function_is_annotated(module: Module):
    for node in ast.walk(module.tree):
        if isinstance(node, FUNCTIONS):
            told = [a for a in (*node.args.args, *node.args.kwonlyargs) if a.annotation]
            bare = len(node.args.args) + len(node.args.kwonlyargs) - len(told)
            own = any(a.arg in ("self", "cls") for a in node.args.args[:1])
            assert bare <= own, f"{module.name}, line {node.lineno}: {node.name}"
            assert node.returns or node.name == "__init__", node.name
