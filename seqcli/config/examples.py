"""Files that come with seqcli: presets for ``--config``, suites, and small data files."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from itertools import takewhile
from os import PathLike
from pathlib import Path

from seqcli import registry
from seqcli.errors import UsageError

# The folder of an installed package, or of a checkout.
HOMES = (Path(__file__).parents[1] / "examples", Path(__file__).parents[2] / "examples")
PRESET, SUITE, DATA = "preset", "suite", "data"
SUITE_PREFIX = "suite_"
YAML = (".yaml", ".yml")
_DATA = {
    "pairs.tsv": "numbers and their names in English words: 42, forty two (700 pairs)",
    "names.txt": "names of invented villages, one per line (600 names)",
    "labels.tsv": "words of four invented languages, labelled with the language (600 rows)",
}


@dataclass(frozen=True)
class Example:
    """A file that comes with seqcli.

    Args:
        name: the name to type: of a preset or suite without suffix, of a data file with it.
        kind: preset, suite or data.
        about: one line that describes it.
        usage: the command that uses it.
        path: the file.
    """

    name: str
    kind: str
    about: str
    usage: str
    path: Path

    def usage_of_copy(self, path: Path) -> str:
        """Return the command that uses a copy of the file."""
        option = {PRESET: "--config", SUITE: "--suite", DATA: "--data"}[self.kind]
        quoted = shlex.quote(str(path))
        return self.usage.replace(f"{option} {self.name}", f"{option} {quoted}", 1)


def examples() -> tuple[Example, ...]:
    """Return all examples: data files, then presets, then suites, each by name."""
    home = _home()
    data = (
        Example(name, DATA, about, f"seqcli train --data {name}", home / "data" / name)
        for name, about in _DATA.items()
    )
    files = sorted(map(_described, home.glob("*.yaml")), key=lambda one: (one.kind, one.name))
    return (*data, *files)


def find(name: str) -> Example:
    """Return the example with this name; a preset or suite may be named by its file name.

    Raises:
        UsageError: there is no such example; the hint names the most similar one.
    """
    by_name = {one.name: one for one in examples()}
    by_file = {one.path.name: one for one in by_name.values()}
    if name in by_file:
        return by_file[name]
    return by_name[registry.check("example", name, by_name)]


def suite_names() -> list[str]:
    """Return the names of the suites."""
    paths = _home().glob(f"{SUITE_PREFIX}*.yaml")
    return sorted(path.stem.removeprefix(SUITE_PREFIX) for path in paths)


def suite_path(name: str) -> Path:
    """Return the file of a suite, given its name or the path of a YAML file.

    Raises:
        UsageError: there is no such suite; the hint names the most similar one.
    """
    if name.endswith(YAML):
        return Path(name)
    registry.check("suite", name, suite_names())
    return _home() / f"{SUITE_PREFIX}{name}.yaml"


def config_path(source: str | PathLike[str]) -> str | PathLike[str]:
    """Return the file of a configuration, given a path, ``-``, or the name of a preset.

    A text is a path if it ends in .yaml or .yml, contains a separator, or such a file exists; a
    folder of that name, such as a run, does not count.

    Raises:
        UsageError: the text is neither a path nor the name of a preset.
    """
    if not isinstance(source, str) or source == "-" or source.endswith(YAML):
        return source
    if os.sep in source or "/" in source or Path(source).is_file():
        return source
    presets = {one.name: one.path for one in examples() if one.kind == PRESET}
    if source not in presets:
        message = f"--config {source}: neither a file nor a preset"
        raise UsageError(message, registry.suggest(source, presets))
    return presets[source]


def _described(path: Path) -> Example:
    """Return a preset or suite, described by the comment at the start of its file.

    The comment has one sentence, more text if necessary, and the commands that use the file,
    indented.
    """
    text = path.read_text("utf-8")
    lines = [line[1:] for line in takewhile(lambda line: line.startswith("#"), text.splitlines())]
    usage = next(line.strip() for line in lines if line.startswith("   "))
    words = takewhile(lambda line: not line.startswith("   "), lines)
    about, _, _ = f"{' '.join(' '.join(words).split())} ".partition(". ")
    kind = SUITE if path.name.startswith(SUITE_PREFIX) else PRESET
    return Example(path.stem.removeprefix(SUITE_PREFIX), kind, about.strip(), usage, path)


def _home() -> Path:
    """Return the folder of the examples."""
    return next((home for home in HOMES if (home / "data").is_dir()), HOMES[0])
