"""Export to safetensors, without PyTorch: the weights by name, and everything else as metadata."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from seqcli.errors import SeqcliError
from seqcli.exporters.metadata import ExportSource, import_packages, metadata
from seqcli.files.atomic import check_output, write_atomically, writing
from seqcli.results import Exported


def export_safetensors(source: ExportSource, out: Path, rows: int, force: bool) -> Exported:
    """Write every weight under PyTorch's name, and the metadata as JSON under ``seqcli``.

    Args:
        source: the trained model.
        out: the file.
        rows: ignored, because the weights themselves are compared bit for bit.
        force: replace an existing file.

    Raises:
        UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    (library,) = import_packages("safetensors", "safetensors.numpy")
    with writing(out):
        check_output(out, overwrite=force)
    weights = {
        name: np.ascontiguousarray(array) for name, array in source.checkpoint.weights.items()
    }
    description = json.dumps(metadata(source), ensure_ascii=False)
    raw = library.save(weights, metadata={"format": "pt", "seqcli": description})
    loaded = library.load(raw)
    same = all(np.array_equal(loaded[name], weight) for name, weight in weights.items())
    if set(loaded) != set(weights) or not same:
        message = f"{source.path}: the weights read back from safetensors differ"
        raise SeqcliError(message, "nothing was written")
    write_atomically(out, lambda file: file.write(raw), overwrite=force)
    return Exported("safetensors", (str(out),), 0, 0, 0.0, ("every weight is equal bit for bit",))
