"""An exported model beside the original: the same logits and the same answers on real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.api.exporting import needed
from seqcli.api.loading import Loaded
from seqcli.arrays.ragged import Ragged
from seqcli.data.batches import padded_batch
from seqcli.data.build import corpus as build_corpus
from seqcli.data.corpus import Pairs
from seqcli.data.statistics import scored_splits
from seqcli.data.vocabulary import EOS, SPECIALS
from seqcli.engine.decoding import NEVER
from seqcli.errors import SeqcliError
from seqcli.training.torch_batches import to_device

TOLERANCE = 1e-4  # of the largest logit
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Seen:
    """What was compared: ``rows`` of ``data``, ``steps`` logits (V,) each, and how they differ."""

    rows: int
    data: str
    steps: int
    largest_difference: float


class Runtime:
    """The exported graphs in onnxruntime, as the stepwise contract of a model.

    Args:
        folder: of the graphs.
        names: of the parts of the state, memory before past.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        (library,) = needed("onnx", "onnxruntime")
        options = library.SessionOptions()
        options.intra_op_num_threads = 1

        def session(name: str) -> Any:
            path, kinds = str(folder / name), ["CPUExecutionProvider"]
            return library.InferenceSession(path, options, providers=kinds)

        self._start = session("start.onnx") if (folder / "start.onnx").exists() else None
        self._step, self._names = session("step.onnx"), names

    def start(self, source: Floats, lengths: Floats, first: Sequence[Floats]) -> dict[str, Floats]:
        """Return the first state; ``first`` are its parts where no graph makes them."""
        parts = first
        if self._start is not None:
            parts = self._start.run(None, {"source": source, "lengths": lengths})
        return dict(zip(self._names, parts, strict=True))

    def step(self, token: Floats, state: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
        """Return logits (B, V) and the state after a token (B,)."""
        logits, *past = self._step.run(None, {"token": token, **state})
        changed = [name for name in self._names if name.startswith("past_")]
        return logits, {**state, **dict(zip(changed, past, strict=True))}


@torch.inference_mode()
def compare(
    loaded: Loaded, folder: Path, names: Sequence[str], rows: int
) -> tuple[Seen, tuple[str, ...]]:
    """Step the original and the export side by side, along the original's greedy answers.

    A language model reads real rows instead. The next symbol must be the same everywhere, so that
    the export's own greedy answers are the original's.

    Returns:
        what was seen, and notes.

    Raises:
        SeqcliError: they differ.
    """
    pairs, data, notes = _rows(loaded, rows)
    batch = to_device(padded_batch(pairs, np.arange(len(pairs))), loaded.model.device)
    runtime, language = Runtime(folder, names), pairs.sources is None
    state = loaded.model.start(batch.source, batch.source_lengths)
    other = runtime.start(
        batch.source.cpu().numpy(), batch.source_lengths.numpy(), [_array(p) for p in state.past]
    )
    token, running = batch.target_in[:, 0], np.ones(len(pairs), np.bool_)
    limit = (
        batch.target_in.shape[1] if language else loaded.limits.prediction(batch.source.shape[1])
    )
    steps, worst = 0, 0.0
    for t in range(limit):
        logits, state = loaded.model.step(token, state)
        found, other = runtime.step(token.cpu().numpy(), other)
        expected = _array(logits)
        worst = max(worst, _difference(loaded, expected[running], found[running]))
        steps += int(running.sum())
        best = torch.from_numpy(_best(expected)).to(token.device)
        token = batch.target_in[:, min(t + 1, limit - 1)] if language else best
        running &= token.cpu().numpy() != EOS
        if not running.any():
            break
    return Seen(len(pairs), data, steps, worst), notes


def _rows(loaded: Loaded, most: int) -> tuple[Pairs, str, tuple[str, ...]]:
    """Return rows of the data it was trained on, else rows drawn at random, and say which."""
    try:
        corpus = build_corpus(loaded.config.data, loaded.config.task)
        split = scored_splits(corpus.splits)[-1]
        known = (corpus.codec.source, corpus.codec.target)
        if known == (loaded.codec.source, loaded.codec.target):
            pairs = corpus.splits[split]
            return pairs.take(np.arange(min(most, len(pairs)))), f"{split} of {corpus.name}", ()
    except SeqcliError:  # it has gone, or changed
        pass
    note = "the training data is not there as it was: compared on rows drawn at random"
    return _drawn(loaded, most), "random", (note,)


def _drawn(loaded: Loaded, count: int) -> Pairs:
    random = np.random.default_rng(0)

    def side(symbols: int, longest: int) -> Ragged:
        lengths = random.integers(1, longest + 1, count)
        first = len(SPECIALS)
        return Ragged.from_rows(
            [random.integers(first, symbols, size).tolist() for size in lengths]
        )

    codec, limits = loaded.codec, loaded.limits
    targets = side(len(codec.target), limits.target)
    return Pairs(targets, side(len(codec.source), limits.source) if codec.source else None)


def _array(tensor: Tensor) -> Floats:
    found: Floats = tensor.float().cpu().numpy()
    return found


def _best(logits: Floats) -> NDArray[np.int64]:
    """Return the likeliest symbols (B,) that may stand in an answer."""
    allowed = logits.copy()
    allowed[:, list(NEVER)] = -np.inf
    best: NDArray[np.int64] = allowed.argmax(axis=1)
    return best


def _difference(loaded: Loaded, expected: Floats, found: Floats) -> float:
    """Return the largest difference between logits (B, V) of original and export.

    Raises:
        SeqcliError: it is too large, or another symbol comes out likeliest where it is no tie.
    """
    worst = float(np.abs(expected - found).max(initial=0.0))
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
    rows, places = np.arange(len(expected)), _best(found)
    lost = expected[rows, _best(expected)] - expected[rows, places]
    if not worst <= allowed or lost.max(initial=0.0) > 2 * allowed:
        message = f"{loaded.path}: the export differs from the original, by {worst:g} in a logit"
        raise SeqcliError(message, "nothing was written; please report it with the model's config")
    return worst
