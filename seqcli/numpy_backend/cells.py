"""The recurrent cells, forward and backward, and their run over a batch of names without padding.

The caller passes the input's product ``zx`` = Wax x + ba to a cell: x is one-hot, so this product
selects one row (`seqcli.numpy_backend.language_model.input_rows`). Its state is a tuple of
arrays (n, H), of which the first is a, the input of the output layer.

To add a cell, write its two functions and add a line to `CELLS`.

The mask of a batch marks the positions that are tokens, not padding. Instead of computing the
padding and multiplying the result by zeros, the mask is applied once, to the ids: the longest name
comes first, and the tokens are stored position by position::

    a n n a .           mask 1 1 1 1 1        position 0   1   2  3 4
    b o .        ->          1 1 1       ->            abc nor n. a .
    c r .                    1 1 1       (. is <eos>)

At position t the first ``counts[t]`` names still have tokens, so a step of the network reads the
first ``counts[t]`` rows of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from seqcli.numpy_backend.functional import sigmoid
from seqcli.numpy_backend.parameters import Floats, Ids, Parameters

State = tuple[Floats, ...]  # arrays (n, H) passed from step to step; the first is a
Cache = tuple[Floats, ...]  # saved by the forward step for the backward step


def rnn_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Compute a' = tanh(Wax x + ba + Waa a + bh) (Elman 1990).

    Args:
        zx: (n, H), the input's product, for n names.
        state: a (n, H) before the step.
        parameters: Waa and bh are used.

    Returns:
        the state after the step, and the cache for `rnn_cell_backward`.
    """
    (a_prev,) = state
    z = a_prev @ parameters["Waa"].T  # (n, H)
    z += zx
    z += parameters["bh"]
    a_next = np.tanh(z, out=z)
    return (a_next,), (a_next,)


def rnn_cell_backward(
    dstate: State, cache: Cache, parameters: Parameters
) -> tuple[Floats, Floats, State]:
    """Compute dz = da' (1 - a'^2), and the gradient da = dz Waa at the state before the step.

    Returns:
        dzx and dzh (n, H), the gradients at Wax x + ba and at Waa a + bh (the same array, because
        the two are only added), and the gradient at the state before the step.
    """
    (da_next,), (a_next,) = dstate, cache
    dz = a_next * a_next  # (n, H)
    np.subtract(1.0, dz, out=dz)
    dz *= da_next
    return dz, dz, (dz @ parameters["Waa"],)


