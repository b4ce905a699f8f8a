"""`export`: write a trained model in a format for other programs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seqcli import registry
from seqcli.api.arguments import check_counts, checked, in_one_process
from seqcli.api.members import Ckpt, id_maps, open_members
from seqcli.descriptions import Exported
from seqcli.exporters.metadata import ExportSource


@in_one_process
@checked
def export(
    ckpt: Ckpt, *, to: str, out: str | Path, rows: int = 64, force: bool = False
) -> Exported:
    """Export a trained model, and compare its outputs with the original.

    Args:
        ckpt: a model or an ensemble; see `seqcli.api.open_model`.
        to: a format in `seqcli.registry.EXPORTS`.
        out: the file to write; for onnx a folder. With safetensors it is a folder unless it ends
            in .safetensors. A folder gets a model card, for which the model is scored if its data
            is available.
        rows: the number of rows to compare the outputs on; an HTML page contains them, and compares
            itself when it opens.
        force: replace an existing export.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a package is missing, the output exists, or the model cannot be exported.
        SeqcliError: the outputs differ from those of the original; nothing is written.
    """
    check_counts(rows=rows)
    write = registry.resolve("format", to, registry.EXPORTS)
    exported: Exported = write(export_sources(ckpt), Path(out), rows, force, partial(_card, ckpt))
    return exported


def _card(ckpt: Ckpt, usage: str) -> str:
    from seqcli.api.reporting import described_run
    from seqcli.report.model_card import model_card

    return model_card(described_run(ckpt), usage)


def export_sources(ckpt: Ckpt) -> tuple[ExportSource, ...]:
    """Open the checkpoint of a trained model, or those of an ensemble.

    Raises:
        CheckpointError: a file is missing, damaged or not a seqcli checkpoint.
        UsageError: the checkpoints do not fit together.
    """
    opened = open_members(ckpt)
    codec = opened.first.checkpoint.codec
    return tuple(
        ExportSource(
            one.path, one.checkpoint, one.config, one.limits, *id_maps(codec, one.checkpoint.codec)
        )
        for one in opened.members
    )
