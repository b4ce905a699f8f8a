"""Alignments of EM are exact, and tell monotonic pairs from others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcli.arrays.ragged import Ragged
from seqcli.data.alignment import free_alignment, monotonic_alignment, monotonic_gain

LENGTHS = ((3, 4), (2, 3), (1, 2))  # source and target tokens of three rows; two are padded


def emissions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    in_source = np.arange(3) < np.array([[source] for source, _ in LENGTHS])
    in_target = np.arange(4) < np.array([[target] for _, target in LENGTHS])
    p = np.where(in_target[:, None], rng.uniform(0.05, 1.0, (3, 3, 4)), 1.0)
    return p * in_source[:, :, None], in_source, in_target


def free_prior(path: tuple[int, ...], size: int) -> float:
    return float(size) ** -len(path)


def monotonic_prior(path: tuple[int, ...], size: int) -> float:
    return float(np.prod([1 / (size - before) for before in (0, *path[:-1])]))


@pytest.mark.parametrize(
    ("align", "paths", "prior"),
    [
        (free_alignment, lambda size, steps: product(range(size), repeat=steps), free_prior),
        (
            monotonic_alignment,
            lambda size, steps: combinations_with_replacement(range(size), steps),
            monotonic_prior,
        ),
    ],
)
def test_an_alignment_is_the_sum_over_all_paths(align: Callable, paths: Callable, prior: Callable):
    p, in_source, in_target = emissions()
    likelihood, posterior = align(p, in_source, in_target)
    for row, (size, steps) in enumerate(LENGTHS):
        total, visits = 0.0, np.zeros((3, 4))
        for path in paths(size, steps):
            weight = prior(path, size) * np.prod([p[row, j, t] for t, j in enumerate(path)])
            total += weight
            visits[list(path), range(steps)] += weight
        np.testing.assert_allclose(likelihood[row], np.log(total), rtol=1e-12)
        np.testing.assert_allclose(posterior[row], visits / total, atol=1e-12)


def gain(sources: list[list[int]], targets: list[list[int]]) -> float:
    return monotonic_gain(Ragged.from_rows(sources), Ragged.from_rows(targets))


def words(seed: int, count: int = 300) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(4, 24, rng.integers(3, 11)).tolist() for _ in range(count)]


def spoken(word: list[int]) -> list[int]:
    """Return sounds: one for most letters, none for two of them, two for three of them."""
    sounds = [[letter + 30] if letter > 8 else [30, letter + 30][letter % 2 :] for letter in word]
    return [sound for group in sounds for sound in group if group != [34]]


@given(st.integers(0, 5))
def test_letters_and_their_sounds_are_monotonic(seed):
    sources = words(seed)
    assert gain(sources, [spoken(word) for word in sources]) > 0.2


@pytest.mark.parametrize(
    "reordered",
    [
        lambda word: word[::-1],
        sorted,
        lambda word: word[2:] + word[:2],
        lambda word: word * 3,
    ],
)
def test_reordered_and_repeated_letters_are_not_monotonic(reordered):
    sources = words(1)
    assert gain(sources, [reordered(word) for word in sources]) < -0.1


def test_unrelated_targets_are_not_monotonic():
    assert gain(words(1), words(2)) == pytest.approx(0.0, abs=0.05)


def test_rows_without_source_or_target_do_not_count():
    assert gain([], []) == gain([[4], []], [[], [5]]) == 0.0
    sources = words(1)
    targets = [spoken(word) for word in sources]
    assert gain([*sources, []], [*targets, [5]]) == gain(sources, targets)


def test_a_row_of_extreme_length_costs_no_memory():
    sources, row = words(1), list(range(4, 10_004))
    targets = [spoken(word) for word in sources]
    assert gain([*sources, row], [*targets, row]) > 0.2  # padded to it, 300 rows need 200 GiB


def test_long_rows_are_sampled_down_to_one():
    row = list(range(4, 1004))
    assert gain([row, row[::-1]], [row, row]) != 0.0
