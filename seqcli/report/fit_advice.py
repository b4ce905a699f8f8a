"""Commands that the diagnosis of fit ends in, without the name of the program."""

from __future__ import annotations

import shlex

from seqcli.events import RunFacts
from seqcli.report.fit_evidence import Evidence

MORE_DROPOUT, MOST_DROPOUT = 0.2, 0.5


def _again(facts: RunFacts, *options: str) -> str:
    """Return a command for a new run with the same configuration but for some options."""
    return f"train --config {shlex.quote(f'{facts.folder}/config.yaml')} {' '.join(options)}"


def train_longer(evidence: Evidence) -> str:
    """Continue to twice the limit that ended the run."""
    facts = evidence.facts
    longer = [facts.doubled_limit]
    if facts.patience:
        longer.append(f"--patience {2 * facts.patience}")
    return f"train --resume {shlex.quote(facts.folder)} {' '.join(longer)}"


def regularize(evidence: Evidence) -> str:
    """More rows where a task can draw them; else more dropout, or a smaller model."""
    facts = evidence.facts
    if facts.drawn_rows:
        return _again(facts, f"--train-rows {4 * facts.drawn_rows}")
    if facts.dropout + MORE_DROPOUT <= MOST_DROPOUT and not facts.by_hand:
        return _again(facts, f"--dropout {facts.dropout + MORE_DROPOUT:.2g}")
    return _again(facts, f"--hidden {max(8, facts.hidden // 2)}")


def other_rate(evidence: Evidence) -> str:
    """Attention where there is none to have; else a smaller learning rate."""
    if evidence.facts.could_attend:
        return _again(evidence.facts, "--attention")
    return _again(evidence.facts, f"--lr {evidence.facts.lr / 3:.2g}")


def larger_model(evidence: Evidence) -> str:
    """Attention where there is none; else a wider model."""
    if evidence.facts.could_attend:
        return _again(evidence.facts, "--attention")
    return _again(evidence.facts, f"--hidden {2 * evidence.facts.hidden}")


def evaluate(evidence: Evidence) -> str:
    """Score the best checkpoint."""
    facts = evidence.facts
    split = "" if facts.has_test else " --split val"
    return f"eval --ckpt {shlex.quote(facts.folder)}{split}"
