"""The run folder of an ensemble: it names its members, each of which has an ordinary run folder.

``ensemble.json`` is written before the first member is trained. The members are in ``members/1``,
``members/2`` and so on.
"""

from __future__ import annotations

import json
import shlex
from typing import TypedDict

from seqcli.errors import CheckpointError
from seqcli.files.atomic import write_atomically
from seqcli.files.regular import read_json
from seqcli.runs.paths import MEMBERS, RunPaths
from seqcli.schema import SchemaError

_MAX_BYTES = 1 << 16  # a longer file was not written by seqcli


class EnsembleFile(TypedDict):
    """The content of ``ensemble.json``."""

    members: list[str]


def member_paths(run: RunPaths, name: str) -> RunPaths:
    """Return the paths of the member called ``name``."""
    return RunPaths(run.folder / MEMBERS / name)


def write_members(run: RunPaths, names: tuple[str, ...]) -> None:
    """Write the names of the members.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the folder cannot be written.
    """
    text = json.dumps({"members": list(names)}) + "\n"
    write_atomically(run.ensemble, lambda file: file.write(text.encode()))


def read_members(run: RunPaths) -> tuple[RunPaths, ...]:
    """Return the run folders of the members of an ensemble.

    Raises:
        CheckpointError: the file of their names is damaged.
    """
    try:
        names = read_json(run.ensemble, EnsembleFile, _MAX_BYTES)["members"]
    except (OSError, SchemaError):
        names = []
    if not names or not all(name.isascii() and name.isdecimal() for name in names):
        hint = f"name the members: --ckpt {shlex.quote(f'{run.folder}/{MEMBERS}/*')}"
        raise CheckpointError(f"{run.ensemble}: does not name the members of an ensemble", hint)
    return tuple(member_paths(run, name) for name in names)
