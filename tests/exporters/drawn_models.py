"""Small models with random weights, of every architecture, without PyTorch."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from browser import HOSTILE

from seqcli.checkpoints.content import Checkpoint, RunRecord
from seqcli.config import Config, ModelConfig
from seqcli.config.sections import TrainConfig
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.exporters.metadata import ExportSource
from seqcli.numpy_backend.forward.build import build
from seqcli.numpy_backend.forward.layers import Weights

LIMITS = MaxLengths(source=6, target=5)
CHARS = Tokenizer("chars")
CODEC = Codec(Vocabulary(tuple("abcdefgh")), CHARS, Vocabulary(tuple("1ab23cf")), CHARS)
WORDS = Tokenizer("words")
HOSTILE_CODEC = Codec(Vocabulary(HOSTILE), WORDS, Vocabulary(HOSTILE), WORDS)
SMALL = ModelConfig(hidden=8, embedding=6, heads=2, feedforward=16, layers=2, dropout=0.1)
CELLS = [replace(SMALL, cell=cell) for cell in ("rnn", "gru", "lstm")]
RELU = replace(SMALL, cell="rnn", activation="relu", layers=1)
TRANSFORMERS = [
    replace(SMALL, cell="transformer", positions=positions, norm=norm)
    for positions in ("sinusoidal", "learned", "rotary", "none")
    for norm in ("pre", "post")
]
PAIRS = [
    *(
        replace(cell, attention=attention)
        for cell in CELLS
        for attention in ("none", "additive", "dot", "general", "monotonic")
    ),
    *(
        replace(CELLS[2], attention=attention, bidirectional=False, bridge=False, layers=1)
        for attention in ("none", "additive", "dot", "monotonic")
    ),
    *(replace(cell, feed_context=True) for cell in CELLS),
    replace(CELLS[2], bidirectional=False, layers=1, feed_context=True, layer_norm=True),
    replace(CELLS[1], attention="additive", bridge=False),
    replace(RELU, attention="dot"),
    *(
        replace(cell, attention=attention, layer_norm=True)
        for cell, attention in zip(CELLS, ("none", "additive", "general"), strict=True)
    ),
    *(replace(SMALL, attention=one, copy=True) for one in ("additive", "dot", "general")),
    *(
        replace(SMALL, attention=attention, hidden=hidden, tied_embeddings=True)
        for attention in ("none", "additive", "dot")
        for hidden in (6, 8)  # as wide as the embeddings, and wider
    ),
    *TRANSFORMERS,
    *(
        replace(one, convolution=size, mark_ends=size == 3)
        for one, size in zip(TRANSFORMERS[3:6], (3, 5, 3), strict=True)
    ),
    *(replace(one, continue_positions=True) for one in TRANSFORMERS if one.norm == "pre"),
    *(replace(SMALL, cell="transformer", norm=norm, copy=True) for norm in ("pre", "post")),
    replace(SMALL, cell="transformer", tied_embeddings=True),
    replace(SMALL, cell="transformer", hidden=9, heads=1, layers=1),
]
LANGUAGE = [
    *CELLS,
    RELU,
    *(replace(cell, layers=1) for cell in CELLS),  # of the NumPy backend too
    replace(CELLS[2], layer_norm=True),
    *TRANSFORMERS,
    replace(SMALL, cell="transformer", tied_embeddings=True),
]


class DrawnWeights(Weights):
    """Weights that are drawn when a layer reads them."""

    def __init__(self, random: np.random.Generator, arrays: dict[str, Any], prefix: str) -> None:
        super().__init__(arrays, Path("best.pt"), np.float64, prefix)
        self.random, self.drawn = random, arrays

    def part(self, name: str) -> DrawnWeights:
        return DrawnWeights(self.random, self.drawn, f"{self.prefix}{name}.")

    def array(self, name: str, *shape: int) -> Any:
        array = self.random.normal(0, 0.6, shape).astype(np.float32)
        return self.drawn.setdefault(self.prefix + name, array).astype(np.float64)


def drawn_source(config: ModelConfig, codec: Codec = CODEC, seed: int = 0) -> ExportSource:
    """Return a model with random weights, which NumPy computes in float64."""
    arrays: dict[str, Any] = {}
    random = np.random.default_rng([seed, zlib.crc32(repr(config).encode())])
    source = None if codec.source is None else len(codec.source)
    weights = DrawnWeights(random, arrays, "")
    build(weights, config, source, len(codec.target), LIMITS.positions, codec.copy_ids)
    checkpoint = Checkpoint(config={}, codec=codec, weights=arrays)
    whole = Config(model=config, train=TrainConfig(precision="float64"))
    return ExportSource(Path("best.pt"), checkpoint, whole, LIMITS)


def language(codec: Codec = CODEC) -> Codec:
    """Return a codec without a source."""
    return replace(codec, source=None)


def every_source() -> Sequence[tuple[ExportSource, ...]]:
    """Return models of every architecture, an ensemble of two different ones, and labels."""
    pairs = [(drawn_source(config),) for config in PAIRS]
    texts = [(drawn_source(config, language()),) for config in LANGUAGE]
    return [*pairs, *texts, ensemble(), (labelling(),)]


def hostile_source() -> ExportSource:
    """Return a model whose tokens and names try to become markup or scripts."""
    source = drawn_source(PAIRS[6], HOSTILE_CODEC)
    record = RunRecord(name="</p><script>hacked=1</script>")
    checkpoint = replace(source.checkpoint, record=record)
    return replace(source, checkpoint=checkpoint, path=Path("<title><script>\udcff.pt"))


def labelling() -> ExportSource:
    """Return a model whose predictions are labels of one token."""
    codec = replace(CODEC, target_tokenizer=Tokenizer("whole"))
    return replace(drawn_source(PAIRS[6], codec), limits=replace(LIMITS, target=1, labels=True))


def ensemble() -> tuple[ExportSource, ...]:
    """Return two models, of which the second has other ids."""
    other = replace(
        CODEC, source=Vocabulary(tuple("fc32ba1")), target=Vocabulary(tuple("hgfedcba"))
    )
    first, second = drawn_source(PAIRS[6]), drawn_source(TRANSFORMERS[0], other)
    assert CODEC.source is not None
    assert other.source is not None
    source = np.array([0, 1, 2, 3, *other.source.encode(CODEC.source.tokens)])
    target = np.array([0, 1, 2, 3, *other.target.encode(CODEC.target.tokens)])
    return first, replace(second, source_ids=source, target_ids=target)
