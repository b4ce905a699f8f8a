"""The state of decoding, with arrays of both libraries."""

import numpy as np
import pytest
import torch

from seqcli.arrays.functions import array_namespace
from seqcli.arrays.state import DecoderState

LIBRARIES = {"numpy": np.asarray, "torch": torch.tensor}


@pytest.fixture(params=LIBRARIES)
def asarray(request):
    return LIBRARIES[request.param]


def as_lists(parts):
    return [part.tolist() for part in parts]


def test_select_keeps_the_hypotheses_of_the_chosen_sources(asarray):
    state = DecoderState(
        memory=(asarray([[0], [1], [2]]),), past=(asarray([0, 1, 2, 3, 4, 5]),), beams=2
    )
    chosen = state.select(asarray([2, 0]))
    assert as_lists(chosen.memory) == [[[2], [0]]]
    assert as_lists(chosen.past) == [[4, 5, 0, 1]]
    assert chosen.beams == 2


def test_reorder_moves_hypotheses_and_leaves_the_memory(asarray):
    memory = (asarray([[0], [1]]),)
    state = DecoderState(memory, (asarray([[10], [11]]),), position=3)
    wider = state.reorder(asarray([0, 0, 1, 1]), beams=2)
    assert wider.memory is memory
    assert as_lists(wider.past) == [[[10], [10], [11], [11]]]
    assert (wider.beams, wider.position) == (2, 3)


def test_numpy_is_its_own_namespace():
    assert array_namespace(np.zeros(1)) is np
