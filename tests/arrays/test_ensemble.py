"""The probabilities of an ensemble are the mean of its members'."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from seqcli.arrays.ensemble import Ensemble, EnsembleState, Member
from seqcli.arrays.functions import log_mean_exp
from seqcli.arrays.state import DecoderState

SOURCE, LENGTHS = np.array([[4, 5], [5, 4], [4, 4]]), np.array([2, 2, 2])


@dataclass
class Table:
    """A model whose logits depend on the last token and on the first source token."""

    logits: np.ndarray  # (source id, token, V)
    attention: bool = True

    def forward(self, source, lengths, target_in):
        return self.logits[source[:, :1], target_in]

    def start(self, source, lengths):
        return DecoderState((source,), (source[:, :1] * 1.0,))

    def step(self, token, state):
        first = np.repeat(state.memory[0][:, 0], state.beams)
        weights = np.tile([0.6, 0.4], (len(token), 1)) if self.attention else None
        past = (state.past[0] + token[:, None],)
        new = DecoderState(state.memory, past, state.position + 1, weights, state.beams)
        return self.logits[first, token], new


def table(seed: int, **options: bool) -> Table:
    return Table(np.random.default_rng(seed).normal(size=(6, 7, 7)), **options)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_log_mean_exp_keeps_tiny_and_impossible_probabilities():
    one, two = np.array([-2000.0, -np.inf, 0.0, -np.inf]), np.array([-2001.0, -np.inf, -1.0, 0.0])
    found = log_mean_exp([one, two])
    expected = [-2000 + np.log((1 + np.exp(-1)) / 2), -np.inf, np.log((1 + np.exp(-1)) / 2)]
    np.testing.assert_allclose(found, [*expected, np.log(0.5)], rtol=1e-12)


def test_all_targets_at_once_are_the_mean():
    models, target = [table(1), table(2), table(3)], np.array([[1, 4, 5], [1, 5, 6], [1, 6, 4]])
    found = Ensemble(tuple(map(Member, models))).forward(SOURCE, LENGTHS, target)
    mean = np.mean([softmax(one.forward(SOURCE, LENGTHS, target)) for one in models], axis=0)
    np.testing.assert_allclose(np.exp(found), mean, atol=1e-12)


def test_steps_are_the_mean_while_hypotheses_are_chosen():
    models = [table(1), table(2)]
    ensemble = Ensemble(tuple(map(Member, models)))
    together, alone = ensemble.start(SOURCE, LENGTHS), [m.start(SOURCE, LENGTHS) for m in models]

    def check(token):
        nonlocal together, alone
        scores, together = ensemble.step(token, together)
        steps = [model.step(token, own) for model, own in zip(models, alone, strict=True)]
        np.testing.assert_allclose(np.exp(scores), np.mean([softmax(s) for s, _ in steps], 0))
        alone = [state for _, state in steps]
        assert (together.position, together.beams) == (alone[0].position, alone[0].beams)
        for own, state in zip(together.members, alone, strict=True):
            np.testing.assert_array_equal(own.past[0], state.past[0])

    check(np.array([1, 1, 1]))
    swapped = np.array([0, 0, 1, 1, 2, 2])
    together, alone = together.reorder(swapped, 2), [one.reorder(swapped, 2) for one in alone]
    check(np.array([4, 5, 6, 4, 5, 6]))
    rows = np.array([2, 0])
    together, alone = together.select(rows), [one.select(rows) for one in alone]
    check(np.array([4, 5, 6, 4]))


def test_ids_are_mapped_to_those_of_each_member():
    """A member whose tokens 4, 5 and 6 are the ensemble's 6, 4 and 5."""
    model, source_ids, target_ids = table(1), np.array([0, 1, 2, 3, 5, 4]), [0, 1, 2, 3, 5, 6, 4]
    own = Table(model.logits[np.argsort(source_ids)])
    own.logits = own.logits[:, np.argsort(target_ids)][:, :, np.argsort(target_ids)]
    ensemble = Ensemble((Member(model), Member(own, source_ids, np.array(target_ids))))
    target = np.array([[1, 4, 6], [1, 5, 4], [1, 6, 6]])
    expected = softmax(model.forward(SOURCE, LENGTHS, target))
    np.testing.assert_allclose(np.exp(ensemble.forward(SOURCE, LENGTHS, target)), expected)
    scores, _ = ensemble.step(target[:, 1], ensemble.start(SOURCE, LENGTHS))
    np.testing.assert_allclose(np.exp(scores), expected[:, 1])


@pytest.mark.parametrize("attention", [True, False])
def test_attention_is_the_mean_if_every_member_has_it(attention):
    ensemble = Ensemble((Member(table(1)), Member(table(2, attention=attention))))
    _, state = ensemble.step(np.array([1, 1, 1]), ensemble.start(SOURCE, LENGTHS))
    assert isinstance(state, EnsembleState)
    assert (state.attention is not None) == attention
    if attention:
        np.testing.assert_allclose(state.attention, [[0.6, 0.4]] * 3)
