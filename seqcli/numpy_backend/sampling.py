"""Sample names, one token after the other, for many names at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.config.sections import Drawing
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.numpy_backend.cells import Cell, State
from seqcli.numpy_backend.functional import softmax
from seqcli.numpy_backend.language_model import input_rows, output_logits
from seqcli.numpy_backend.parameters import Floats, Ids, Parameters

NEVER_DRAWN = (PAD, BOS, UNK)
PLAIN = Drawing()


def read_prefix(
    prefix: Sequence[int], n: int, parameters: Parameters, cell: Cell
) -> tuple[State, Floats]:
    """Read BOS and a prefix, the same for n names.

    Returns:
        the state, and the logits (n, V) of the next token.
    """
    rows, state = input_rows(parameters), cell.zeros(n, parameters)
    for token in (BOS, *prefix):
        state, _ = cell.forward(np.repeat(rows[[token]], n, axis=0), state, parameters)
    return state, output_logits(state[0], parameters)


def keep_likeliest(probabilities: Floats, top_k: int, top_p: float) -> Floats:
    """Return probabilities (n, V) with the unlikely tokens set to 0; the rest is not rescaled.

    Args:
        probabilities: (n, V).
        top_k: how many tokens to keep (Fan et al. 2018, arXiv:1805.04833); 0 keeps all.
        top_p: keep the fewest tokens that together have this probability, at least one (nucleus
            sampling, Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")  # (n, V)
    falling = np.take_along_axis(probabilities, order, axis=1)  # (n, V)
    if top_k:
        falling[:, top_k:] = 0.0
        falling /= falling.sum(axis=1, keepdims=True)
    falling[:, 1:][np.cumsum(falling, axis=1)[:, :-1] >= top_p] = 0.0
    kept = np.empty_like(falling)
    np.put_along_axis(kept, order, falling, axis=1)
    return kept


def probabilities(logits: Floats, how: Drawing) -> Floats:
    """Return the probabilities (n, V) to draw from: temperature first, then top-k, then top-p.

    They are float64. PAD, BOS and UNK have probability 0.
    """
    scaled = logits.astype(np.float64)  # (n, V)
    scaled[:, NEVER_DRAWN] = -np.inf
    scaled -= scaled.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # -inf at a low temperature: exp(-inf) is right
        scaled /= how.temperature
    weights = softmax(scaled)
    if how.top_k or how.top_p < 1.0:
        weights = keep_likeliest(weights, how.top_k, how.top_p)
        weights /= weights.sum(axis=1, keepdims=True)
    return weights


def draw(logits: Floats, rng: np.random.Generator, how: Drawing = PLAIN) -> Index:
    """Draw one token from each row of logits (n, V), with one uniform number per row."""
    heights = np.cumsum(probabilities(logits, how), axis=1)  # (n, V)
    # in (0, 1]: a token of probability 0 is never the first whose height reaches the target
    target = (1.0 - rng.random(len(heights))) * heights[:, -1]  # (n,)
    token: Index = np.argmax(heights >= target[:, None], axis=1)  # (n,)
    return token


def sample(
    parameters: Parameters,
    cell: Cell,
    rng: np.random.Generator,
    n: int,
    *,
    prefix: Sequence[int] = (),
    max_length: int = 100,
    how: Drawing = PLAIN,
) -> Ragged:
    """Sample n names.

    Args:
        parameters: the weights.
        cell: the cell they belong to.
        rng: the random number generator.
        n: how many names.
        prefix: ids that every name starts with.
        max_length: tokens of the longest name, prefix included; longer ones are truncated.
        how: temperature, top-k and top-p.

    Returns:
        the ids of n names, with the prefix, without BOS and EOS.
    """
    rows = input_rows(parameters)
    state, logits = read_prefix(prefix, n, parameters, cell)
    unfinished = np.arange(n)
    owners, tokens = (
        [np.repeat(unfinished, len(prefix))],
        [np.tile(np.asarray(prefix, np.int64), n)],
    )
    for _ in range(max_length - len(prefix)):
        token = draw(logits, rng, how)  # (n,)
        continues = token != EOS
        unfinished, token = unfinished[continues], token[continues]
        if not len(unfinished):
            break
        owners.append(unfinished)
        tokens.append(token)
        state = tuple(part[continues] for part in state)
        state, _ = cell.forward(rows[token], state, parameters)
        logits = output_logits(state[0], parameters)
    return gather(np.concatenate(owners), np.concatenate(tokens), n)


def gather(owners: Ids, tokens: Ids, n: int) -> Ragged:
    """Return n rows: row i holds, in order, the tokens whose owner is i."""
    order = np.argsort(owners, kind="stable")
    lengths = np.bincount(owners, minlength=n)
    return Ragged(tokens[order].astype(np.int32), offsets_of(lengths))
