"""Run folders: find, lock, write and replace them.

A run folder contains

- ``config.yaml``: the configuration, with the origin of each value;
- ``last.pt`` and ``last.prev.pt``: the newest checkpoint with the training state, and the one
  before it;
- ``best.pt`` and ``best.prev.pt``: the weights of the best epoch, and of the previous best;
- ``metrics.jsonl``: one line per epoch;
- ``environment.json``: the command, versions and machine of each process that trained the run;
- ``report.html``: the page about the run, if there is one;
- ``curves.png``, ``tb/`` and ``named_rows.tsv``: plot, TensorBoard events and flagged rows;
- ``.seqcli-run`` and ``.lock``: the marker of a run folder, and the lock of its writer.

`seqcli.api.recording` describes how an epoch is saved, `seqcli.runs.folders` how a run
replaces another.
"""

from seqcli.runs.folders import (
    RunFolder,
    begin,
    find_checkpoint,
    find_run,
    load_last,
    locked,
    reopen,
    requested,
)
from seqcli.runs.paths import ROOT, RunPaths, existing

__all__ = [
    "ROOT",
    "RunFolder",
    "RunPaths",
    "begin",
    "existing",
    "find_checkpoint",
    "find_run",
    "load_last",
    "locked",
    "reopen",
    "requested",
]