def gru_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Compute a step of the gated recurrent unit (Cho et al. 2014, arXiv:1406.1078).

    With zx = Wax x + ba and zh = Waa a + bh, (n, 3H) in blocks r, u, n::

        r  = sigmoid(zx_r + zh_r)           reset gate
        u  = sigmoid(zx_u + zh_u)           update gate (PyTorch calls it z)
        n  = tanh(zx_n + r * zh_n)          candidate
        a' = (1 - u) n + u a

    The reset gate is applied to zh_n after the product with Waa, bias included, as in PyTorch and
    cuDNN. This is why bh cannot be folded into ba.
    """
    (a_prev,) = state
    H = a_prev.shape[1]
    zh = a_prev @ parameters["Waa"].T  # (n, 3H)
    zh += parameters["bh"]
    gates = sigmoid(zx[:, : 2 * H] + zh[:, : 2 * H])  # (n, 2H)
    r, u, zh_n = gates[:, :H], gates[:, H:], zh[:, 2 * H :]  # (n, H) each
    n = np.tanh(zx[:, 2 * H :] + r * zh_n)  # (n, H)
    a_next = n + u * (a_prev - n)
    return (a_next,), (a_prev, gates, n, zh_n)


def gru_cell_backward(
    dstate: State, cache: Cache, parameters: Parameters
) -> tuple[Floats, Floats, State]:
    """Compute the gradients of `gru_cell_forward`.

    The derivative of the sigmoid is s (1 - s), that of the tanh 1 - n^2::

        dn = da' (1 - u)              dzx_n = dn (1 - n^2)      dzh_n = dzx_n r
        du = da' (a - n)              dzx_u = du u (1 - u)      dzh_u = dzx_u
        dr = dzx_n zh_n               dzx_r = dr r (1 - r)      dzh_r = dzx_r
        da = da' u + dzh Waa

    Returns:
        dzx and dzh (n, 3H), and the gradient at the state before the step.
    """
    (da_next,), (a_prev, gates, n, zh_n) = dstate, cache
    H = a_prev.shape[1]
    r, u = gates[:, :H], gates[:, H:]  # (n, H) each
    dzx = np.empty_like(gates, shape=(len(n), 3 * H))
    dzx_n = np.multiply(da_next * (1.0 - u), 1.0 - n * n, out=dzx[:, 2 * H :])
    np.multiply(dzx_n, zh_n, out=dzx[:, :H])
    np.multiply(da_next, a_prev - n, out=dzx[:, H : 2 * H])
    dzx[:, : 2 * H] *= gates * (1.0 - gates)
    dzh = dzx.copy()
    dzh[:, 2 * H :] *= r
    return dzx, dzh, (da_next * u + dzh @ parameters["Waa"],)


def lstm_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Compute a step of the LSTM (Hochreiter and Schmidhuber 1997; with a forget gate, Gers 2000).

    With z = Wax x + ba + Waa a + bh, (n, 4H) in PyTorch's order of blocks i, f, g, o::

        i = sigmoid(z_i)     f = sigmoid(z_f)     g = tanh(z_g)     o = sigmoid(z_o)
        c' = f c + i g                        the cell state
        a' = o tanh(c')                       the hidden state

    The state is the pair (a, c), (n, H) each.
    """
    a_prev, c_prev = state
    H = a_prev.shape[1]
    z = a_prev @ parameters["Waa"].T  # (n, 4H)
    z += zx
    z += parameters["bh"]
    i_f, o = sigmoid(z[:, : 2 * H]), sigmoid(z[:, 3 * H :])  # (n, 2H), (n, H)
    g = np.tanh(z[:, 2 * H : 3 * H])  # (n, H)
    c_next = i_f[:, H:] * c_prev + i_f[:, :H] * g
    tanh_c = np.tanh(c_next)
    return (o * tanh_c, c_next), (c_prev, i_f, g, o, tanh_c)


def lstm_cell_backward(
    dstate: State, cache: Cache, parameters: Parameters
) -> tuple[Floats, Floats, State]:
    """Compute the gradients of `lstm_cell_forward`.

    ``dstate`` is (da', dc'), where dc' comes from the later steps alone::

        dc  = dc' + da' o (1 - tanh(c')^2)
        di  = dc g       df = dc c       dg = dc i       do = da' tanh(c')
        dz  = di i (1 - i), df f (1 - f), dg (1 - g^2), do o (1 - o)

    The gradient at the state before the step is (dz Waa, dc f).

    Returns:
        dzx and dzh (n, 4H) (the same array), and the gradient at the state before the step.
    """
    (da_next, dc_next), (c_prev, i_f, g, o, tanh_c) = dstate, cache
    H = g.shape[1]
    i, f = i_f[:, :H], i_f[:, H:]  # (n, H) each
    dc = dc_next + da_next * o * (1.0 - tanh_c * tanh_c)  # (n, H)
    dz = np.empty_like(g, shape=(len(g), 4 * H))
    np.multiply(dc, g, out=dz[:, :H])
    np.multiply(dc, c_prev, out=dz[:, H : 2 * H])
    dz[:, : 2 * H] *= i_f * (1.0 - i_f)
    np.multiply(dc * i, 1.0 - g * g, out=dz[:, 2 * H : 3 * H])
    np.multiply(da_next * tanh_c, o * (1.0 - o), out=dz[:, 3 * H :])
    return dz, dz, (dz @ parameters["Waa"], dc * f)


@dataclass(frozen=True)
class Cell:
    """The functions and sizes of a cell.

    Args:
        gates: the number of blocks of H rows in its weights.
        parts: the number of arrays (n, H) in its state.
        forward: (zx, state, parameters) -> state, cache.
        backward: (dstate, cache, parameters) -> dzx, dzh, dstate before the step.
    """

    gates: int
    parts: int
    forward: Callable[[Floats, State, Parameters], tuple[State, Cache]]
    backward: Callable[[State, Cache, Parameters], tuple[Floats, Floats, State]]

    def zeros(self, n: int, parameters: Parameters) -> State:
        """Return the state of n names before the first token."""
        Waa = parameters["Waa"]
        return tuple(np.zeros((n, Waa.shape[1]), Waa.dtype) for _ in range(self.parts))


