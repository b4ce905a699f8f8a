"""The gated recurrent unit (Cho et al., 2014) in PyTorch's form, forward and backward.

    r  = sigmoid(zx_r + zh_r)           reset gate
    u  = sigmoid(zx_u + zh_u)           update gate (PyTorch calls it z)
    n  = tanh(zx_n + r * zh_n)          the new candidate
    a' = (1 - u) n + u a

where zx = Wax x + ba and zh = Waa a + bh are (n, 3H), in blocks r, u, n. ``zx`` comes ready-made
(see ``rnn``). The reset gate acts on zh_n after the product with Waa, bias included: that is the
form of PyTorch and cuDNN, and why bh cannot be folded into ba.
"""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.activations import sigmoid
from seqcli.numpy_backend.parameters import Floats, Parameters
from seqcli.numpy_backend.rnn import Cache, State


def gru_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Take one step with n names: ``zx`` (n, 3H), ``state`` a (n, H); see ``rnn_cell_forward``."""
    (a_prev,) = state
    H = a_prev.shape[1]
    zh = a_prev @ parameters["Waa"].T  # (n, 3H)
    zh += parameters["bh"]
    gates = sigmoid(zx[:, : 2 * H] + zh[:, : 2 * H])  # (n, 2H)
    r, u, zh_n = gates[:, :H], gates[:, H:], zh[:, 2 * H :]
    n = np.tanh(zx[:, 2 * H :] + r * zh_n)  # (n, H)
    a_next = n + u * (a_prev - n)
    return (a_next,), (a_prev, gates, n, zh_n)


def gru_cell_backward(
    dstate: State, cache: Cache, parameters: Parameters
) -> tuple[Floats, Floats, State]:
    """Take the same step backward.

    With s' = s (1 - s) for the sigmoid and 1 - n^2 for the tanh::

        dn = da' (1 - u)              dzx_n = dn (1 - n^2)      dzh_n = dzx_n r
        du = da' (a - n)              dzx_u = du u (1 - u)      dzh_u = dzx_u
        dr = dzx_n zh_n               dzx_r = dr r (1 - r)      dzh_r = dzx_r
        da = da' u + dzh Waa

    Returns:
        dzx (n, 3H), dzh (n, 3H), and the gradient at the state before the step.
    """
    (da_next,), (a_prev, gates, n, zh_n) = dstate, cache
    H = a_prev.shape[1]
    r, u = gates[:, :H], gates[:, H:]
    dzx = np.empty_like(gates, shape=(len(n), 3 * H))
    dzx_n = np.multiply(da_next * (1.0 - u), 1.0 - n * n, out=dzx[:, 2 * H :])
    np.multiply(dzx_n, zh_n, out=dzx[:, :H])
    np.multiply(da_next, a_prev - n, out=dzx[:, H : 2 * H])
    dzx[:, : 2 * H] *= gates * (1.0 - gates)
    dzh = dzx.copy()
    dzh[:, 2 * H :] *= r
    return dzx, dzh, (da_next * u + dzh @ parameters["Waa"],)
