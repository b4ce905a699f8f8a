"""The space and the results of a search for good settings (`compare --search`).

A trial is one run, with a value for each parameter. Trials are ranked by the deciding metric on the
validation rows; the loss there decides between equal scores. Test rows are never scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from seqcli.config.schema import keys
from seqcli.errors import UsageError
from seqcli.metrics.metric import Metric
from seqcli.registry import suggest

Value: TypeAlias = int | float | str
SECTIONS = ("model.", "train.", "decode.")  # of keys that a search may choose
FORM = "--search must be key=LOW..HIGH, key=LOW..HIGH:log or key=a|b|c"
EXAMPLE = "for example: --search train.lr=1e-4..1e-2:log"
DIGITS = 4  # significant digits of a number, so that names and commands stay short
TIE = 1e-6  # the most that the loss adds to a score; smaller than one row of a million
FINEST = 1.01 / 16  # of a range; narrower intervals are not halved
WORST = -1e6  # the score of a trial that failed
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)  # one prime for each parameter


@dataclass(frozen=True)
class Parameter:
    """A setting to search.

    Args:
        key: the dotted key.
        low, high: the range of a number; both whole numbers for a whole number.
        log: whether the range is searched on a logarithmic scale.
        choices: the values of a parameter without a range.
    """

    key: str
    low: int | float = 0
    high: int | float = 0
    log: bool = False
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key}={'|'.join(self.choices)}"
        return f"{self.key}={self.low:g}..{self.high:g}" + ":log" * self.log

    @property
    def leaf(self) -> str:
        """The key without its section."""
        return self.key.partition(".")[2]

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def edges(self) -> tuple[Value, ...]:
        """The choices, or both ends of the range."""
        return self.choices or (self.low, self.high)

    def at(self, share: float) -> Value:
        """Return the value at a share, from 0 to 1, of the range or of the choices."""
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        if self.log:
            return self.rounded(self.low * (self.high / self.low) ** share)
        return self.rounded(self.low + share * (self.high - self.low))

    def share_of(self, value: int | float) -> float:
        """Return the share of the range at a value; see `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def rounded(self, value: Value) -> Value:
        """Round a number to `DIGITS`, or to a whole number, within the range."""
        if isinstance(value, str):
            return value
        near = round(value) if self.is_whole else float(f"{value:.{DIGITS}g}")
        return min(max(near, self.low), self.high)


def parse(texts: Sequence[str]) -> tuple[Parameter, ...]:
    """Parse the texts of ``--search``.

    Raises:
        UsageError: a text has another form, a key is unknown or given twice, or a range is empty.
    """
    parameters = tuple(_parse(text) for text in texts)
    names = [one.key for one in parameters]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"--search {twice} is given twice", "give one range for each key")
    if len(names) > len(_BASES):
        raise UsageError(f"--search takes at most {len(_BASES)} keys", "search fewer at a time")
    return parameters


def _parse(text: str) -> Parameter:
    key, sign, values = (part.strip() for part in text.partition("="))
    if not (sign and values):
        raise UsageError(f"{FORM}, not {text!r}", EXAMPLE)
    if key not in keys():
        raise UsageError(f"--search: unknown key {key!r}", suggest(key, keys()))
    if not key.startswith(SECTIONS):
        hint = "it chooses settings of the model, of training and of decoding"
        raise UsageError(f"--search cannot vary {key}", hint)
    if ".." in values:
        return _range(key, values, text)
    choices = tuple(one.strip() for one in values.split("|"))
    if len(choices) < 2 or "" in choices or len(set(choices)) < len(choices):
        raise UsageError(f"{FORM}, not {text!r}", EXAMPLE)
    return Parameter(key, choices=choices)


def _range(key: str, values: str, text: str) -> Parameter:
    span, colon, scale = values.partition(":")
    kind = int if keys()[key].kind is int else float
    try:
        low, high = (kind(end) for end in span.split(".."))
    except ValueError:
        raise UsageError(f"{FORM}, not {text!r}", EXAMPLE) from None
    log = scale.strip() == "log"
    if (colon and not log) or not (math.isfinite(low) and low < high < math.inf):
        raise UsageError(f"{FORM}, not {text!r}", EXAMPLE)
    if log and low <= 0:
        raise UsageError(f"--search {text}: a logarithmic range starts above 0", EXAMPLE)
    return Parameter(key, low, high, log)


def spread_point(parameters: Sequence[Parameter], index: int) -> dict[str, Value]:
    """Return a point of the Halton sequence, which covers the space evenly from its middle on.

    The second and third point of a single parameter are the ends of its range, so that the first
    five are a grid.

    Args:
        parameters: the space.
        index: the number of the point, from 1.

    Reference:
        J. H. Halton (1964), Algorithm 247: Radical-inverse quasi-random point sequence.
    """
    if len(parameters) == 1 and index > 1:
        ends = {2: 1.0, 3: 0.0}
        share = ends[index] if index in ends else _radical_inverse(index - 2, 2)
        return {parameters[0].key: parameters[0].at(share)}
    pairs = zip(parameters, _BASES, strict=False)
    return {one.key: one.at(_radical_inverse(index, base)) for one, base in pairs}


def halving_point(
    parameter: Parameter, scores: Mapping[int | float, float]
) -> tuple[Value, float] | None:
    """Halve the interval between the best value and the better of its neighbours.

    Near the best value the score is expected to have one maximum. A few values there say more than
    the estimator, which has learned little from so few trials, would find elsewhere.

    Args:
        parameter: with a range.
        scores: value -> score of each trial.

    Returns:
        the value between both, and the mean of their scores; None if these intervals are narrower
        than `FINEST`.
    """
    points = sorted((parameter.share_of(value), score) for value, score in scores.items())
    best = max(range(len(points)), key=lambda index: points[index][1])
    place, highest = points[best]
    neighbours = [points[index] for index in (best - 1, best + 1) if 0 <= index < len(points)]
    for share, score in sorted(neighbours, key=lambda point: -point[1]):
        value = parameter.at((place + share) / 2)
        if abs(place - share) > FINEST and value not in scores:
            return value, (highest + score) / 2
    return None


def _radical_inverse(index: int, base: int) -> float:
    """Mirror the digits of a number at the point: 6 = 110 in base 2 becomes 0.011 = 3/8."""
    share, weight = 0.0, 1.0
    while index:
        index, digit = divmod(index, base)
        weight /= base
        share += digit * weight
    return share


def texts_of(values: Mapping[str, Value]) -> list[str]:
    """Return the values of a trial as texts for ``--set``."""
    return [
        f"{key}={value:g}" if type(value) is float else f"{key}={value}"
        for key, value in values.items()
    ]


def score_of(metrics: Mapping[str, float], metric: Metric) -> float:
    """Return the score of a trial; higher is better. The loss decides between equal metrics.

    Args:
        metrics: on the validation rows; empty if the trial failed.
        metric: the deciding metric.
    """
    if metric.name not in metrics:
        return WORST
    return metric.gain(metrics[metric.name], 0.0) + TIE / (1.0 + metrics.get("loss", 0.0))


@dataclass(frozen=True)
class Trial:
    """A trial.

    Args:
        number: counted from 1, for each model.
        run: the name of its run.
        values: key -> value.
        metrics: on the validation rows; empty if it failed.
        seconds: of training.
        failed: why it has no metrics.
    """

    number: int
    run: str
    values: Mapping[str, Value]
    metrics: Mapping[str, float]
    seconds: float
    failed: str = ""


@dataclass(frozen=True)
class ModelSearch:
    """The trials of one model.

    Args:
        arm: the name of the model.
        trials: in the order of their numbers.
        best: the best of them; None if all failed.
        command: the `seqcli train` command with the settings of the best trial.
    """

    arm: str
    trials: tuple[Trial, ...]
    best: Trial | None
    command: str


@dataclass(frozen=True)
class SearchResult:
    """A search.

    Args:
        name, folder: the name of its data, and the folder of its runs.
        metric: the metric that ranks the trials.
        parameters: what was searched.
        models: the trials of each model.
        notes: the defaults of compare that are used, and remarks on the data.
    """

    name: str
    folder: str
    metric: Metric
    parameters: tuple[Parameter, ...]
    models: tuple[ModelSearch, ...]
    notes: tuple[str, ...] = ()


def best_of(trials: Sequence[Trial], metric: Metric) -> Trial | None:
    """Return the best trial, the first of equal ones; None if all failed."""
    worked = [one for one in trials if not one.failed]
    return max(worked, key=lambda one: score_of(one.metrics, metric), default=None)
