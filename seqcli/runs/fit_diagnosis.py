"""Diagnose the fit of a run by its curves: a table of rules, each with a command to run next."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seqcli.events import RunFacts
from seqcli.formatting import baseline_name, loss, percent
from seqcli.messages import plural
from seqcli.metrics.metric import shown
from seqcli.runs.fit_evidence import WIDE_GAP, Evidence

MORE_DROPOUT, MAX_DROPOUT = 0.2, 0.5


def _retrain(facts: RunFacts, *options: str) -> str:
    """Return a command that trains a new run with the same configuration and some other options."""
    return f"train --config {shlex.quote(f'{facts.folder}/config.yaml')} {' '.join(options)}"


def train_longer(evidence: Evidence) -> str:
    """Continue to twice the current limit."""
    facts = evidence.facts
    longer = [facts.doubled_limit]
    if facts.patience:
        longer.append(f"--patience {2 * facts.patience}")
    return f"train --resume {shlex.quote(facts.folder)} {' '.join(longer)}"


def regularize(evidence: Evidence) -> str:
    """Use more rows of a task, or else more dropout or a smaller model."""
    facts = evidence.facts
    if facts.drawn_rows:
        return _retrain(facts, f"--train-rows {4 * facts.drawn_rows}")
    if facts.dropout + MORE_DROPOUT <= MAX_DROPOUT and not facts.by_hand:
        return _retrain(facts, f"--dropout {facts.dropout + MORE_DROPOUT:.2g}")
    return _retrain(facts, f"--hidden {max(8, facts.hidden // 2)}")


def other_rate(evidence: Evidence) -> str:
    """Add attention if there is none, or else reduce the learning rate."""
    if evidence.facts.could_attend:
        return _retrain(evidence.facts, "--attention")
    return _retrain(evidence.facts, f"--lr {evidence.facts.lr / 3:.2g}")


def larger_model(evidence: Evidence) -> str:
    """Add attention if there is none, or else use a larger hidden size."""
    if evidence.facts.could_attend:
        return _retrain(evidence.facts, "--attention")
    return _retrain(evidence.facts, f"--hidden {2 * evidence.facts.hidden}")


def evaluate(evidence: Evidence) -> str:
    """Score the best checkpoint."""
    facts = evidence.facts
    split = "" if facts.has_test else " --split val"
    return f"eval {shlex.quote(facts.folder)}{split}"


Kind = Literal[
    "too short to say",
    "overfitting",
    "not better than the baseline",
    "underfitting",
    "still improving",
    "good fit",
]

MIN_EPOCHS = 3  # required for a diagnosis
SINCE_BEST = 2  # epochs after the lowest validation loss before it can be called overfitting
POOR_ACCURACY = 0.90  # training accuracy below which a model has not learned its training rows


@dataclass(frozen=True)
class FitDiagnosis:
    """The diagnosis of a run.

    Args:
        kind: the finding.
        since: the first epoch (from 1) of overfitting.
        text: one sentence with the numbers.
        command: the command to run next; "" if the run folder is unknown.
    """

    kind: Kind
    since: int | None
    text: str
    command: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule of the table.

    Args:
        kind: the finding.
        applies: whether the rule applies.
        explain: returns the text after the finding.
        advise: returns the command, without ``seqcli``.
        since: returns the first epoch of the finding.
    """

    kind: Kind
    applies: Callable[[Evidence], bool]
    explain: Callable[[Evidence], str]
    advise: Callable[[Evidence], str]
    since: Callable[[Evidence], int | None] = lambda _: None