CELLS: Mapping[str, Cell] = {
    "rnn": Cell(1, 1, rnn_cell_forward, rnn_cell_backward),
    "gru": Cell(3, 1, gru_cell_forward, gru_cell_backward),
    "lstm": Cell(4, 2, lstm_cell_forward, lstm_cell_backward),
}


@dataclass(frozen=True)
class Packed:
    """P tokens of B names, position by position, longest name first.

    Args:
        x: (P,) input ids.
        y: (P,) target ids.
        counts: (T,) the number of names with a token at each position, decreasing from B, with
            sum P.
        order: (B,) the row in the batch of each name, longest first.
    """

    x: Ids
    y: Ids
    counts: Ids
    order: Ids

    def __len__(self) -> int:
        """Return P."""
        return len(self.x)

    @cached_property
    def slices(self) -> list[slice]:
        """Return the rows of each position."""
        ends = np.cumsum(self.counts).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def before(self) -> Ids:
        """Return (P - B,): for each row after position 0, the row of the same name before it."""
        back: Ids = np.repeat(self.counts[:-1], self.counts[1:])  # (P - B,)
        return np.arange(self.counts[0], len(self)) - back

    def names(self) -> Ids:
        """Return (P,): the row in the batch of the name that each token belongs to."""
        return np.concatenate([self.order[:n] for n in self.counts])


def pack(target_in: Ids, target_out: Ids, lengths: Ids) -> Packed:
    """Sort names by length, longest first, and remove the padding.

    Args:
        target_in: (B, T) BOS + name, padded.
        target_out: (B, T) name + EOS, padded.
        lengths: (B,) tokens of each row, at least 1.
    """
    order = np.argsort(-lengths, kind="stable")
    mask = np.arange(lengths.max())[:, None] < lengths[order]  # (T, B)
    columns = target_in[order, : len(mask)].T, target_out[order, : len(mask)].T  # (T, B) each
    return Packed(columns[0][mask], columns[1][mask], mask.sum(axis=1), order)


def rnn_forward(
    zx: Floats, batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, list[Cache]]:
    """Run the cell over the batch from a zero state.

    Args:
        zx: (P, gH) the inputs' products.
        batch: the batch, which has the rows of ``zx`` at each position.
        parameters: the weights.
        cell: the cell of the weights.

    Returns:
        a (P, H) after every token, and one cache per position.
    """
    state, outputs, caches = cell.zeros(len(batch.order), parameters), [], []
    for rows in batch.slices:
        unfinished = tuple(part[: rows.stop - rows.start] for part in state)  # (n, H) each
        state, cache = cell.forward(zx[rows], unfinished, parameters)
        outputs.append(state[0])
        caches.append(cache)
    return np.concatenate(outputs), caches  # (P, H)


def rnn_backward(
    da: Floats, caches: list[Cache], batch: Packed, parameters: Parameters, cell: Cell
) -> tuple[Floats, Floats]:
    """Backpropagate through time, over the whole length of every name.

    Args:
        da: (P, H) the gradient of a from the output layer; the gradients from later positions are
            added in place.
        caches: from `rnn_forward`.
        batch: the batch of the forward pass.
        parameters: the weights.
        cell: the cell of the weights.

    Returns:
        dzx and dzh, (P, gH) each: the gradients at Wax x + ba and at Waa a + bh.
    """
    dstates = (da, *(np.zeros_like(da) for _ in range(cell.parts - 1)))  # (P, H) each
    dzx, dzh, slices = [], [], batch.slices
    for t in reversed(range(len(slices))):
        dstate = tuple(part[slices[t]] for part in dstates)  # (n, H) each
        dzx_t, dzh_t, dstate_before = cell.backward(dstate, caches[t], parameters)
        dzx.append(dzx_t)
        dzh.append(dzh_t)
        if t:
            first = slices[t - 1].start
            for part, gradient in zip(dstates, dstate_before, strict=True):
                part[first : first + len(gradient)] += gradient
    return np.concatenate(dzx[::-1]), np.concatenate(dzh[::-1])  # (P, gH) each
