"""Drawing texts from a model, for many rows at once, and what it thinks of given texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seqcli.config.sections import Drawing
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD
from seqcli.engine.answering import in_order
from seqcli.engine.decoding import NEVER, end_only_at
from seqcli.models.base import Model, State
from seqcli.training.torch_batches import at_least_float32, to_device


class Continued(Model):
    """A model that goes on from a prefix: whoever searches or draws, does so behind it.

    Args:
        model: any model.
        prefix: P ids that every target begins with.
    """

    def __init__(self, model: Model, prefix: Sequence[int]) -> None:
        super().__init__()
        self.model, self.prefix = model, tuple(prefix)

    def start(self, source: Tensor, source_lengths: Tensor) -> State:
        """Read the source, BOS and the prefix but for its last symbol."""
        state = self.model.start(source, source_lengths)
        for token in (BOS, *self.prefix)[:-1]:
            _, state = self.model.step(self._all(source.shape[0], token), state)
        return state

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """See `Model.step`; the first symbol, BOS, is heard as the last of the prefix."""
        if self.prefix and state.position == len(self.prefix):
            token = self._all(token.shape[0], self.prefix[-1])
        return self.model.step(token, state)

    def _all(self, rows: int, token: int) -> Tensor:
        return torch.full((rows,), token, device=self.device)  # (B,)


def probabilities(logits: Tensor, how: Drawing) -> Tensor:
    """Return the probabilities (B, V) to draw from; ids that are no answers have none.

    Args:
        logits: (B, V).
        how: temperature first, then top-k, then top-p of what that leaves.
    """
    scores = logits.float()
    scores[:, list(NEVER)] = -torch.inf
    scores = (scores - scores.max(dim=1, keepdim=True).values) / how.temperature  # (B, V)
    found = torch.softmax(scores, dim=1)
    if how.top_k or how.top_p < 1:
        found = _likeliest(found, how.top_k, how.top_p)
    return found


def _likeliest(given: Tensor, top_k: int, top_p: float) -> Tensor:
    """Return probabilities (B, V) with the unlikely ones at 0; the others add up to 1 again."""
    falling, order = given.sort(dim=1, descending=True, stable=True)  # (B, V) each
    if top_k:
        falling[:, top_k:] = 0.0
        falling = falling / falling.sum(1, keepdim=True)
    enough = falling.cumsum(1)[:, :-1] >= top_p  # (B, V - 1), without the symbols after it
    falling[:, 1:] = falling[:, 1:].masked_fill(enough, 0.0)
    kept = torch.zeros_like(given).scatter_(1, order, falling)
    return kept / kept.sum(1, keepdim=True)


@torch.inference_mode()
def draw(
    model: Model,
    source: Tensor,
    lengths: Tensor,
    limit: int,
    how: Drawing,
    generator: torch.Generator,
    ends: Tensor | None = None,
) -> list[list[int]]:
    """Draw one target for each source, symbol by symbol; rows that are done leave the batch.

    Args:
        model: in evaluation mode.
        source: (B, S) ids; (B, 0) for a language model.
        lengths: (B,), on the CPU.
        limit: most symbols of a target; one that has not ended by then is cut.
        how: temperature and the like.
        generator: where the chances come from; on the model's device.
        ends: (B,) how long each target is to be, where that is given.
    """
    batch, device = source.shape[0], source.device
    state = model.start(source, lengths)
    rows = torch.arange(batch, device=device)  # the rows still in the batch
    tokens = torch.full((batch, limit + 1), EOS, device=device)  # (B, T)
    token = torch.full((batch,), BOS, device=device)
    for t in range(limit):
        logits, state = model.step(token, state)
        if ends is not None:
            logits = end_only_at(ends[rows], t, logits)
        token = torch.multinomial(probabilities(logits, how), 1, generator=generator)[:, 0]  # (B,)
        tokens[rows, t] = token
        going = (token != EOS).nonzero()[:, 0]
        if len(going) == 0:
            break
        if len(going) < len(rows):
            rows, token, state = rows[going], token[going], state.select(going)
    sizes = (tokens == EOS).int().argmax(1).tolist()
    return [row[:size] for row, size in zip(tokens.tolist(), sizes, strict=True)]


@torch.inference_mode()
def next_probabilities(model: Model, prefix: Sequence[int], how: Drawing) -> NDArray[np.float64]:
    """Return the distribution (V,) of the symbol after a prefix, of a language model."""
    longer = Continued(model, prefix)
    source, lengths = no_sources(1, model.device)
    begin = torch.full((1,), BOS, device=model.device)
    logits, _ = longer.step(begin, longer.start(source, lengths))
    found: NDArray[np.float64] = probabilities(logits, how)[0].double().cpu().numpy()
    return found


@torch.inference_mode()
def log_probabilities(model: Model, pairs: Pairs, batch_size: int) -> NDArray[np.float64]:
    """Return (N,) nats: the log-probability of each whole target, the stop symbol included."""
    found = np.zeros(len(pairs))
    for batch in in_order(pairs, batch_size):
        data = to_device(batch, model.device)
        logits = model(data.source, data.source_lengths, data.target_in)  # (B, T, V)
        scores = torch.log_softmax(at_least_float32(logits), dim=2)
        chosen = scores.gather(2, data.target_out[:, :, None])[:, :, 0]  # (B, T)
        inside = data.target_out != PAD
        found[batch.rows] = (chosen * inside).sum(1, dtype=torch.float64).cpu().numpy()
    return found


def no_sources(rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the source (B, 0) and lengths (B,) that a language model is started with."""
    empty = torch.zeros(rows, 0, dtype=torch.int64, device=device)
    return empty, torch.zeros(rows, dtype=torch.int64)