def diagnose_fit(
    history: Sequence[Mapping[str, float]], facts: RunFacts | None = None
) -> FitDiagnosis:
    """Diagnose a run by the metrics of its epochs (``EpochEnded.metrics``, in order, all finite).

    Uses sequence accuracy if known, else token accuracy. The training loss is measured during
    training, with dropout and teacher forcing, so it is often above the validation loss.

    Args:
        history: the metrics of each epoch.
        facts: facts about the run; without them the diagnosis has no baseline and no command.
    """
    known = facts or RunFacts()
    if not all("train_loss" in row and "val_loss" in row for row in history):
        return FitDiagnosis(
            "too short to say", None, "No fit diagnosis: there is no validation loss."
        )
    evidence = Evidence(history, known)
    if len(history) < MIN_EPOCHS and not (history and evidence.nearly_perfect):
        return _too_short(evidence)
    rule = next(rule for rule in RULES if rule.applies(evidence))
    since = rule.since(evidence)
    title = rule.kind.capitalize() + (f" since epoch {since}" if since else "")
    text = f"{title}: {rule.explain(evidence)}."
    return FitDiagnosis(rule.kind, since, text, _command(rule.advise(evidence), known))


def _too_short(evidence: Evidence) -> FitDiagnosis:
    epochs = len(evidence.history)
    text = (
        f"Too short for a fit diagnosis: {plural(epochs, 'epoch')}, "
        f"at least {MIN_EPOCHS} are needed."
    )
    more = train_longer(evidence) if epochs else ""
    return FitDiagnosis("too short to say", None, text, _command(more, evidence.facts))


def _command(rest: str, facts: RunFacts) -> str:
    return f"seqcli {rest}" if rest and facts.folder else ""


# Conditions of the rules -------------------------------------------------------------------------


def _nearly_perfect(evidence: Evidence) -> bool:
    return evidence.nearly_perfect


def _val_loss_rises(evidence: Evidence) -> bool:
    """Return whether validation loss rose for some epochs while training loss fell."""
    late = evidence.since_best >= SINCE_BEST and evidence.training_kept_learning
    rose = evidence.val_loss_rose and evidence.training_is_ahead
    return late and (rose or evidence.gap > WIDE_GAP)


def _gap_is_wide(evidence: Evidence) -> bool:
    """Return whether training accuracy is far above validation, which hardly improves."""
    persists = evidence.wide_since <= len(evidence.history)
    return evidence.gap > WIDE_GAP and persists and not evidence.val_loss_falls_rapidly


def _at_baseline_and_learning(evidence: Evidence) -> bool:
    return _at_baseline(evidence) and _improves(evidence)


def _at_baseline(evidence: Evidence) -> bool:
    return bool(evidence.baselines) and not evidence.beats_a_baseline


def _improves(evidence: Evidence) -> bool:
    """Return whether validation loss falls, or did recently while training loss falls."""
    recent = evidence.since_best < SINCE_BEST
    return evidence.val_loss_falls or (evidence.train_loss_falls and recent)


def _poor_and_out_of_rate(evidence: Evidence) -> bool:
    return _poor(evidence) and evidence.rate_has_decayed


def _poor(evidence: Evidence) -> bool:
    train = evidence.train_accuracy
    accuracy = evidence.val_accuracy if train is None else train
    return accuracy is not None and accuracy < POOR_ACCURACY


def _always(_: Evidence) -> bool:
    return True


# Explanations of the rules -----------------------------------------------------------------------


def _explain_rise(evidence: Evidence) -> str:
    return (
        f"validation loss rose from {loss(evidence.lowest)} at epoch {evidence.best + 1} to "
        f"{loss(evidence.end_val_loss)}, while training loss fell to "
        f"{loss(evidence.end_train_loss)}{_accuracies(evidence)}"
    )


def _explain_gap(evidence: Evidence) -> str:
    """Name the accuracy that differs; the losses only if they differ as well."""
    ahead = evidence.training_loss_is_ahead
    losses = f"; training loss {loss(evidence.end_train_loss)}, validation loss "
    return _gap_in_words(evidence) + (losses + loss(evidence.end_val_loss)) * ahead


