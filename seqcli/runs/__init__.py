"""Run folders: the files of a run, who may write them, and how a run is found.

A run folder holds

- ``config.yaml``: the configuration, with the origin of each value;
- ``last.pt`` and ``last.prev.pt``: the newest commit with all that resuming needs, and the one
  before it;
- ``best.pt`` and ``best.prev.pt``: the weights of the best epoch, and of the best one before it;
- ``metrics.jsonl``: one line for each epoch;
- ``curves.png``, ``tb/`` and ``named_rows.tsv``: pictures, TensorBoard events and flagged rows;
- ``.seqcli-run`` and ``.lock``: the marker of a run folder, and the lock of its writer.

`seqcli.api.recording` describes how an epoch is committed, `seqcli.runs.folders` how a run takes
the place of another.
"""

from seqcli.runs.folders import (
    RunFolder,
    begin,
    find_checkpoint,
    find_run,
    load_last,
    locked,
    reopen,
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
]
