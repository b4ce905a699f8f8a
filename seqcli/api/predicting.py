"""`predict`: one answer (or n) to each line, in order, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import torch

from seqcli.api.loading import Loaded, load_model
from seqcli.config import DecodeConfig
from seqcli.data.corpus import Pairs
from seqcli.data.ragged import Ragged
from seqcli.engine.answering import answer, in_order
from seqcli.engine.decoding import Hypothesis, attention_weights
from seqcli.errors import UsageError
from seqcli.results import AttentionMap, Candidate, Prediction


def predict(
    ckpt: str | Path,
    lines: Iterable[str],
    *,
    beam: int | None = None,
    nbest: int = 1,
    length_penalty: float | None = None,
    batch_size: int = 256,
    attention: bool = False,
) -> Iterator[Prediction]:
    """Answer each line, lazily and in order.

    Args:
        ckpt: a run folder (its best checkpoint) or a checkpoint file.
        lines: sources as text; an empty line gets a prediction without candidates.
        beam: beam width; the run's own by default, at least ``nbest``.
        nbest: answers a line.
        length_penalty: see `seqcli.config.DecodeConfig`.
        batch_size: lines read and answered at a time.
        attention: add where the model looked while writing its best answer.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: attention is asked of a model that has none.
    """
    loaded = load_model(ckpt)
    own = loaded.config.decode
    if attention:
        _check_attention(loaded)
    decode = DecodeConfig(
        max(own.beam if beam is None else beam, nbest),
        own.length_penalty if length_penalty is None else length_penalty,
    )
    waiting = iter(lines)
    return _answers(loaded, waiting, decode, nbest, batch_size, attention)


def _check_attention(loaded: Loaded) -> None:
    model = loaded.config.model
    if model.cell != "transformer" and model.attention == "none":
        raise UsageError(
            f"{loaded.path}: this model has no attention to show",
            "train one with --attention, or a Transformer",
        )


def _answers(
    loaded: Loaded,
    lines: Iterator[str],
    decode: DecodeConfig,
    nbest: int,
    batch_size: int,
    attention: bool,
) -> Iterator[Prediction]:
    while chunk := list(islice(lines, batch_size)):
        yield from _answer_chunk(loaded, chunk, decode, nbest, attention)


def _answer_chunk(
    loaded: Loaded, chunk: list[str], decode: DecodeConfig, nbest: int, attention: bool
) -> Iterator[Prediction]:
    """Answer a few lines at once; yield in order."""
    codec = loaded.codec
    assert codec.source is not None
    symbols = [codec.source_tokens.split(line) for line in chunk]
    full = [i for i, row in enumerate(symbols) if row]
    sources = Ragged.from_rows([codec.source.encode(symbols[i]) for i in full])
    found = dict(zip(full, _search(loaded, sources, decode, nbest), strict=True))
    for i, line in enumerate(chunk):
        hypotheses = found.get(i, [])
        yield Prediction(
            line,
            tuple(
                Candidate(codec.target_text(best.ids), best.log_probability, best.score)
                for best in hypotheses
            ),
            tuple(codec.source.unknown(symbols[i])),
            _map(loaded, symbols[i], hypotheses[0].ids) if attention and hypotheses else None,
        )


def _search(
    loaded: Loaded, sources: Ragged, decode: DecodeConfig, nbest: int
) -> list[list[Hypothesis]]:
    """Return the answers to each source, in order."""
    found: list[list[Hypothesis]] = [[] for _ in range(len(sources))]
    if not found:
        return found
    empty = Ragged.from_rows([[]] * len(sources))
    for batch in in_order(Pairs(empty, sources), len(sources)):
        answers = answer(loaded.model, batch, loaded.limits, decode, nbest)
        for row, hypotheses in zip(batch.rows, answers, strict=True):
            found[row] = hypotheses
    return found


def _map(loaded: Loaded, symbols: list[str], ids: list[int]) -> AttentionMap | None:
    codec = loaded.codec
    assert codec.source is not None
    source = torch.tensor([codec.source.encode(symbols)], device=loaded.model.device)
    weights = attention_weights(loaded.model, source, ids)
    if weights is None:
        return None
    target = (*codec.target.decode(ids), "</s>")
    return AttentionMap(tuple(symbols), target, weights.numpy())