def _gap_in_words(evidence: Evidence) -> str:
    metric, (train, val) = shown(evidence.widest), evidence.gaps[evidence.widest]
    values = f"{metric.write(train)}, on validation {metric.write(val)}"
    return f"{metric.label} on training rows is {values}"


def _explain_baseline(evidence: Evidence) -> str:
    baseline = evidence.baselines[0]
    metric = shown(baseline.metric)
    return (
        f"validation {metric.label} is {metric.write(baseline.model)}, the baseline "
        f"'{baseline_name(baseline.name)}' reaches {metric.write(baseline.value)}"
    )


def _explain_slow_start(evidence: Evidence) -> str:
    return f"{_explain_baseline(evidence)}; the loss is still falling ({_losses(evidence)})"


def _explain_stuck(evidence: Evidence) -> str:
    return f"{_explain_baseline(evidence)}; the loss is no longer falling ({_losses(evidence)})"


def _explain_improving(evidence: Evidence) -> str:
    shares = f"; {_gap_in_words(evidence)}" if evidence.gap > WIDE_GAP else _accuracies(evidence)
    return f"the loss is still falling ({_losses(evidence)}){shares}"


def _explain_decayed(evidence: Evidence) -> str:
    return (
        f"the schedule reduced the learning rate to 0, so the loss could not fall further "
        f"({_losses(evidence)}){_accuracies(evidence)}"
    )


def _explain_poor(evidence: Evidence) -> str:
    trend = (
        "is still falling, but validation loss is not"
        if evidence.train_loss_falls
        else "is no longer falling"
    )
    return f"training loss {trend} ({_losses(evidence)}){_accuracies(evidence)}"


def _explain_good(evidence: Evidence) -> str:
    lowest = f" (lowest {loss(evidence.lowest)} at epoch {evidence.best + 1})"
    return (
        f"validation loss is {loss(evidence.val_loss[-1])}{lowest * (evidence.since_best > 0)}"
        f"{_accuracies(evidence)}{_best_baseline(evidence)}"
    )


def _losses(evidence: Evidence) -> str:
    return f"training {loss(evidence.train_loss[-1])}, validation {loss(evidence.val_loss[-1])}"


def _accuracies(evidence: Evidence) -> str:
    """Return the accuracies, if known, such as "; 99.0% of validation tokens are correct"."""
    if evidence.val_accuracy is None:
        return ""
    validation = f"; {percent(evidence.val_accuracy)} of validation {evidence.level}s are correct"
    if evidence.train_accuracy is None:
        return validation
    return f"{validation} ({percent(evidence.train_accuracy)} of training {evidence.level}s)"


def _best_baseline(evidence: Evidence) -> str:
    if not evidence.baselines:
        return ""
    best = evidence.baselines[0]
    return f"; best baseline '{baseline_name(best.name)}': {shown(best.metric).write(best.value)}"


def _since_best(evidence: Evidence) -> int:
    return evidence.best + 2  # the epoch after the best, counted from 1


def _since_wide(evidence: Evidence) -> int:
    """Return the epoch since which the gap is wide and validation loss hardly improves."""
    return max(evidence.wide_since, evidence.lowest_since)


RULES = (
    Rule("good fit", _nearly_perfect, _explain_good, evaluate),
    Rule("overfitting", _val_loss_rises, _explain_rise, regularize, _since_best),
    Rule("overfitting", _gap_is_wide, _explain_gap, regularize, _since_wide),
    Rule(
        "not better than the baseline",
        _at_baseline_and_learning,
        _explain_slow_start,
        train_longer,
    ),
    Rule("not better than the baseline", _at_baseline, _explain_stuck, other_rate),
    Rule("still improving", _improves, _explain_improving, train_longer),
    Rule("underfitting", _poor_and_out_of_rate, _explain_decayed, train_longer),
    Rule("underfitting", _poor, _explain_poor, larger_model),
    Rule("good fit", _always, _explain_good, evaluate),
)
