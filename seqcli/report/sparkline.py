"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values as a row of bars, lowest to highest; long series are averaged to ``width``."""
    if not values:
        return ""
    points = _averaged(values, width) if len(values) > width else list(values)
    low, high = min(points), max(points)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((point - low) * scale)] for point in points)


def _averaged(values: Sequence[float], width: int) -> list[float]:
    edges = [len(values) * i // width for i in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(edges)]
    return [sum(part) / len(part) for part in parts]
