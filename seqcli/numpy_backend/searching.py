"""The likeliest names: greedy, and a search that keeps the best few beginnings (beam search)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqcli.data.vocabulary import EOS
from seqcli.numpy_backend.cells import Cell
from seqcli.numpy_backend.functional import log_softmax
from seqcli.numpy_backend.language_model import input_rows, output_logits
from seqcli.numpy_backend.parameters import Floats, Ids, Parameters
from seqcli.numpy_backend.sampling import NEVER_DRAWN, read_prefix


def greedy(parameters: Parameters, cell: Cell, prefix: Sequence[int], limit: int) -> list[int]:
    """Return the name made of the likeliest symbol each time, of at most ``limit`` symbols."""
    rows, name = input_rows(parameters), list(prefix)
    state, logits = read_prefix(prefix, 1, parameters, cell)
    while len(name) < limit:
        token = int(_scores(logits)[0].argmax())
        if token == EOS:
            break
        name.append(token)
        state, _ = cell.forward(rows[[token]], state, parameters)
        logits = output_logits(state[0], parameters)
    return name


def beam_search(
    parameters: Parameters, cell: Cell, prefix: Sequence[int], limit: int, width: int
) -> list[list[int]]:
    """Search for the ``width`` likeliest names, best first.

    At each symbol every beginning kept may end, or goes on with any symbol; the ``width`` best of
    those that go on are kept (K of them). It is over when no beginning is likelier than the worst
    of ``width`` names that have ended: going on can only lower it. Names of ``limit`` symbols end.
    """
    rows = input_rows(parameters)
    state, logits = read_prefix(prefix, 1, parameters, cell)
    names, totals, ended = [list(prefix)], np.zeros(1), list[tuple[float, list[int]]]()
    while True:
        scores = totals[:, None] + _scores(logits)  # (K, V)
        ended += zip(scores[:, EOS].tolist(), names, strict=True)
        ended = sorted(ended, key=lambda one: -one[0])[:width]
        scores[:, EOS] = -np.inf
        came, token = _best(scores, width)  # (K,) each
        totals = scores[came, token]
        if len(names[0]) == limit or not len(came):
            break
        if len(ended) == width and totals[0] <= ended[-1][0]:
            break
        names = [[*names[i], symbol] for i, symbol in zip(came, token.tolist(), strict=True)]
        state, _ = cell.forward(rows[token], tuple(part[came] for part in state), parameters)
        logits = output_logits(state[0], parameters)
    return [name for _, name in ended]


def _scores(logits: Floats) -> Floats:
    """Return log-probabilities (K, V), those of PAD, BOS and UNK at -inf."""
    scores = log_softmax(logits).astype(np.float64)
    scores[:, NEVER_DRAWN] = -np.inf
    return scores


def _best(scores: Floats, width: int) -> tuple[Ids, Ids]:
    """Return where (row, column) the ``width`` best finite scores (K, V) are, best first."""
    order = np.argsort(-scores, axis=None, kind="stable")[:width]
    rows, columns = np.unravel_index(order, scores.shape)
    finite = np.isfinite(scores[rows, columns])
    return rows[finite], columns[finite]
