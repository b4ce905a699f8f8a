"""Batches: every row once, little padding, the same for the same seed and epoch."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcli.arrays.ragged import Ragged
from seqcli.data.batches import BatchStream, padded_batch
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD


def random_pairs(count: int, seed: int = 0, longest: int = 12) -> Pairs:
    random = np.random.default_rng(seed)
    sides = [
        Ragged.from_rows([random.integers(4, 20, n) for n in random.integers(1, longest, count)])
        for _ in range(2)
    ]
    return Pairs(sides[0], sides[1])


def test_a_batch_is_padded_with_bos_and_eos_in_place() -> None:
    pairs = Pairs(Ragged.from_rows([[5, 6], [7]]), Ragged.from_rows([[8], [9, 9, 9]]))
    batch = padded_batch(pairs, np.array([1, 0]))
    assert batch.rows.tolist() == [1, 0]
    assert batch.source is not None
    assert batch.source.tolist() == [[9, 9, 9], [8, PAD, PAD]]
    assert batch.source_lengths.tolist() == [3, 1]
    assert batch.target_in.tolist() == [[BOS, 7, PAD], [BOS, 5, 6]]
    assert batch.target_out.tolist() == [[7, EOS, PAD], [5, 6, EOS]]
    assert batch.target_lengths.tolist() == [2, 3]
    arrays = [batch.rows, batch.source, batch.target_in, batch.target_out, batch.target_lengths]
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}


def test_a_language_model_has_no_source() -> None:
    batch = padded_batch(Pairs(Ragged.from_rows([[5, 6], [7]])), np.array([0, 1]))
    assert batch.source is None
    assert batch.source_lengths.tolist() == [0, 0]


@given(st.integers(0, 300), st.integers(1, 40), st.booleans(), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_an_epoch_holds_each_row_once(count: int, size: int, shuffle: bool, epoch: int) -> None:
    stream = BatchStream(random_pairs(count), size, seed=1, shuffle=shuffle)
    batches = list(stream.epoch(epoch))
    assert len(batches) == len(stream)
    rows = [row for batch in batches for row in batch.rows.tolist()]
    assert sorted(rows) == list(range(count))
    sizes = sorted((len(batch.rows) for batch in batches), reverse=True)
    assert all(found == size for found in sizes[: count // size])


def test_batches_hold_the_rows_they_name() -> None:
    pairs = random_pairs(200)
    for batch in BatchStream(pairs, 16, seed=3).epoch(0):
        assert batch.source is not None
        for place, row in enumerate(batch.rows.tolist()):
            target = pairs.targets[row].tolist()
            assert batch.target_out[place, : batch.target_lengths[place]].tolist() == [*target, EOS]
            assert pairs.sources is not None
            source = batch.source[place, : batch.source_lengths[place]]
            assert source.tolist() == pairs.sources[row].tolist()


def test_an_epoch_starts_anywhere_with_the_same_batches() -> None:
    stream = BatchStream(random_pairs(500), 16, seed=3)
    whole = [batch.rows.tolist() for batch in stream.epoch(7)]
    assert [batch.rows.tolist() for batch in stream.epoch(7, start=11)] == whole[11:]
    assert list(stream.epoch(7, start=len(stream))) == []


def test_epochs_and_seeds_give_other_orders() -> None:
    pairs = random_pairs(500)
    orders = {
        tuple(next(BatchStream(pairs, 16, seed).epoch(epoch)).rows.tolist())
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len(orders) == 6


@pytest.mark.parametrize("shuffle", [True, False])
def test_rows_of_a_batch_are_of_about_the_same_length(shuffle: bool) -> None:
    pairs = random_pairs(5000, longest=40)
    batches = list(BatchStream(pairs, 32, 0, shuffle).epoch(0))
    padded = sum(batch.target_out.size for batch in batches)
    needed = sum(int(batch.target_lengths.sum()) for batch in batches)
    assert padded < 1.03 * needed


def test_shuffled_batches_do_not_come_by_length() -> None:
    stream = BatchStream(random_pairs(5000, longest=40), 32, 0)
    longest = [int(batch.target_lengths.max()) for batch in stream.epoch(0)]
    rising = sum(a <= b for a, b in pairwise(longest))
    assert 0.35 * len(longest) < rising < 0.65 * len(longest)


def test_unshuffled_batches_come_by_length_in_every_epoch() -> None:
    stream = BatchStream(random_pairs(300), 16, 0, shuffle=False)
    lengths = [n for batch in stream.epoch(0) for n in batch.target_lengths.tolist()]
    assert lengths == sorted(lengths)
    first, second = ([b.rows.tolist() for b in stream.epoch(n)] for n in (0, 1))
    assert first == second


@pytest.mark.parametrize("steps", [1, 3, 8, 20])
def test_an_epoch_of_some_batches_continues_where_the_last_one_ended(steps: int) -> None:
    pairs = random_pairs(70)
    stream = BatchStream(pairs, 10, seed=3, steps=steps)
    assert len(stream) == steps
    batches = [batch for number in range(1, 30) for batch in stream.epoch(number)]
    passes = len(batches) // 7
    rows = np.concatenate([batch.rows for batch in batches[: 7 * passes]])
    assert np.bincount(rows).tolist() == [passes] * 70
    for start in range(steps):
        rest = [batch.rows.tolist() for batch in stream.epoch(2, start)]
        assert rest == [batch.rows.tolist() for batch in batches[steps + start : 2 * steps]]
