from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqcli.numpy_backend.functional import cross_entropy, log_softmax, sigmoid, softmax

rows = arrays(np.float64, (2, 5), elements=st.floats(-1e300, 1e300))


@given(rows)
def test_softmax_is_a_distribution_whatever_the_logits(logits):
    p = softmax(logits)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits(dtype):
    logits = np.array([[1e4, 1e4, -1e4], [-1e30, 1e30, 0.0]], dtype)
    np.testing.assert_allclose(softmax(logits), [[0.5, 0.5, 0], [0, 1, 0]])
    expected = [-np.log(2), -np.log(2), -2e4 - np.log(2)]
    np.testing.assert_allclose(log_softmax(logits)[0], expected, rtol=1e-6)
    loss, gradient = cross_entropy(logits, np.array([0, 1]))
    assert loss == pytest.approx(np.log(2) / 2)
    np.testing.assert_allclose(gradient, [[-0.25, 0.25, 0], [0, 0, 0]])


def test_sigmoid():
    x = np.array([-1e30, -3.0, 0.0, 3.0, 1e30])
    s3 = 1 / (1 + np.exp(-3.0))
    np.testing.assert_allclose(sigmoid(x), [0, 1 - s3, 0.5, s3, 1], rtol=1e-14)
