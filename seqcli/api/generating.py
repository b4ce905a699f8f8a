"""`gen_data`: NumPy only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcli.api.arguments import checked
from seqcli.data.dataset_folder import write_folder
from seqcli.tasks.base import make


@checked
def gen_data(
    task: str,
    out: str | Path,
    *,
    train: int = 10000,
    val: int = 1000,
    test: int = 1000,
    seed: int = 0,
    force: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Write train.tsv, val.tsv, test.tsv and meta.yaml; return what meta.yaml says.

    Args:
        task: its name (see `tasks`).
        out: a folder, which must be new or empty unless ``force``.
        train, val, test: rows of each split.
        seed: another seed, other rows.
        options: the task's own (for example ``length="5:20", vocab=20``).

    Raises:
        UsageError: an unknown task or option, or a folder that is in use.
    """
    sizes = {"train": train, "val": val, "test": test}
    return write_folder(make(task, options), Path(out), sizes, seed, force)
