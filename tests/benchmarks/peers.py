"""Who takes part: seqcli, and yoyodyne and JoeyNMT where they are installed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contender import Contender
from measure import say
from ours import Seqcli
from peer_joeynmt import JoeyNMT
from peer_yoyodyne import Yoyodyne

PEERS: dict[str, type[Yoyodyne] | type[JoeyNMT]] = {"yoyodyne": Yoyodyne, "joeynmt": JoeyNMT}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the user say who takes part and where the peers live."""
    for name in PEERS:
        variable = f"{name.upper()}_PYTHON"
        told = f"interpreter of an environment that has {name} (default: ${variable})"
        path = os.environ.get(variable)
        parser.add_argument(f"--{name}", metavar="PYTHON", default=path, help=told)
    parser.add_argument("--without-seqcli", action="store_true", help="the peers alone")


def contenders(options: argparse.Namespace) -> list[Contender]:
    """Return who takes part, seqcli first; say which peers are left out."""
    found: list[Contender] = [] if options.without_seqcli else [Seqcli()]
    for name, kind in PEERS.items():
        path = getattr(options, name)
        if path and Path(path).exists():
            found.append(kind(Path(path)))
        else:
            say(f"{name}: left out (no interpreter; give --{name} or {name.upper()}_PYTHON)")
    return found


def settings(options: argparse.Namespace, taking_part: Sequence[Contender]) -> dict[str, Any]:
    """Return what a document says of how it came about: options, and versions of the programs."""
    versions = {contender.name: contender.version() for contender in taking_part}
    return {**vars(options), "versions": versions}
