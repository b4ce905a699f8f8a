"""`export`: write a trained model in a format for other programs."""

from __future__ import annotations

from pathlib import Path

from seqcli import registry
from seqcli.api.arguments import check_counts, checked
from seqcli.api.checkpoint_config import open_checkpoint
from seqcli.exporters.metadata import ExportSource
from seqcli.results import Exported


@checked
def export(
    ckpt: str | Path, *, to: str, out: str | Path, rows: int = 64, force: bool = False
) -> Exported:
    """Export a trained model, and compare its outputs with the original.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        to: a format in `seqcli.registry.EXPORTS`.
        out: the file to write; for onnx a folder.
        rows: the number of rows to compare the outputs on.
        force: replace an existing export.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a package is missing, the output exists, or the model cannot be exported.
        SeqcliError: the outputs differ from those of the original; nothing is written.
    """
    check_counts(rows=rows)
    write = registry.resolve("format", to, registry.EXPORTS)
    exported: Exported = write(export_source(Path(ckpt)), Path(out), rows, force)
    return exported


def export_source(ckpt: Path) -> ExportSource:
    """Open the checkpoint of a trained model.

    Raises:
        CheckpointError: the file is missing, damaged or not a seqcli checkpoint.
    """
    opened = open_checkpoint(ckpt)
    return ExportSource(opened.path, opened.checkpoint, opened.config, opened.limits)
