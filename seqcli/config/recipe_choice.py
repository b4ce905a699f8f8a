"""Choose the settings that the user leaves open, by the tables of `seqcli.config.recipes`."""

from __future__ import annotations

from collections.abc import Collection

from seqcli.config.limits import Scalar
from seqcli.config.loading import with_defaults
from seqcli.config.recipes import (
    ATTENTION_GAINS,
    BEST_BUDGET,
    COPYABLE,
    GROWTH,
    LANGUAGE_RECURRENT,
    LANGUAGE_TRANSFORMER,
    MAX_EMISSIONS,
    MAX_WARMUP,
    MONOTONIC,
    MONOTONIC_RECURRENT,
    MONOTONIC_ROWS,
    NUMPY,
    QUICK_BUDGET,
    QUICK_LENGTH,
    RECURRENT,
    REFERENCE_ROWS,
    SHORTEST_EPOCH,
    SMALL_ROWS,
    SYNTHETIC,
    TRANSFORMER,
    UPDATES,
    VALIDATIONS,
    AttentionGain,
    DataFacts,
    Recipe,
    Values,
)
from seqcli.config.schema import keys
from seqcli.config.sections import Config
from seqcli.messages import plural

MAX_FEEDFORWARD = 2**16  # that the schema allows
MAX_LINE = 80  # characters of `chosen_line`


def choose(config: Config, facts: DataFacts, only: Collection[str] | None = None) -> Config:
    """Fill the keys that have no origin, and so were not set, by the recipe ``train.recipe``.

    Args:
        config: the user's configuration.
        facts: the facts about the training rows.
        only: the keys that may be filled; all by default.

    Returns:
        the configuration, where filled keys have the origin "recipe NAME".
    """
    if config.train.recipe == "none":
        return config
    values = {
        key: value
        for key, value in _values(config, facts).items()
        if key not in config.origins and (only is None or key in only)
    }
    return with_defaults(config, values, _origin(config))


def chosen_line(config: Config) -> str:
    """Return a line of at most `MAX_LINE` characters on the choice; "" if nothing was chosen."""
    chosen = {key for key, origin in config.origins.items() if origin == _origin(config)}
    if not chosen:
        return ""
    model, parts = config.model, list[str]()
    if chosen & {"model.cell", "model.attention"}:
        parts.append(_architecture_name(config))
    if "model.layers" in chosen:
        parts.append(plural(model.layers, "layer"))
    if "model.copy" in chosen:
        parts.append("copying")
    for key, value in (("model.hidden", model.hidden), ("model.dropout", model.dropout)):
        if key in chosen:
            parts.append(f"{key.partition('.')[2]} {value:g}")
    if chosen & {"train.epochs", "train.epoch_steps"}:
        parts.append(_limit_name(config))
    if not parts:
        return ""
    line = f"{_origin(config)}: {', '.join(parts)}"
    return line if len(line) <= MAX_LINE else line.replace(f", dropout {model.dropout:g}", "")


def attention_hint(gains: tuple[AttentionGain, ...] = ATTENTION_GAINS) -> str:
    """Return a line on what attention would add to a recurrent model without it."""
    if not gains:
        return "add --attention: the decoder then looks back at every source position"
    if len(gains) == 1:
        one = gains[0]
        return (
            f"add --attention: sequence accuracy {one.with_attention:.1%} instead of "
            f"{one.without:.1%} on {one.data}"
        )
    points = sorted(100 * (one.with_attention - one.without) for one in gains)
    return (
        f"add --attention: {points[0]:+.1f} to {points[-1]:+.1f} points of sequence accuracy "
        f"on {len(gains)} data sets"
    )


def varying() -> frozenset[str]:
    """Return the keys that a recipe may choose."""
    recipes = (
        RECURRENT,
        MONOTONIC_RECURRENT,
        TRANSFORMER,
        LANGUAGE_RECURRENT,
        LANGUAGE_TRANSFORMER,
    )
    tables = [NUMPY, *(one.values for one in SYNTHETIC)]
    for one in recipes:
        tables += [one.auto, one.quick, one.best, one.labels, one.small]
    computed = {"model.attention", "model.copy", "model.feed_context", "model.feedforward"}
    return frozenset(computed.union({"train.epochs", "train.epoch_steps"}, *tables))


def _origin(config: Config) -> str:
    return f"recipe {config.train.recipe}"


def _values(config: Config, facts: DataFacts) -> dict[str, Scalar]:
    """Return every key of the recipe for this architecture, whether it is open or not."""
    if config.train.backend == "numpy":
        return _by_passes(config, NUMPY)
    cell = _cell(config, facts)
    attention = _attention(config, facts, cell)
    architecture: dict[str, Scalar] = {"model.cell": cell}
    if attention != config.model.attention:
        architecture["model.attention"] = attention
    if facts.task:
        values = {**architecture, **_by_passes(config, _synthetic(facts.task, cell))}
        return values | (_whole_heads(config, values) if cell == "transformer" else {})
    recipe = _recipe(cell, attention, facts.language)
    values = {**architecture, **recipe.values(_pace(config), facts)}
    can_copy = cell == "transformer" or attention not in ("none", "monotonic")
    if facts.copyable >= COPYABLE and can_copy:
        values["model.copy"] = True
    if cell != "transformer" and attention == "none" and not facts.language:
        values["model.feed_context"] = True
    if config.model.continue_positions:
        values.pop("model.positions", None)  # rotary positions cannot continue
    if cell == "transformer":
        values |= _whole_heads(config, values)
        used = config.model.hidden if "model.hidden" in config.origins else values["model.hidden"]
        values["model.feedforward"] = min(4 * int(used), MAX_FEEDFORWARD)
    updates = _updates(recipe.updates, _pace(config), facts)
    return values | _limits(config, updates) | _warmup(config, facts, values, updates)


