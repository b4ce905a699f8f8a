"""The verdicts of a comparison in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seqcli.report.formats import plural

if TYPE_CHECKING:
    from seqcli.comparison.standing import Comparison
    from seqcli.comparison.verdicts import Verdict

SCOPE_WORDS = {
    "seen": "on lengths seen in training",
    "unseen": "on lengths never seen in training",
}
SPLITS = {"test": "test", "val": "validation", "train": "training"}


def verdict_lines(comparison: Comparison) -> list[str]:
    """Return the significant differences, the groups without any, and the method."""
    if len(comparison.standings) < 2:
        return ["No verdict: only one model"]
    lines = _too_few(comparison)
    tested = {test.scope for test in comparison.tests}
    for scope in comparison.scopes or ("test",):
        if scope in tested:
            lines += _scope_lines(comparison, scope)
    return [*lines, method(comparison)] if comparison.tests else lines


def method(comparison: Comparison) -> str:
    """Return in one sentence how differences are tested; empty where none was."""
    number = len(comparison.tests)
    if not number:
        return ""
    correction = f"Holm correction over {number} comparisons" if number > 1 else "one comparison"
    what = "texts" if comparison.language else "rows that share a source count as one"
    return (
        "Method: t-tests of paired differences at the 5% level, from the variance over seeds and "
        f"over rows ({what}), Satterthwaite degrees of freedom, {correction}; intervals: 95%, each "
        "for its own difference"
    )


def _too_few(comparison: Comparison) -> list[str]:
    """Say which models have too few seeds, or that there are too few rows."""
    few = comparison.too_few_seeds
    if few:
        each = ", ".join(f"{arm} has {plural(number, 'seed')}" for arm, number in few.items())
        return [f"Too few seeds to tell: {each}; a verdict takes 3 of each model (--seeds 3)"]
    if not comparison.tests:
        return ["Too few rows to tell: a verdict takes 2 different sources"]
    return []


def _scope_lines(comparison: Comparison, scope: str) -> list[str]:
    """Return a line for each arm that is ahead of others, or for each behind if those are fewer,
    and one for each group of arms that do not differ."""
    where = SCOPE_WORDS.get(scope, f"on {SPLITS[comparison.split]}")
    found = [one for one in comparison.verdicts if one.scope == scope]
    if not found:
        return [f"No significant differences {where}"]
    losers = list(dict.fromkeys(one.behind for one in found))
    winners = list(dict.fromkeys(one.ahead for one in _ranked(found)))
    language = comparison.language
    if len(losers) < len(winners):
        lines = [_behind_all(where, arm, found, language) for arm in losers]
    else:
        lines = [_ahead_of_all(where, arm, found, language) for arm in winners]
    return lines + [
        f"No significant difference {where} between {_listed(group)}"
        for group in comparison.ties.get(scope, ())
    ]


def _ahead_of_all(where: str, arm: str, found: Sequence[Verdict], language: bool) -> str:
    others = [f"{one.behind} {_gap(one, language)}" for one in found if one.ahead == arm]
    return f"{_capital(where)}, {arm} is ahead of {_listed(others)}"


def _behind_all(where: str, arm: str, found: Sequence[Verdict], language: bool) -> str:
    others = [f"{one.ahead} {_gap(one, language)}" for one in found if one.behind == arm]
    return f"{_capital(where)}, {arm} is behind {_listed(others)}"


def _ranked(found: Sequence[Verdict]) -> list[Verdict]:
    wins = {one.ahead: sum(other.ahead == one.ahead for other in found) for one in found}
    return sorted(found, key=lambda one: -wins[one.ahead])


def _gap(verdict: Verdict, language: bool) -> str:
    """Return how far behind, with the interval and the corrected p-value."""
    found = verdict.difference
    p = f"p = {verdict.adjusted_p:.3f}" if verdict.adjusted_p >= 0.001 else "p < 0.001"
    if language:
        low, high = sorted((-found.low, -found.high))
        return f"(by {-found.mean:.3f} bits per character, {low:.3f} to {high:.3f}, {p})"
    mean, low_text, high_text = (f"{x * 100:.1f}" for x in (found.mean, found.low, found.high))
    return f"(by {mean} points, {low_text} to {high_text}, {p})"


def _listed(names: Sequence[str]) -> str:
    """Write ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
