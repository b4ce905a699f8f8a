"""New names: one symbol after the other, for many names at once, from the state kept so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqcli.arrays.ragged import Index, Ragged, offsets_of
from seqcli.config.sections import Drawing
from seqcli.data.vocabulary import BOS, EOS, PAD, UNK
from seqcli.numpy_backend.activations import softmax
from seqcli.numpy_backend.cells import Cell
from seqcli.numpy_backend.language_model import input_rows, output_logits
from seqcli.numpy_backend.parameters import Floats, Ids, Parameters
from seqcli.numpy_backend.rnn import State

NEVER_DRAWN = (PAD, BOS, UNK)  # no name holds them
PLAIN = Drawing()


def read_prefix(
    prefix: Sequence[int], n: int, parameters: Parameters, cell: Cell
) -> tuple[State, Floats]:
    """Read BOS and a prefix, the same for n names.

    Returns:
        The state, and the logits (n, V) of the symbol that follows: their ``softmax`` is the
        distribution of the next symbol.
    """
    rows, state = input_rows(parameters), cell.zeros(n, parameters)
    for token in (BOS, *prefix):
        state, _ = cell.forward(np.repeat(rows[[token]], n, axis=0), state, parameters)
    return state, output_logits(state[0], parameters)


def keep_likeliest(probabilities: Floats, top_k: int, top_p: float) -> Floats:
    """Return probabilities (n, V) with the unlikely symbols set to 0; rows no longer add up to 1.

    Args:
        probabilities: (n, V).
        top_k: keep so many symbols (Fan et al., 2018); 0, or more than there are, keeps all.
        top_p: keep the fewest symbols that together have at least this probability, and one at
            least (nucleus sampling, Holtzman et al., 2020); 1 keeps all.
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
    """Return what to draw from, (n, V) in float64: temperature first, then top-k, then top-p.

    PAD, BOS and UNK get 0: no name holds them.
    """
    scaled = logits.astype(np.float64)  # (n, V)
    scaled[:, NEVER_DRAWN] = -np.inf
    scaled -= scaled.max(axis=1, keepdims=True)
    with np.errstate(over="ignore"):  # at a temperature near 0: -inf, and exp(-inf) is right
        scaled /= how.temperature
    found = softmax(scaled)
    if how.top_k or how.top_p < 1.0:
        found = keep_likeliest(found, how.top_k, how.top_p)
        found /= found.sum(axis=1, keepdims=True)
    return found


def draw(logits: Floats, rng: np.random.Generator, how: Drawing = PLAIN) -> Index:
    """Draw one symbol from each row of logits (n, V); takes one uniform number per row."""
    heights = np.cumsum(probabilities(logits, how), axis=1)  # (n, V)
    # in (0, 1]: a symbol of probability 0 is never the first whose height reaches it
    aim = (1.0 - rng.random(len(heights))) * heights[:, -1]
    token: Index = np.argmax(heights >= aim[:, None], axis=1)  # (n,)
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
    """Invent n names.

    Args:
        parameters: the weights.
        cell: what the weights belong to.
        rng: where the chances come from.
        n: how many names.
        prefix: ids that every name starts with.
        max_length: symbols of the longest name, prefix included; a name that has not come to its
            end by then is cut.
        how: temperature, top-k and top-p.

    Returns:
        The ids of n names, with the prefix, without BOS and EOS.
    """
    rows = input_rows(parameters)
    state, logits = read_prefix(prefix, n, parameters, cell)
    running = np.arange(n)
    owners, tokens = [np.repeat(running, len(prefix))], [np.tile(np.asarray(prefix, np.int64), n)]
    for _ in range(max_length - len(prefix)):
        token = draw(logits, rng, how)  # (n,)
        going = token != EOS
        running, token = running[going], token[going]
        if not len(running):
            break
        owners.append(running)
        tokens.append(token)
        state = tuple(part[going] for part in state)
        state, _ = cell.forward(rows[token], state, parameters)
        logits = output_logits(state[0], parameters)
    return gather(np.concatenate(owners), np.concatenate(tokens), n)


def gather(owners: Ids, tokens: Ids, n: int) -> Ragged:
    """Return n rows: row i holds, in order, the tokens whose owner is i."""
    order = np.argsort(owners, kind="stable")
    lengths = np.bincount(owners, minlength=n)
    return Ragged(tokens[order].astype(np.int32), offsets_of(lengths))
