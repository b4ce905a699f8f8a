"""Short functions, short files, annotations, nothing left to do."""

import ast
import re

from source import FUNCTIONS, Module, modules

LONGEST_FUNCTION, LONGEST_FILE = 50, 300
SHORT_MEDIAN = 9
LEFT_TO_DO = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base_classes"}


def lines_of(module: Module, node: ast.AST) -> int:
    text = module.text.splitlines()[node.lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) for line in text)


def test_files_are_short():
    lengths = {
        module.name: sum(bool(line.strip()) for line in module.text.splitlines())
        for module in modules()
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short():
    lengths = {
        f"{module.name}: {node.name}": lines_of(module, node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_most_functions_are_very_short():
    lengths = sorted(
        lines_of(module, node)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS)
    )
    assert lengths[len(lengths) // 2] <= SHORT_MEDIAN


def test_nothing_is_left_to_do_and_names_say_something():
    assert [module.name for module in modules() if LEFT_TO_DO.search(module.text)] == []
    vague = [module.name for module in modules() if VAGUE & set(module.path.with_suffix("").parts)]
    assert vague == []


def is_annotated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    arguments = (*node.args.args, *node.args.kwonlyargs)
    bare = [one.arg for one in arguments if not one.annotation]
    own = node.args.args[:1] and node.args.args[0].arg in ("self", "cls")
    return len(bare) <= bool(own) and bool(node.returns or node.name == "__init__")


def test_every_function_is_annotated():
    bare = [
        f"{module.name}, line {node.lineno}: {node.name}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, FUNCTIONS) and not is_annotated(node)
    ]
    assert bare == []
