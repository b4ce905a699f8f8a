"""Equality of nested values, bit for bit; a tensor equals the array of its numbers."""

from __future__ import annotations

from typing import Any

import numpy as np


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return (
            isinstance(second, dict)
            and list(first) == list(second)
            and all(same(first[key], second[key]) for key in first)
        )
    if isinstance(first, (list, tuple)):
        return (
            type(first) is type(second)
            and len(first) == len(second)
            and all(map(same, first, second))
        )
    if hasattr(first, "shape"):
        one, two = np.asarray(first), np.asarray(second)
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    return type(first) is type(second) and (first == second or first != first)
