"""The source of the package, as its own tests see it."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import seqcli

ROOT = Path(seqcli.__file__).parent
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One file: its dotted parts below ``seqcli``, its text and its tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part of the house it belongs to: the first name below ``seqcli``."""
        return self.path.relative_to(ROOT).with_suffix("").parts[0]

    @property
    def name(self) -> str:
        """The path below the repository."""
        return str(self.path.relative_to(ROOT.parent))

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield (line, dotted name) of every import, those inside functions too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}, line {node.lineno}: a relative import"
                module = node.module or ""
                if module == "seqcli":
                    yield from ((node.lineno, f"seqcli.{alias.name}") for alias in node.names)
                else:
                    yield node.lineno, module

    def imported_at_the_top(self, known: Collection[str]) -> Iterator[str]:
        """Yield those of the known modules that are imported as soon as this one is."""
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names if alias.name in known)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inside = f"{node.module}.{alias.name}"
                    name = inside if inside in known else node.module
                    if name in known:
                        yield name


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package."""
    paths = sorted(ROOT.rglob("*.py"))
    texts = [path.read_text("utf-8") for path in paths]
    return tuple(Module(p, text, ast.parse(text)) for p, text in zip(paths, texts, strict=True))
