"""The plain recurrent cell (Elman, 1990), forward and backward.

    a' = tanh(Wax x + ba + Waa a + bh)

A cell gets ``zx`` = Wax x + ba, its input's share, already computed: x is one-hot, so that product
is the choice of one row (``language_model.input_rows``).
"""

from __future__ import annotations

import numpy as np

from seqcli.numpy_backend.parameters import Floats, Parameters

State = tuple[Floats, ...]  # the arrays (n, H) that a cell hands on; the first is a
Cache = tuple[Floats, ...]  # what the backward step needs to know of the forward step


def rnn_cell_forward(zx: Floats, state: State, parameters: Parameters) -> tuple[State, Cache]:
    """Take one step with n names.

    Args:
        zx: (n, H) the input's share.
        state: a (n, H) before the step.
        parameters: Waa and bh are used.

    Returns:
        The state after the step, and the cache for ``rnn_cell_backward``.
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
    """Take the same step backward: from da' to dz = da' (1 - a'^2), and on to da = dz Waa.

    Returns:
        dzx (n, H), dzh (n, H), the gradients at Wax x + ba and at Waa a + bh (here the same
        array, for the two are only added), and the gradient at the state before the step.
    """
    (da_next,), (a_next,) = dstate, cache
    dz = a_next * a_next  # (n, H)
    np.subtract(1.0, dz, out=dz)
    dz *= da_next
    return dz, dz, (dz @ parameters["Waa"],)
