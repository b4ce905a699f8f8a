"""`gen_data`: write the data of a task to a folder. Needs only NumPy."""

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
    """Write train.tsv, val.tsv, test.tsv and meta.yaml; return the content of meta.yaml.

    Args:
        task: the name of the task (see `tasks`).
        out: the output folder; it must be new or empty unless ``force``.
        train, val, test: the number of rows in each split.
        seed: the random seed.
        force: replace existing data.
        options: options of the task (for example ``length="5:20", vocab=20``).

    Raises:
        UsageError: the task or an option is unknown, or the folder is not empty.
    """
    sizes = {"train": train, "val": val, "test": test}
    return write_folder(make(task, options), Path(out), sizes, seed, force)
