"""Rows for a model that is trained already: its own tokens, and UNK for all others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from seqcli.arrays.ragged import Ragged, offsets_of
from seqcli.config.sections import DataConfig
from seqcli.data.corpus import Codec, Pairs
from seqcli.data.files.file_encoder import FileEncoder, IncrementalVocabulary, TokenBuffer
from seqcli.data.files.findings import Findings
from seqcli.data.vocabulary import UNK, Vocabulary
from seqcli.errors import DataError
from seqcli.events import Finding


def encode_for_model(
    paths: Sequence[Path], data: DataConfig, codec: Codec
) -> tuple[Pairs, tuple[Finding, ...]]:
    """Return the rows of a file, and what is said of those that are left out.

    Args:
        paths: the file, or two side by side.
        data: how they are written.
        codec: of the model.

    Raises:
        DataError: the file cannot be used, or holds pairs where the model takes names, or names
            where it takes pairs.
    """
    findings = Findings()
    gatherer = FileEncoder(data, codec, findings)
    found = gatherer.gather(paths, "")
    targets, strange = _encoded(found.targets, gatherer.targets, codec.target)
    if (codec.source is None) != (found.sources is None):
        takes, has = ("names", "pairs") if codec.source is None else ("pairs", "names")
        message = f"{paths[0]}: the model was trained on {takes}, but this file holds {has}"
        raise DataError(message, "give a file like the one it was trained on, or --columns")
    if codec.source is None or found.sources is None:
        return Pairs(targets, None, strange), findings.told()
    sources, unknown = _encoded(found.sources, gatherer.sources, codec.source)
    return Pairs(targets, sources, strange, unknown), findings.told()


def _encoded(
    spool: TokenBuffer, alphabet: IncrementalVocabulary, vocabulary: Vocabulary
) -> tuple[Ragged, tuple[str, ...]]:
    """Return the ids of the vocabulary, and the tokens that have none, in order."""
    texts = list(alphabet)
    table = np.array([vocabulary.ids.get(token, UNK) for token in texts], np.int32)
    chunks = [chunk.tokens for _, chunk in spool.chunks()]
    tokens = np.concatenate(chunks)
    ids = table[tokens]
    strange = tuple(texts[number] for number in tokens[ids == UNK].tolist())
    return Ragged(ids, offsets_of(spool.lengths)), strange
