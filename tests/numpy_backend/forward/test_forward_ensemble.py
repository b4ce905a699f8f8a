"""Ensembles of real models: the same in both backends, and the mean of their members."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch
from both_models import SMALL, batch, numpy_model, torch_model

from seqcli.arrays.ensemble import Ensemble, Member
from seqcli.arrays.functions import log_softmax
from seqcli.decoding.search import Search, attention_weights, search

GRU = replace(SMALL, cell="gru", attention="additive")
LSTM = replace(SMALL, cell="lstm", attention="dot", hidden=6, layers=1)
TRANSFORMER = replace(SMALL, cell="transformer")


def ensembles(configs, language=False):
    """Return an ensemble in PyTorch, the same in NumPy, and its members in NumPy."""
    models = [torch_model(config, language) for config in configs]
    pairs = zip(configs, models, strict=True)
    ours = [numpy_model(config, model, language) for config, model in pairs]
    both = (Ensemble(tuple(map(Member, some))) for some in (models, ours))
    return (*both, ours)


@pytest.mark.parametrize("language", [False, True])
def test_probabilities_are_the_mean_of_the_members(language):
    attention = {"attention": "none"} if language else {}
    configs = [replace(one, **attention) for one in (GRU, LSTM, TRANSFORMER)]
    theirs, ours, members = ensembles(configs, language)
    inputs = batch(language)
    found = np.exp(ours.forward(*inputs))
    mean = np.mean([np.exp(log_softmax(one.forward(*inputs))) for one in members], axis=0)
    np.testing.assert_allclose(found, mean, atol=1e-10)
    with torch.no_grad():
        same = theirs.forward(*map(torch.from_numpy, inputs)).exp().numpy()
    np.testing.assert_allclose(found, same, atol=1e-10)


def test_steps_are_those_of_the_whole_target():
    _, ours, _ = ensembles([GRU, TRANSFORMER])
    source, lengths, target = batch()
    state, steps = ours.start(source, lengths), []
    for t in range(target.shape[1]):
        scores, state = ours.step(target[:, t], state)
        steps.append(scores)
    whole = ours.forward(source, lengths, target)
    np.testing.assert_allclose(np.stack(steps, axis=1), whole, atol=1e-10)


@pytest.mark.parametrize("how", [Search(), Search(4, 0.7), Search(4, 0.7, 3)], ids=str)
def test_both_backends_find_the_same_predictions(how):
    theirs, ours, _ = ensembles([GRU, TRANSFORMER])
    source, lengths, _ = batch()
    found = search(ours, source, lengths, 6, how)
    with torch.no_grad():
        tensors = map(torch.from_numpy, (source, lengths))
        same = search(theirs, *tensors, 6, how)
    for one, other in zip(chain(*found), chain(*same), strict=True):
        assert one.ids == other.ids
        assert one.score == pytest.approx(other.score, abs=1e-9)


def test_the_attention_map_is_the_mean_of_the_members():
    _, ours, members = ensembles([GRU, TRANSFORMER])
    source = batch()[0][:1]
    found = attention_weights(ours, source, [4, 5])
    each = [attention_weights(one, source, [4, 5]) for one in members]
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-12)
