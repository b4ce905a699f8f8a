"""Long short-term memory (Hochreiter and Schmidhuber, 1997; with forget gate), both directions.

    i = sigmoid(z_i)     f = sigmoid(z_f)     g = tanh(z_g)     o = sigmoid(z_o)
    c' = f c + i g                        the memory
    a' = o tanh(c')                       what the rest of the network sees

where z = Wax x + ba + Waa a + bh is (n, 4H), in PyTorch's order of blocks i, f, g, o. The input's
share ``zx`` = Wax x + ba comes ready-made (see ``rnn``). The state is the pair (a, c).
"""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.activations import sigmoid
from seqcli.numpy_backend.parameters import Floats, Parameters
from seqcli.numpy_backend.rnn import Cache, State


def lstm_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Take one step with n names: ``zx`` (n, 4H), ``state`` a and c, (n, H) each."""
    a_prev, c_prev = state
    H = a_prev.shape[1]
    z = a_prev @ parameters["Waa"].T  # (n, 4H)
    z += zx
    z += parameters["bh"]
    i_f, o = sigmoid(z[:, : 2 * H]), sigmoid(z[:, 3 * H :])  # (n, 2H), (n, H)
    g = np.tanh(z[:, 2 * H : 3 * H])
    c_next = i_f[:, H:] * c_prev + i_f[:, :H] * g
    tanh_c = np.tanh(c_next)
    return (o * tanh_c, c_next), (c_prev, i_f, g, o, tanh_c)


def lstm_cell_backward(
    dstate: State, cache: Cache, parameters: Parameters
) -> tuple[Floats, Floats, State]:
    """Take the same step backward. ``dstate`` is (da', dc'), dc' from the later steps alone::

        dc  = dc' + da' o (1 - tanh(c')^2)
        di  = dc g       df = dc c       dg = dc i       do = da' tanh(c')
        dz  = di i (1 - i), df f (1 - f), dg (1 - g^2), do o (1 - o)
        handed on: da = dz Waa and dc f

    Returns:
        dzx (n, 4H), dzh (the same array: the shares are only added), and the gradient at (a, c).
    """
    (da_next, dc_next), (c_prev, i_f, g, o, tanh_c) = dstate, cache
    H = g.shape[1]
    i, f = i_f[:, :H], i_f[:, H:]
    dc = dc_next + da_next * o * (1.0 - tanh_c * tanh_c)  # (n, H)
    dz = np.empty_like(g, shape=(len(g), 4 * H))
    np.multiply(dc, g, out=dz[:, :H])
    np.multiply(dc, c_prev, out=dz[:, H : 2 * H])
    dz[:, : 2 * H] *= i_f * (1.0 - i_f)
    np.multiply(dc * i, 1.0 - g * g, out=dz[:, 2 * H : 3 * H])
    np.multiply(da_next * tanh_c, o * (1.0 - o), out=dz[:, 3 * H :])
    return dz, dz, (dz @ parameters["Waa"], dc * f)
