"""`export --to safetensors`: the weights by name, and the rest as metadata. Without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from seqcli.api.exporting import about_model, needed
from seqcli.api.trained_model import open_model
from seqcli.errors import SeqcliError
from seqcli.files.atomic import check_output, write_atomically, writing
from seqcli.results import Exported


def export_safetensors(ckpt: Path, out: Path, rows: int, force: bool) -> Exported:
    """Write one file: every weight under PyTorch's name, and ``seqcli``, JSON, in the metadata.

    Args:
        ckpt: a run folder or a checkpoint file.
        out: the file.
        rows: not looked at: the weights themselves are compared, bit for bit.
        force: whether ``out`` may be replaced.

    Raises:
        CheckpointError, UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    (library,) = needed("safetensors", "safetensors.numpy")
    model = open_model(ckpt)
    path, checkpoint = model.path, model.checkpoint
    with writing(out):
        check_output(out, overwrite=force)
    weights = {name: np.ascontiguousarray(one) for name, one in checkpoint.weights.items()}
    about = json.dumps(about_model(model), ensure_ascii=False)
    raw = library.save(weights, metadata={"format": "pt", "seqcli": about})
    found = library.load(raw)
    same = all(np.array_equal(found[name], one) for name, one in weights.items())
    if set(found) != set(weights) or not same:
        raise SeqcliError(f"{path}: safetensors gave back other weights: nothing was written")
    write_atomically(out, lambda file: file.write(raw), overwrite=force)
    return Exported("safetensors", (str(out),), 0, 0, 0.0, ("every weight is equal bit for bit",))
