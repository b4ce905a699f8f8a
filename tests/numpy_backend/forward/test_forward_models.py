"""The NumPy models are the oracle of the PyTorch models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from both_models import (
    EVERY,
    LARGE,
    MODES,
    PAIR_MODELS,
    batch,
    mode,
    name,
    numpy_model,
    torch_model,
)
from thorough import mostly_slow
from torch import Tensor

EXACT = {"atol": 1e-10, "rtol": 1e-10}
FLOAT32 = {"atol": 2e-5, "rtol": 2e-5}


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


@pytest.mark.parametrize("case", mostly_slow(EVERY, 2), ids=name)
def test_logits_agree_in_float64(case):
    model = torch_model(*case)
    inputs = batch(case[1])
    ours = numpy_model(case[0], model, case[1]).forward(*inputs)
    for kind in MODES:
        with mode(kind):
            theirs = model(*map(torch.from_numpy, inputs))
        np.testing.assert_allclose(ours, array(theirs), **EXACT)


@pytest.mark.parametrize("config", LARGE, ids=lambda config: name((config, False)))
def test_large_batches_agree_too(config):
    """Some kernels run only where there is enough work: here they do."""
    model = torch_model(config, noise=0.0)
    inputs = batch(lengths=(5, 3, 1, 4) * 32)
    ours = numpy_model(config, model).forward(*inputs)
    for kind in MODES:
        with mode(kind):
            theirs = model(*map(torch.from_numpy, inputs))
        np.testing.assert_allclose(ours, array(theirs), **EXACT)


@pytest.mark.parametrize("case", mostly_slow(EVERY, 2), ids=name)
def test_float32_stays_float32_and_near(case):
    model = torch_model(*case)
    inputs = batch(case[1])
    ours = numpy_model(case[0], model, case[1], np.float32)
    with mode("auto"):
        theirs = model(*map(torch.from_numpy, inputs))
    logits = ours.forward(*inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, array(theirs), **FLOAT32)
    state = ours.start(*inputs[:2])
    step, state = ours.step(inputs[2][:, 0], state)
    assert step.dtype == np.float32
    assert {part.dtype for part in state.past} == {np.dtype(np.float32)}


@pytest.mark.parametrize("case", mostly_slow(EVERY, 2), ids=name)
def test_steps_agree_while_hypotheses_are_chosen(case):
    """Two tokens; then two hypotheses per source, swapped; then two of the sources."""
    model = torch_model(*case)
    source, lengths, target = batch(case[1])
    ours = numpy_model(case[0], model, case[1])
    state = ours.start(source, lengths)
    with torch.no_grad():
        theirs = model.start(torch.from_numpy(source), torch.from_numpy(lengths))

        def advance(token: np.ndarray) -> None:
            nonlocal state, theirs
            logits, state = ours.step(token, state)
            expected, theirs = model.step(torch.from_numpy(token), theirs)
            np.testing.assert_allclose(logits, array(expected), **EXACT)
            assert (state.position, state.beams) == (theirs.position, theirs.beams)
            assert (state.attention is None) == (theirs.attention is None)
            if state.attention is not None:
                np.testing.assert_allclose(state.attention, array(theirs.attention), **EXACT)

        def take(method: str, index: list[int], *beams: int) -> None:
            nonlocal state, theirs
            state = getattr(state, method)(np.array(index), *beams)
            theirs = getattr(theirs, method)(torch.tensor(index), *beams)

        advance(target[:, 0])
        advance(target[:, 1])
        take("reorder", [0, 0, 1, 1, 2, 2, 3, 3], 2)
        advance(target[:, 2:4].flatten())
        take("reorder", [1, 0, 3, 3, 4, 5, 7, 6], 2)
        advance(target[:, 4:6].flatten())
        take("select", [3, 1])
        advance(target[:2, :2].flatten())
        take("reorder", [1, 2], 1)
        advance(target[:2, 6])


@pytest.mark.parametrize("case", mostly_slow(EVERY, 2), ids=name)
def test_steps_give_what_forward_gives(case):
    source, lengths, target = batch(case[1])
    model = numpy_model(case[0], torch_model(*case), case[1])
    logits, state = model.forward(source, lengths, target), model.start(source, lengths)
    for t in range(target.shape[1]):
        step, state = model.step(target[:, t], state)
        np.testing.assert_allclose(step, logits[:, t], **EXACT)


@pytest.mark.parametrize("config", PAIR_MODELS, ids=lambda config: name((config, False)))
def test_padding_changes_nothing(config):
    source, lengths, target = batch()
    model = numpy_model(config, torch_model(config))
    together = model.forward(source, lengths, target)
    for row, length in enumerate(lengths):
        one = slice(row, row + 1)
        alone = model.forward(source[one, :length], lengths[one], target[one])
        np.testing.assert_allclose(alone[0], together[row], **EXACT)
