"""The table of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from seqcli.comparison.run_result import LENGTH_GIVEN
from seqcli.formatting import count, duration, loss, percent
from seqcli.report.tables import Column, Table, width_of

if TYPE_CHECKING:
    from seqcli.comparison.summary import Spread, Standing

Differing: TypeAlias = Mapping[str, Mapping[str, Any]]
Write: TypeAlias = Callable[[float], str]
NAMES = {"sequence_accuracy": "sequence accuracy", "bits_per_character": "bits per character"}
SPLITS = {"test": "test", "val": "validation", "train": "training"}
SHARED = "all other settings are shared"


@dataclass(frozen=True)
class Measure:
    """A column: its header, the cell of an arm, of a baseline, and how soon it gives way."""

    header: str
    cell: Callable[[Standing], str]
    baseline: str = ""  # the metric of a baseline that stands in this column
    rank: int = 0  # the highest goes first where the terminal is narrow


def comparison_table(
    standings: Sequence[Standing],
    waiting: Sequence[str] = (),
    width: int | None = None,
    differing: Differing | None = None,
) -> Table:
    """Return the table of a comparison.

    Args:
        standings: of the arms with a finished run.
        waiting: names of arms that have none yet.
        width: terminal cells to keep within: columns give way, those that matter least first.
        differing: setting -> arm -> value, for the settings in which arms differ.
    """
    measures = list(measures_of(standings))
    caption = _caption(standings, differing)
    table = _table(standings, waiting, measures, caption)
    while width is not None and len(measures) > 3 and width_of(table) > width:
        measures.remove(max(measures, key=lambda measure: measure.rank))
        table = _table(standings, waiting, measures, caption)
    return table


def differing_lines(differing: Differing) -> list[str]:
    """Return a line for each setting in which arms differ: ``model.hidden: 105 rnn; 61 gru``."""
    return [f"{key}: {_values(values)}" for key, values in differing.items()]


def _values(values: Mapping[str, Any]) -> str:
    """Return each value with the arms that have it."""
    arms: dict[str, list[str]] = {}
    for arm, value in values.items():
        shown = "not set" if value is None else f"{value:,}" if type(value) is int else str(value)
        arms.setdefault(shown, []).append(arm)
    return "; ".join(f"{value} ({', '.join(names)})" for value, names in arms.items())


def measures_of(standings: Sequence[Standing]) -> list[Measure]:
    """Return the columns that say something about these arms."""
    language = bool(standings) and standings[0].first.language
    found = [Measure("\nmodel", lambda one: one.arm)]
    if any(one.first.positions for one in standings):
        found.append(Measure("\npositions", lambda one: one.first.positions, rank=5))
    found += [
        Measure("\nseeds", lambda one: str(len(one.results)), rank=8),
        Measure("\nparameters", lambda one: count(one.first.parameters), rank=4),
        Measure("\nsteps", lambda one: count(one.steps), rank=7),
        Measure("\ntime", lambda one: duration(one.seconds), rank=6),
        Measure("\nseq/s", lambda one: count(one.sequences_per_second), rank=9),
    ]
    return found + (_language_measures(standings) if language else _pair_measures(standings))


def _validation(standings: Sequence[Standing], metric: str, write: Write) -> list[Measure]:
    """Return the column by which arms are ranked, where it is not the one that is scored."""
    if not standings or standings[0].first.split == "val":
        return []
    if not all(metric in one.validation for one in standings):
        return []
    return [Measure("\nval", lambda one: write(one.validation[metric].mean), rank=2)]


def _pair_measures(standings: Sequence[Standing]) -> list[Measure]:
    found = [
        Measure(
            "sequence acc\nmean ± sd (best)",
            lambda one: spread(one.scores["sequence_accuracy"], percent),
            "sequence_accuracy",
        ),
        *_validation(standings, "sequence_accuracy", percent),
        Measure(
            "token\nacc",
            lambda one: percent(one.scores["token_accuracy"].mean),
            "token_accuracy",
            rank=3,
        ),
    ]
    if standings and standings[0].scopes:
        found += [
            Measure("seq. acc\nseen", lambda one: percent(one.scopes["seen"]), rank=1),
            Measure("seq. acc\nunseen", lambda one: percent(one.scopes["unseen"]), rank=1),
        ]
    if _length_given(standings):
        given = Measure(
            "seq. acc\nlength given", lambda one: percent(one.scores[LENGTH_GIVEN].mean), rank=3
        )
        found.append(given)
    return found


def _language_measures(standings: Sequence[Standing]) -> list[Measure]:
    return [
        Measure(
            "bits per character\nmean ± sd (best)",
            lambda one: spread(one.scores["bits_per_character"], loss),
            "bits_per_character",
        ),
        *_validation(standings, "bits_per_character", loss),
        Measure(
            "\nperplexity",
            lambda one: loss(one.scores["perplexity"].mean),
            "perplexity",
            rank=2,
        ),
    ]


def spread(found: Spread, write: Callable[[float], str]) -> str:
    """Write mean, standard deviation and best: ``98.2 ± 0.4% (98.7%)``."""
    if found.sd is None:
        return write(found.mean)
    mean = write(found.mean)
    unit = "%" if mean.endswith("%") else ""
    sd = write(found.sd).removesuffix("%")
    return f"{mean.removesuffix('%')} ± {sd}{unit} ({write(found.best)})"


def _table(
    standings: Sequence[Standing],
    waiting: Sequence[str],
    measures: Sequence[Measure],
    caption: str,
) -> Table:
    columns = tuple(Column(m.header, right=n > 0) for n, m in enumerate(measures))
    rows = [tuple(m.cell(one) for m in measures) for one in standings]
    rows += [(name, *[""] * (len(measures) - 1)) for name in waiting]
    strong = _leading(standings)
    if standings:
        rows += _baseline_rows(standings[0], measures)
    return Table(columns, tuple(rows), "", caption, strong)


def _caption(standings: Sequence[Standing], differing: Differing | None) -> str:
    """Say what the columns are, by what arms are ranked, and in which settings they differ."""
    if not standings:
        return ""
    first = standings[0].first
    split = SPLITS[first.split]
    what = "<eos> counted" if first.language else "free running"
    parts = [f"scores on {split}, {what}: mean over seeds ± standard deviation (best seed)"]
    if standings[0].scopes:
        parts.append("seen, unseen: lengths that training has, and longer or shorter ones")
    if _length_given(standings):
        parts.append("length given: the model is told where the output ends")
    if first.split == "test" and _leading(standings):
        parts.append("val: the same on validation, by which models are ranked")
    elif first.split == "val":
        parts.append("there are no test rows: validation also chose the epoch of each run")
    if differing is not None and len(standings) > 1:
        lines = differing_lines(differing)
        parts += [f"settings that differ: {' | '.join(lines)}"] if lines else []
        parts.append(SHARED)
    return "; ".join(parts)


def _leading(standings: Sequence[Standing]) -> frozenset[int]:
    from seqcli.comparison.summary import leading  # NumPy, which an empty table can do without

    return leading(standings) if standings else frozenset()


def _length_given(standings: Sequence[Standing]) -> bool:
    return bool(standings) and all(LENGTH_GIVEN in one.scores for one in standings)


def _baseline_rows(standing: Standing, measures: Sequence[Measure]) -> list[tuple[str, ...]]:
    """Return what guessing would score: chance, majority, heuristics."""
    found = []
    for name, scores in standing.first.baselines.items():
        cells = [
            _baseline(scores.get(measure.baseline), measure.baseline) for measure in measures[1:]
        ]
        found.append((name.replace("_", " "), *cells))
    return found


def _baseline(value: float | None, metric: str) -> str:
    if value is None:
        return ""
    return percent(value) if metric.endswith("_accuracy") else loss(value)
