"""`export`: a trained model as files that other programs read."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from seqcli import __version__, registry
from seqcli.api.arguments import check_counts, checked
from seqcli.api.reading import config_of, limits_of
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import to_plain
from seqcli.config.sections import describe
from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import BOS, EOS, PAD, SPECIALS, UNK
from seqcli.errors import UsageError
from seqcli.results import Exported


@checked
def export(
    ckpt: str | Path, *, to: str, out: str | Path, rows: int = 64, force: bool = False
) -> Exported:
    """Write a trained model for other programs, and compare what was written with the original.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        to: a name of `seqcli.registry.EXPORTS`.
        out: the file to write, for onnx the folder.
        rows: how many rows to compare the outputs on.
        force: write over what is there.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: a package is missing, the place is taken, or the model cannot be exported.
        SeqcliError: the export does not give the original's outputs; nothing is left behind.
    """
    check_counts(rows=rows)
    write = registry.resolve("format", to, registry.EXPORTS)
    found: Exported = write(Path(ckpt), Path(out), rows, force)
    return found


def needed(to: str, *names: str) -> list[Any]:
    """Import the packages that a format needs.

    Raises:
        UsageError: one of them is not installed; the hint installs all.
    """
    try:
        return [import_module(name) for name in names]
    except ImportError as error:
        packages = " ".join(name.partition(".")[0] for name in names)
        message = f"export --to {to} needs the package {error.name}, which is not installed"
        raise UsageError(message, f"python -m pip install {packages}") from None


def about_model(checkpoint: Checkpoint, path: Path) -> dict[str, Any]:
    """Return what a program needs to turn texts into ids and ids into texts, as plain data."""
    codec = checkpoint.codec
    config, limits = config_of(checkpoint, path), limits_of(checkpoint.about, codec, path)
    return {
        "made_by": f"seqcli {__version__}",
        "model": describe(config.model, codec.source is None),
        "kind": "language model" if codec.source is None else "pairs",
        "config": {"model": to_plain(config)["model"]},
        "special_ids": {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK},
        "longest_in_training": {"source": limits.source, "target": limits.target},
        **_codec(codec),
    }


def _codec(codec: Codec) -> dict[str, Any]:
    """Return how texts are cut; a symbol's id is its place in the list of its side."""
    sides = {"target": (codec.target_tokenizer, codec.target)}
    if codec.source is not None:
        sides = {"source": (codec.source_tokenizer, codec.source), **sides}
    return {
        **{
            side: {
                "tokens": tokens.style,
                "joiner": tokens.joiner,
                "symbols": [*SPECIALS, *vocabulary.tokens],
            }
            for side, (tokens, vocabulary) in sides.items()
        },
        "normalize": codec.normalizer.normalize,
        "lower": codec.normalizer.lower,
        "features": codec.features,
    }