def _cell(config: Config, facts: DataFacts) -> str:
    """Return the cell: the Transformer for inflection, if nothing about the model was set."""
    is_set = any(key.startswith("model.") for key in config.origins)
    inflection = facts.features and facts.copyable >= COPYABLE and facts.rows >= SMALL_ROWS
    chosen = inflection and not is_set and _pace(config) != "quick"
    return "transformer" if chosen else config.model.cell


def _attention(config: Config, facts: DataFacts, cell: str) -> str:
    """Return the attention: additive or monotonic for pairs if neither it nor the cell was set."""
    named = {"model.cell", "model.attention"} & config.origins.keys()
    if named or facts.language or cell == "transformer":
        return config.model.attention
    return "monotonic" if _is_monotonic(config, facts) else "additive"


def _is_monotonic(config: Config, facts: DataFacts) -> bool:
    """Return whether a model that can neither reorder nor copy suits the data, and its size."""
    emissions = (facts.length / 2) ** 2 * facts.vocabulary  # source x target positions x tokens
    return (
        facts.monotonic is not None
        and facts.monotonic >= MONOTONIC
        and facts.copyable < COPYABLE
        and SMALL_ROWS <= facts.rows < MONOTONIC_ROWS
        and emissions <= MAX_EMISSIONS
        and not config.model.copy
    )


def _recipe(cell: str, attention: str, language: bool) -> Recipe:
    if language:
        return LANGUAGE_TRANSFORMER if cell == "transformer" else LANGUAGE_RECURRENT
    if attention == "monotonic":
        return MONOTONIC_RECURRENT
    return TRANSFORMER if cell == "transformer" else RECURRENT


def _pace(config: Config) -> str:
    """Return quick, auto or best: the recipe, or for auto the one whose sizes fit the budget."""
    name, budget = config.train.recipe, config.train.budget
    if name != "auto" or not budget:
        return name
    return "quick" if budget <= QUICK_BUDGET else "best" if budget >= BEST_BUDGET else "auto"


def _updates(reference: int, pace: str, facts: DataFacts) -> int:
    """Return the number of updates for some data."""
    updates = reference * UPDATES[pace] * (max(facts.rows, 1) / REFERENCE_ROWS) ** GROWTH
    if pace == "quick":
        updates *= min(1.0, QUICK_LENGTH / max(facts.length, 1.0))
    return max(1, int(updates + 0.5))


def _limits(config: Config, updates: int) -> dict[str, Scalar]:
    """Return the number of epochs and their updates; none if the user set a limit in epochs.

    Epochs that the user counts are passes over the rows. An epoch of a recipe is a fixed number of
    updates, so that validation takes the same share of the time for all sizes of data.
    """
    if {"train.steps", "train.epochs"} & config.origins.keys() and config.train.epochs:
        return {}
    steps = config.train.epoch_steps or max(
        SHORTEST_EPOCH, -(-updates // VALIDATIONS[_pace(config)])
    )
    return {"train.epochs": max(1, round(updates / steps)), "train.epoch_steps": steps}


def _warmup(config: Config, facts: DataFacts, values: Values, updates: int) -> dict[str, Scalar]:
    """Return the warm-up, which is at most `MAX_WARMUP` of the updates."""
    train = config.train
    if train.steps:
        updates = train.steps
    elif "train.epochs" in config.origins and train.epochs:
        is_set = "train.batch_size" in config.origins
        batch_size = train.batch_size if is_set else int(values["train.batch_size"])
        updates = train.epochs * (train.epoch_steps or -(-facts.rows // batch_size))
    return {"train.warmup": min(int(values["train.warmup"]), round(MAX_WARMUP * updates))}


def _whole_heads(config: Config, values: Values) -> dict[str, Scalar]:
    """Return the width, rounded up to whole heads of a valid size; none if it fits as it is."""
    model = config.model
    is_set = "model.positions" in config.origins
    positions = model.positions if is_set else values.get("model.positions", model.positions)
    unit = model.heads * (2 if positions == "rotary" else 1)
    hidden = int(values.get("model.hidden", keys()["model.hidden"].default))
    return {"model.hidden": -(-hidden // unit) * unit} if hidden % unit else {}


def _synthetic(task: str, cell: str) -> dict[str, Scalar]:
    """Return the settings for a synthetic task."""
    values: dict[str, Scalar] = {}
    for one in SYNTHETIC:
        if one.task in ("", task) and one.cell in ("", cell):
            values = {**one.values, **values}
    return values


def _by_passes(config: Config, values: Values) -> dict[str, Scalar]:
    """Return settings whose epochs are passes over the rows, as many as the recipe allows."""
    factor = UPDATES[config.train.recipe]
    default = int(values.get("train.epochs", keys()["train.epochs"].default))
    if config.train.steps or factor == 1:
        return dict(values)
    return {**values, "train.epochs": max(1, round(factor * default))}


def _architecture_name(config: Config) -> str:
    model = config.model
    if model.cell == "transformer":
        return "Transformer"
    kind = {"none": "", "additive": " with attention"}
    return model.cell.upper() + kind.get(model.attention, f", {model.attention} attention")


def _limit_name(config: Config) -> str:
    """Return the limit of training, such as "6,000 updates"."""
    train = config.train
    if train.budget and not train.steps and not train.epochs:
        return f"{train.budget / 60:g} minutes" if train.budget >= 120 else f"{train.budget:g} s"
    if train.steps:
        return plural(train.steps, "update")
    if train.epoch_steps:
        return plural(train.epochs * train.epoch_steps, "update")
    return plural(train.epochs, "epoch")
