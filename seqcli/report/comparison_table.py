"""The table of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seqcli.comparison.outcome import LENGTH_GIVEN
from seqcli.report.formats import count, duration, loss, percent
from seqcli.report.tables import Column, Table, width_of

if TYPE_CHECKING:
    from seqcli.comparison.standing import Spread, Standing

NAMES = {"sequence_accuracy": "sequence accuracy", "bits_per_character": "bits per character"}
PAIRS_CAPTION = (
    "accuracies on test, free running: mean over seeds ± standard deviation (best); "
    "seen, unseen: sequence accuracy by lengths of training"
)
GIVEN_CAPTION = "; length given: where the answer ends is told"
LANGUAGE_CAPTION = "on test, the stop symbol counted: mean over seeds ± standard deviation (best)"


@dataclass(frozen=True)
class Measure:
    """A column: its header, the cell of an arm, of a floor, and how soon it gives way."""

    header: str
    cell: Callable[[Standing], str]
    floor: str = ""  # the metric of a floor that stands in this column
    rank: int = 0  # the highest goes first where the terminal is narrow


def comparison_table(
    standings: Sequence[Standing], waiting: Sequence[str] = (), width: int | None = None
) -> Table:
    """Return the table of how arms stand.

    Args:
        standings: of the arms with a finished run.
        waiting: names of arms that have none yet.
        width: terminal cells to keep within: columns give way, those that matter least first.
    """
    measures = list(measures_of(standings))
    table = _table(standings, waiting, measures)
    while width is not None and len(measures) > 3 and width_of(table) > width:
        measures.remove(max(measures, key=lambda measure: measure.rank))
        table = _table(standings, waiting, measures)
    return table


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
    return found + (_language_measures() if language else _pair_measures(standings))


def _pair_measures(standings: Sequence[Standing]) -> list[Measure]:
    found = [
        Measure(
            "sequence acc\nmean ± sd (best)",
            lambda one: spread(one.scores["sequence_accuracy"], percent),
            "sequence_accuracy",
        ),
        Measure(
            "token\nacc",
            lambda one: percent(one.scores["token_accuracy"].mean),
            "token_accuracy",
            rank=2,
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


def _language_measures() -> list[Measure]:
    return [
        Measure(
            "bits per character\nmean ± sd (best)",
            lambda one: spread(one.scores["bits_per_character"], loss),
            "bits_per_character",
        ),
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
    standings: Sequence[Standing], waiting: Sequence[str], measures: Sequence[Measure]
) -> Table:
    columns = tuple(Column(m.header, right=n > 0) for n, m in enumerate(measures))
    rows = [tuple(m.cell(one) for m in measures) for one in standings]
    rows += [(name, *[""] * (len(measures) - 1)) for name in waiting]
    strong = _best(standings)
    if standings:
        rows += _floor_rows(standings[0], measures)
    return Table(columns, tuple(rows), "", _caption(standings), strong)


def _caption(standings: Sequence[Standing]) -> str:
    if not standings:
        return ""
    if standings[0].first.language:
        return LANGUAGE_CAPTION
    return PAIRS_CAPTION + GIVEN_CAPTION * _length_given(standings)


def _length_given(standings: Sequence[Standing]) -> bool:
    return bool(standings) and all(LENGTH_GIVEN in one.scores for one in standings)


def _floor_rows(standing: Standing, measures: Sequence[Measure]) -> list[tuple[str, ...]]:
    """Return what guessing would score: chance, majority, heuristics."""
    found = []
    for name, scores in standing.first.floors.items():
        cells = [_floor(scores.get(measure.floor), measure.floor) for measure in measures[1:]]
        found.append((name.replace("_", " "), *cells))
    return found


def _floor(value: float | None, metric: str) -> str:
    if value is None:
        return ""
    return percent(value) if metric.endswith("_accuracy") else loss(value)


def _best(standings: Sequence[Standing]) -> frozenset[int]:
    """Return the row of the best arm, where there is more than one to choose from."""
    if len(standings) < 2:
        return frozenset()
    language = standings[0].first.language
    metric = "bits_per_character" if language else "sequence_accuracy"
    means = [one.scores[metric].mean * (-1 if language else 1) for one in standings]
    return frozenset(n for n, mean in enumerate(means) if mean == max(means))
