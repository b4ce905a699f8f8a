"""The texts of training rows, looked at before all rows are read, to choose how they are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from seqcli.config.sections import DataConfig
from seqcli.data.reading.gathering import records_of
from seqcli.data.reading.opening import TextFile
from seqcli.data.reading.rows import hash_of
from seqcli.data.reading.tokenization import AUTO, Choice, choose
from seqcli.data.split import split_rows
from seqcli.data.text_form import TextForm

SAMPLE = 20_000  # rows that are looked at

Texts = tuple[str | None, str]  # of a source, if there is one, and of a target


def chosen_tokens(
    splits: Mapping[str, Sequence[Path]], data: DataConfig
) -> tuple[DataConfig, tuple[str, ...]]:
    """Return the settings with a style for each side that was left to us, and a note on each.

    Args:
        splits: split -> its file (or two side by side); "" -> one that is split by source.
        data: how the files are written.

    Raises:
        DataError: the file of training rows is missing or not text.
    """
    if AUTO not in (data.source_tokens, data.target_tokens):
        return data, ()
    rows = _training_texts(splits, data)
    targets = [target for _, target in rows]
    sources = [source for source, _ in rows if source is not None]
    pairs = len(sources) == len(targets)
    source, target = data.source_tokens, data.target_tokens
    notes = []
    if source == AUTO:
        choice = choose(sources, sources, target=False) if pairs else Choice("chars")
        source, notes = choice.style, [choice.note("source")]
    if target == AUTO:
        choice = choose(targets, sources if pairs else None, target=True)
        target, notes = choice.style, [*notes, choice.note("target")]
    data = replace(data, source_tokens=source, target_tokens=target)
    return data, tuple(filter(None, notes))


def _training_texts(splits: Mapping[str, Sequence[Path]], data: DataConfig) -> list[Texts]:
    """Return the texts of training rows among the first of a file."""
    train = splits.get("train") or splits[""]
    rows = list(islice(_texts(train, data), SAMPLE))
    if "train" in splits or not rows:
        return rows
    groups = (source or target for source, target in rows)
    hashes = np.frombuffer(b"".join(hash_of(group, data.seed) for group in groups), np.uint64)
    return [rows[row] for row in split_rows(hashes)["train"].tolist()]


def _texts(paths: Sequence[Path], data: DataConfig) -> Iterator[Texts]:
    """Yield the texts of the rows that can be used, as the model would see them."""
    records, _ = records_of([TextFile(path) for path in paths], data)
    at, form = records.layout, TextForm(data.normalize, data.lower)
    for record in records.rows:
        cells = record.cells
        if record.problem or not cells[at.target].strip():
            continue
        target = form.target(cells[at.target])
        if at.source is None:
            yield None, target
        elif cells[at.source].strip():
            yield form.source(cells[at.source]), target
