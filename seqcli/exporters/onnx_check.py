"""Compare an export to ONNX with the original: the same logits and predictions on real rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.data.baselines import scored_splits
from seqcli.data.batches import padded_batch
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import has_all_tokens, reencoded
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import EOS, SPECIALS
from seqcli.decoding.loop import NEVER_PREDICTED
from seqcli.errors import SeqcliError
from seqcli.exporters.metadata import ExportSource, import_packages
from seqcli.models.base import Model
from seqcli.training.torch_batches import to_device

TOLERANCE = 1e-4  # relative to the largest logit
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Args:
        rows: the number of rows.
        data: the origin of the rows.
        steps: the number of logits (V,) compared.
        largest_difference: the largest difference between two logits.
    """

    rows: int
    data: str
    steps: int
    largest_difference: float


class Runtime:
    """The exported graphs in onnxruntime, with the interface of a model.

    Args:
        folder: the folder of the graphs.
        names: the names of the state's tensors, memory before past.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        (library,) = import_packages("onnx", "onnxruntime")
        options = library.SessionOptions()
        options.intra_op_num_threads = 1

        def session(name: str) -> Any:
            path, kinds = str(folder / name), ["CPUExecutionProvider"]
            return library.InferenceSession(path, options, providers=kinds)

        self._start = session("start.onnx") if (folder / "start.onnx").exists() else None
        self._step, self._names = session("step.onnx"), names

    def start(self, source: Floats, lengths: Floats, first: Sequence[Floats]) -> dict[str, Floats]:
        """Return the initial state; for a language model its tensors are ``first``."""
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
    source: ExportSource, model: Model, folder: Path, names: Sequence[str], rows: int
) -> tuple[Comparison, tuple[str, ...]]:
    """Step the original and the export in parallel, along the original's greedy predictions.

    A language model reads real rows instead. The most likely token must be the same at every step,
    so that greedy decoding with the export gives the original's predictions.

    Args:
        source: the trained model.
        model: the original model.
        folder: the folder of the export.
        names: the names of the state's tensors, memory before past.
        rows: the number of rows.

    Returns:
        the result, and notes.

    Raises:
        SeqcliError: they differ.
    """
    pairs, data, notes = _rows(source, rows)
    batch = to_device(padded_batch(pairs, np.arange(len(pairs))), model.device)
    runtime, language = Runtime(folder, names), pairs.sources is None
    state = model.start(batch.source, batch.source_lengths)
    first = [_array(part) for part in state.past]
    exported = runtime.start(batch.source.cpu().numpy(), batch.source_lengths.numpy(), first)
    token, running = batch.target_in[:, 0], np.ones(len(pairs), np.bool_)
    limit = (
        batch.target_in.shape[1] if language else source.limits.prediction(batch.source.shape[1])
    )
    steps, worst = 0, 0.0
    for t in range(limit):
        logits, state = model.step(token, state)
        output, exported = runtime.step(token.cpu().numpy(), exported)
        expected = _array(logits)
        worst = max(worst, _difference(source.path, expected[running], output[running]))
        steps += int(running.sum())
        best = torch.from_numpy(_best(expected)).to(token.device)
        token = batch.target_in[:, min(t + 1, limit - 1)] if language else best
        running &= token.cpu().numpy() != EOS
        if not running.any():
            break
    return Comparison(len(pairs), data, steps, worst), notes


def _rows(source: ExportSource, most: int) -> tuple[Pairs, str, tuple[str, ...]]:
    """Return rows of the training data's last split, or random rows, and their origin."""
    try:
        corpus = build_corpus(source.config.data, source.config.task)
        split = scored_splits(corpus.splits)[-1]
        if has_all_tokens(source.codec, corpus.codec):
            pairs = reencoded(corpus, source.codec).splits[split]
            return pairs.take(np.arange(min(most, len(pairs)))), f"{split} of {corpus.name}", ()
    except SeqcliError:  # the data is missing or has changed
        pass
    note = "the training data is missing or has changed: compared on random rows"
    return _random_rows(source, most), "random", (note,)


def _random_rows(source: ExportSource, count: int) -> Pairs:
    random = np.random.default_rng(0)

    def side(vocabulary: int, longest: int) -> Ragged:
        lengths = random.integers(1, longest + 1, count)
        first = len(SPECIALS)
        return Ragged.from_rows(
            [random.integers(first, vocabulary, size).tolist() for size in lengths]
        )

    codec, limits = source.codec, source.limits
    targets = side(len(codec.target), limits.target)
    return Pairs(targets, side(len(codec.source), limits.source) if codec.source else None)


def _array(tensor: Tensor) -> Floats:
    array: Floats = tensor.float().cpu().numpy()
    return array


def _best(logits: Floats) -> NDArray[np.int64]:
    """Return the most likely tokens (B,) among those that a prediction may contain."""
    allowed = logits.copy()
    allowed[:, list(NEVER_PREDICTED)] = -np.inf
    best: NDArray[np.int64] = allowed.argmax(axis=1)
    return best


def _difference(path: Path, expected: Floats, exported: Floats) -> float:
    """Return the largest difference between logits (B, V) of original and export.

    Raises:
        SeqcliError: it is too large, or the most likely tokens differ without a tie.
    """
    worst = float(np.abs(expected - exported).max(initial=0.0))
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0)))
    rows, best = np.arange(len(expected)), _best(exported)
    loss_of_best = expected[rows, _best(expected)] - expected[rows, best]
    if not worst <= allowed or loss_of_best.max(initial=0.0) > 2 * allowed:
        message = f"{path}: the export differs from the original, by {worst:g} in a logit"
        raise SeqcliError(message, "nothing was written; please report it with the model's config")
    return worst
