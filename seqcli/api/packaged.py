"""`examples` and `copy_example`: the presets, suites and data files that come with seqcli."""

from __future__ import annotations

import os
from pathlib import Path

from seqcli.api.arguments import checked, in_one_process
from seqcli.config.examples import Example, find
from seqcli.config.examples import examples as every_example
from seqcli.errors import UsageError
from seqcli.files.atomic import write_atomically


def examples() -> tuple[Example, ...]:
    """Return the examples that come with seqcli: data files, presets and suites."""
    return every_example()


@in_one_process
@checked
def copy_example(name: str, out: str | Path | None = None) -> Path:
    """Copy an example to a file of your own; an existing file is never replaced.

    Args:
        name: the name of the example (see `examples`).
        out: the file to write, or a folder; the default is the working directory.

    Returns:
        The file that was written.

    Raises:
        UsageError: there is no such example, or the output exists or cannot be written.
    """
    example = find(name)
    place = Path.cwd() if out is None else Path(out)
    target = place / example.path.name if place.is_dir() else place
    if os.path.lexists(target):
        raise UsageError(f"{target} already exists", "choose another name: --out FILE")
    content = example.path.read_bytes()
    write_atomically(target, lambda file: file.write(content), overwrite=False)
    return target if out is not None else Path(target.name)
