"""Score a language model's texts from their losses alone: NumPy, no model, no checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from seqcli.counts import plural
from seqcli.data.language_floors import scores
from seqcli.data.ragged import Index
from seqcli.data.tokens import Tokens
from seqcli.results import Scores
from seqcli.scoring.answers import numbered
from seqcli.scoring.metrics import Ratio
from seqcli.scoring.outcome import Floats
from seqcli.statistics.intervals import Interval


@dataclass(frozen=True)
class TextLosses:
    """N texts with the loss of each, and all that their scores need.

    Args:
        texts: N texts.
        tokens: how they are cut into tokens.
        nats: (N,) loss of each text, summed over its tokens and ``<eos>``.
        unknown: (N,) unknown tokens in each text.
        baselines: name -> (N,) loss of each text by a baseline.
        notes: what else there is to say about them.
    """

    texts: Sequence[str]
    tokens: Tokens
    nats: Floats
    unknown: Index
    baselines: Mapping[str, Floats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def sizes(self) -> Index:
        """(N,) tokens of each text, ``<eos>`` included."""
        return np.array([len(self.tokens.split(text)) + 1 for text in self.texts], np.int64)


def score_texts(found: TextLosses) -> Scores:
    """Return loss, bits per character and perplexity with their intervals, and the baselines'.

    The interval is that of the loss, a ratio of sums over texts, equal texts counted as one. The
    other two metrics are functions of the loss, so their intervals are as well.
    """
    unknown = int(found.unknown.sum())
    part = Ratio(found.nats, found.sizes)
    clusters = numbered(found.texts)
    by_loss = part.interval(clusters)
    return Scores(
        rows=len(found),
        metrics=scores(part.total()),
        intervals=_of_all_metrics(by_loss),
        interval_methods=dict.fromkeys(scores(0.0), part.method(clusters)),
        floors={
            name: scores(Ratio(nats, found.sizes).total()) for name, nats in found.baselines.items()
        },
        target_joiner=found.tokens.joiner,
        notes=(*found.notes, *(plural(unknown, "unknown token"),) * bool(unknown)),
    )


def _of_all_metrics(loss: Interval | None) -> dict[str, Interval | None]:
    if loss is None:
        return dict.fromkeys(scores(0.0))
    low, high = map(scores, loss)
    return {name: (low[name], high[name]) for name in low}
