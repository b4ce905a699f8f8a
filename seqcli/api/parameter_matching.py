"""Sizes chosen so that the models of a comparison have as many parameters as each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seqcli import config as configuration
from seqcli.api.checkpoint_config import limits_of
from seqcli.comparison.specification import Arm
from seqcli.config import Config
from seqcli.data.corpus import Corpus
from seqcli.errors import UsageError
from seqcli.models.loading import shape_model

TOLERANCE = 0.05
WIDEST = 4096
ORIGIN = "matched by parameters"


def parameters(config: Config, corpus: Corpus) -> int:
    """Return how many weights a model would have; nothing is allocated."""
    limits = limits_of(corpus.about, corpus.codec, Path(corpus.name))
    model = shape_model(config, corpus.codec, limits)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def matched(arms: Sequence[Arm], corpus: Corpus) -> list[Arm]:
    """Return the arms with ``model.hidden`` chosen so that parameters agree within TOLERANCE.

    The widths of a Transformer come in large steps, so the first Transformer keeps its width and
    the others follow; without one, the first arm does.

    Raises:
        UsageError: no width comes near enough.
    """
    model = next((arm for arm in arms if arm.config.model.cell == "transformer"), arms[0])
    goal = parameters(model.config, corpus)
    return [arm if arm is model else _matched(arm, goal, corpus) for arm in arms]


def _matched(arm: Arm, goal: int, corpus: Corpus) -> Arm:
    step = _step(arm.config)
    low, high = 1, WIDEST // step  # in steps; the count rises with the width
    while low < high:
        middle = (low + high) // 2
        if parameters(_with_width(arm.config, middle * step), corpus) < goal:
            low = middle + 1
        else:
            high = middle
    widths = [width * step for width in (low - 1, low) if width > 0]
    chosen = min(widths, key=lambda width: _distance(arm.config, width, goal, corpus))
    off = _distance(arm.config, chosen, goal, corpus) / goal
    if off > TOLERANCE:
        message = f"no width of {arm.name} comes within {TOLERANCE:.0%} of {goal:,} parameters"
        raise UsageError(message, "choose a larger model.hidden, or --match none")
    return Arm(arm.name, _with_width(arm.config, chosen))


def _step(config: Config) -> int:
    """Return what widths must be multiples of: twice the heads, for rotary positions."""
    return 2 * config.model.heads if config.model.cell == "transformer" else 1


def _distance(config: Config, width: int, goal: int, corpus: Corpus) -> int:
    return abs(parameters(_with_width(config, width), corpus) - goal)


def _with_width(config: Config, width: int) -> Config:
    made = configuration.load(config, [f"model.hidden={width}"])
    return replace(made, origins={**made.origins, "model.hidden": ORIGIN})
