"""Plugins: modules from outside the package that register definitions.

Every command and every function of `seqcli.api` loads them first, in worker processes too.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from seqcli.errors import SeqcliError, UsageError

PLUGINS = "SEQCLI_PLUGINS"  # environment variable: modules or .py files, separated by commas
ENTRY_POINTS = "seqcli.plugins"  # entry-point group of installed distributions


def load_plugins() -> None:
    """Import the modules that register definitions from outside the package, once per process.

    Plugins are the entry points in the group ``seqcli.plugins`` of installed distributions, and the
    modules in the environment variable ``SEQCLI_PLUGINS``: module names, or paths that end in
    ``.py``, separated by commas. Every command and every function of `seqcli.api` calls this first,
    in worker processes too.

    Raises:
        UsageError: a module cannot be imported; the message names it.
    """
    problem = _plugin_problem()
    if problem is not None:
        raise problem


@cache
def _plugin_problem() -> UsageError | None:
    """Import the plugins; return an error for the first one that cannot be imported."""
    for origin, name in _plugins():
        try:
            _import_plugin(name)
        except SeqcliError as error:
            return UsageError(f"{origin}: {name}: {error.message}", error.hint)
        except Exception as error:
            reason = " ".join(str(error).split()) or "no message"
            message = f"{origin}: cannot import {name}: {type(error).__name__}: {reason}"
            return UsageError(message, "correct the module, or remove it from the plugins")
    return None


def _plugins() -> Iterator[tuple[str, str]]:
    """Yield (where it is listed, module or path) of every plugin."""
    if any(map(_declares_plugins, sys.path)):  # importlib.metadata takes 50 ms to import
        from importlib.metadata import entry_points

        for point in entry_points(group=ENTRY_POINTS):
            yield f"entry point {point.name}", point.value
    for name in os.environ.get(PLUGINS, "").split(","):
        if name.strip():
            yield PLUGINS, name.strip()


def _declares_plugins(folder: str) -> bool:
    """Return whether a distribution installed in a folder declares entry points of plugins."""
    try:
        paths = list(Path(folder or ".").iterdir())
    except OSError:
        return False
    for path in paths:
        if path.suffix in (".dist-info", ".egg-info"):
            with contextlib.suppress(OSError):
                if f"[{ENTRY_POINTS}]".encode() in (path / "entry_points.txt").read_bytes():
                    return True
    return False


def _import_plugin(name: str) -> None:
    """Import a module by name, or from a path that ends in ``.py``."""
    if not name.endswith(".py"):
        import_module(name)
        return
    path = Path(name).resolve()
    if path.stem not in sys.modules:
        _import_file(path)


def _import_file(path: Path) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = sys.modules[path.stem] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
