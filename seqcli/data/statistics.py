"""What is told of an encoded corpus: its longest rows, and the scores that need no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from seqcli.arrays.ragged import Ragged
from seqcli.data import baselines
from seqcli.data.corpus import Pairs

Baselines = dict[str, baselines.Scores]  # by name, of one split

_ROWS = 100_000  # looked at: more would take memory and change no baseline


def longest(splits: Mapping[str, Pairs]) -> dict[str, int]:
    """Return the longest source and target of train, in tokens, as a corpus tells them."""
    train = splits["train"]
    sources, targets = train.source_lengths, train.targets.lengths
    return {"max_source": int(sources.max()), "max_target": int(targets.max())}


def scored_splits(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the splits that baselines are measured on: val and test, or train without them."""
    return tuple(split for split in splits if split != "train") or ("train",)


def text_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Return chance and majority on each scored split."""
    train = _some(splits["train"])
    return {
        split: baselines.measure(train, _some(splits[split]), vocabulary, {})
        for split in scored_splits(splits)
    }


def language_baselines(splits: Mapping[str, Pairs], vocabulary: int) -> dict[str, Baselines]:
    """Return the losses of n-gram counts on each scored split."""
    train = _some(splits["train"])
    return {
        split: baselines.measure_language(train, _some(splits[split]), vocabulary)
        for split in scored_splits(splits)
    }


def _some(pairs: Pairs) -> Ragged:
    """Return the targets, or so many of them, evenly spread."""
    targets = pairs.targets
    if len(targets) <= _ROWS:
        return targets
    return targets.take(np.linspace(0, len(targets) - 1, _ROWS).astype(np.int64))
