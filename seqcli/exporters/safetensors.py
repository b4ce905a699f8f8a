"""Export to safetensors, without PyTorch: the weights by name, and everything else as metadata."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqcli.descriptions import Exported
from seqcli.errors import SeqcliError
from seqcli.exporters.metadata import ExportSource, import_packages, metadata
from seqcli.files.atomic import check_output, write_atomically, writing


def export_safetensors(
    sources: Sequence[ExportSource], out: Path, rows: int, force: bool
) -> Exported:
    """Write every weight under PyTorch's name, and the metadata as JSON under ``seqcli``.

    The names of an ensemble start with ``member0.``, ``member1.`` and so on, and its metadata has
    those of each member under ``members``.

    Args:
        sources: the trained model, or the members of an ensemble.
        out: the file.
        rows: ignored, because the weights themselves are compared bit for bit.
        force: replace an existing file.

    Raises:
        UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    (library,) = import_packages("safetensors", "safetensors.numpy")
    with writing(out):
        check_output(out, overwrite=force)
    prefixes = [f"member{i}." for i in range(len(sources))] if len(sources) > 1 else [""]
    weights = {
        prefix + name: np.ascontiguousarray(array)
        for prefix, source in zip(prefixes, sources, strict=True)
        for name, array in source.checkpoint.weights.items()
    }
    description = json.dumps(_metadata(sources), ensure_ascii=False)
    raw = library.save(weights, metadata={"format": "pt", "seqcli": description})
    loaded = library.load(raw)
    same = all(np.array_equal(loaded[name], weight) for name, weight in weights.items())
    if set(loaded) != set(weights) or not same:
        message = f"{sources[0].path}: the weights read back from safetensors differ"
        raise SeqcliError(message, "nothing was written")
    write_atomically(out, lambda file: file.write(raw), overwrite=force)
    return Exported("safetensors", (str(out),), 0, 0, 0.0, ("every weight is equal bit for bit",))


def _metadata(sources: Sequence[ExportSource]) -> dict[str, Any]:
    """Return the metadata of a model, or those of each member of an ensemble."""
    if len(sources) == 1:
        return metadata(sources[0])
    members = [metadata(source) for source in sources]
    first = {key: members[0][key] for key in ("made_by", "kind", "special_ids")}
    return {**first, "model": f"ensemble of {len(members)} models", "members": members}
