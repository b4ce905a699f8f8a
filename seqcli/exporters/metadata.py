"""The common parts of all exports: source, metadata and required packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli import __version__
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, to_plain
from seqcli.config.sections import describe
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.data.vocabulary import BOS, EOS, PAD, SPECIALS, UNK
from seqcli.errors import UsageError

Ids: TypeAlias = NDArray[np.int64]
# Returns the model card of the exported model, given how to use the files of the export.
Card: TypeAlias = Callable[[str], str]
CARD, METADATA = "README.md", "model.json"  # names of files in the folder of an export


@dataclass(frozen=True)
class ExportSource:
    """The trained model to export.

    Args:
        path: the checkpoint file.
        checkpoint: the content of the file, with NumPy arrays.
        config: the configuration of the run.
        limits: the maximum lengths.
        source_ids, target_ids: its id of each token of an ensemble's first member; None if all are
            equal.
    """

    path: Path
    checkpoint: Checkpoint
    config: Config
    limits: MaxLengths
    source_ids: Ids | None = None
    target_ids: Ids | None = None

    @property
    def codec(self) -> Codec:
        """The tokenizers and vocabularies of the model."""
        return self.checkpoint.codec


def import_packages(to: str, *names: str) -> list[Any]:
    """Import the packages that a format needs.

    Raises:
        UsageError: a package is not installed; the hint has the command that installs all.
    """
    try:
        return [import_module(name) for name in names]
    except ImportError as error:
        packages = " ".join(name.partition(".")[0] for name in names)
        message = f"export --to {to} needs the package {error.name}, which is not installed"
        raise UsageError(message, f"python -m pip install {packages}") from None


def metadata(source: ExportSource) -> dict[str, Any]:
    """Return the data that a program needs to encode and decode text, as plain data."""
    codec, limits = source.codec, source.limits
    return {
        "made_by": f"seqcli {__version__}",
        "model": describe(source.config.model, codec.source is None),
        "kind": "language model" if codec.source is None else "pairs",
        "config": {"model": to_plain(source.config)["model"]},
        "special_ids": {"pad": PAD, "bos": BOS, "eos": EOS, "unk": UNK},
        "longest_in_training": {"source": limits.source, "target": limits.target},
        "positions": limits.positions,
        **_codec(codec),
    }


def _codec(codec: Codec) -> dict[str, Any]:
    """Return how texts are tokenized; the id of a token is its index in the list of its side."""
    sides = {"target": (codec.target_tokenizer, codec.target)}
    if codec.source is not None:
        sides = {"source": (codec.source_tokenizer, codec.source), **sides}
    return {
        **{
            side: {
                "tokenization": tokenizer.style,
                "joiner": tokenizer.joiner,
                "tokens": [*SPECIALS, *vocabulary.tokens],
            }
            for side, (tokenizer, vocabulary) in sides.items()
        },
        "normalize": codec.normalizer.normalize,
        "lower": codec.normalizer.lower,
        "features": codec.features,
    }


def write_card(folder: Path, card: Card | None, usage: str) -> None:
    """Write the model card into the folder of an export, if there is one."""
    if card is not None:
        (folder / CARD).write_text(card(usage), "utf-8", errors="replace")


def example_source(codec: Codec) -> str:
    """Return a Python expression for the tokens of a source: the first three of the vocabulary."""
    assert codec.source is not None
    return repr(list(codec.source.tokens[:3]))
