"""Choose model widths so that all models of a comparison have similar parameter counts."""

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
from seqcli.models.build import shape_model

TOLERANCE = 0.05
WIDEST = 4096
ORIGIN = "matched by parameters"


def count_parameters(config: Config, corpus: Corpus) -> int:
    """Count the trainable parameters of a model without allocating them."""
    limits = limits_of(corpus.provenance, corpus.codec, Path(corpus.name))
    model = shape_model(config, corpus.codec, limits)
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


def match_parameters(arms: Sequence[Arm], corpus: Corpus) -> list[Arm]:
    """Return the arms with ``model.hidden`` chosen so that parameter counts agree within TOLERANCE.

    The widths of a Transformer are multiples of a large step, so the first Transformer keeps its
    width and the others are matched to it; without a Transformer, the first arm keeps its width.

    Raises:
        UsageError: no width gives a count within TOLERANCE.
    """
    model = next((arm for arm in arms if arm.config.model.cell == "transformer"), arms[0])
    target = count_parameters(model.config, corpus)
    return [arm if arm is model else _match(arm, target, corpus) for arm in arms]


def _match(arm: Arm, target: int, corpus: Corpus) -> Arm:
    step = _step(arm.config)
    low, high = 1, WIDEST // step  # in steps; the count rises with the width
    while low < high:
        middle = (low + high) // 2
        if count_parameters(_with_width(arm.config, middle * step), corpus) < target:
            low = middle + 1
        else:
            high = middle
    widths = [width * step for width in (low - 1, low) if width > 0]
    chosen = min(widths, key=lambda width: _distance(arm.config, width, target, corpus))
    off = _distance(arm.config, chosen, target, corpus) / target
    if off > TOLERANCE:
        message = f"no width of {arm.name} comes within {TOLERANCE:.0%} of {target:,} parameters"
        raise UsageError(message, "choose a larger model.hidden, or --match none")
    return Arm(arm.name, _with_width(arm.config, chosen))


def _step(config: Config) -> int:
    """Return the step between valid widths: twice the heads, as rotary positions require."""
    return 2 * config.model.heads if config.model.cell == "transformer" else 1


def _distance(config: Config, width: int, target: int, corpus: Corpus) -> int:
    return abs(count_parameters(_with_width(config, width), corpus) - target)


def _with_width(config: Config, width: int) -> Config:
    made = configuration.load(config, [f"model.hidden={width}"])
    return replace(made, origins={**made.origins, "model.hidden": ORIGIN})
