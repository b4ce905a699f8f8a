"""The recurrent cells, forward and backward: the simple RNN, the GRU and the LSTM.

The caller passes the input's product ``zx`` = Wax x + ba to a cell: x is one-hot, so this product
selects one row (`seqcli.numpy_backend.language_model.input_rows`). Its state is a tuple of
arrays (n, H), of which the first is a, the input of the output layer.

To add a cell, write its two functions and add a line to `CELLS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from seqcli.numpy_backend.functional import sigmoid
from seqcli.numpy_backend.parameters import Floats, Parameters

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
