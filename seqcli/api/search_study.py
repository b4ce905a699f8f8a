"""The study of a search: the trials of a model, and the proposal of the next ones.

The first trials cover the space evenly. In a search of one range, the next ones halve the intervals
next to the best value. The tree-structured Parzen estimator (Bergstra et al., 2011) proposes the
others.

The study is an Optuna journal, ``study.log``, in the folder of the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqcli.comparison import search as space
from seqcli.comparison.search import Parameter, Trial, Value
from seqcli.errors import UsageError
from seqcli.files.atomic import write_atomically

FILE = "study.log"
GRID = 5  # trials that cover the space of one parameter
MIN_STARTUP, MAX_STARTUP = 3, 10  # trials that cover the space of several
TRIES = 20  # proposals until one is new
EXTRA = "python -m pip install 'seqcli[search]'"


def import_optuna() -> Any:
    """Import Optuna, without its messages."""
    try:
        import optuna
    except ImportError:
        raise UsageError("--search needs Optuna, which is not installed", EXTRA) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class Study:
    """The trials of one model: those that are complete are stored in the journal.

    Args:
        folder: the folder of the search, locked by this process.
        arm: the name of the model.
        parameters: what is searched.
        seed: the seed of the proposals.
        trials: the number of trials of the search.
    """

    def __init__(
        self, folder: Path, arm: str, parameters: Sequence[Parameter], seed: int, trials: int
    ) -> None:
        self.optuna, self.parameters, self.seed = import_optuna(), parameters, seed
        few = min(MAX_STARTUP, max(MIN_STARTUP, trials // 3))
        self.startup = GRID if len(parameters) == 1 else few
        journal = self.optuna.storages.journal
        path = folder / FILE
        _repair(path)
        lock = journal.JournalFileOpenLock(str(path))
        storage = journal.JournalStorage(journal.JournalFileBackend(str(path), lock))
        name = " ".join([arm, *map(str, parameters)])
        self.stored = self.optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
        self.trials = [_trial_of(one) for one in self.stored.trials]

    def propose(self, count: int) -> list[dict[str, Value]]:
        """Return values for the next trials; fewer if there are no others."""
        optuna, done = self.optuna, len(self.trials)
        sampler = optuna.samplers.TPESampler(
            seed=(self.seed + 7919 * done) % 2**32, n_startup_trials=self.startup
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.add_trials(self.stored.trials)
        known, proposals = [dict(one.values) for one in self.trials], list[dict[str, Value]]()
        scores = self._scores()
        for number in range(done + 1, done + count + 1):
            values = self._next(study, number, known, scores)
            if values is None:
                break
            known.append(values)
            proposals.append(values)
        return proposals

    def _scores(self) -> dict[Any, float]:
        """Return value -> score of the trials of a search of one range, {} for others."""
        (one, *more) = self.parameters
        if more or one.choices:
            return {}
        return {trial.params[one.key]: trial.value for trial in self.stored.trials}

    def _next(
        self,
        study: Any,
        number: int,
        known: Sequence[Mapping[str, Value]],
        scores: dict[Any, float],
    ) -> dict[str, Value] | None:
        """Return values that are not known yet; None if none are found.

        Add what is expected of them to ``scores``, for the next trials of the batch.
        """
        even = (space.spread_point(self.parameters, number + extra) for extra in range(500))
        if number > self.startup and scores:
            halving = space.halving_point(self.parameters[0], scores)
            if halving is not None:
                value, scores[halving[0]] = halving
                return self._running(study, {self.parameters[0].key: value})
        if number > self.startup:
            for _ in range(TRIES):
                asked = study.ask(self._distributions()).params
                values = {one.key: one.rounded(asked[one.key]) for one in self.parameters}
                if values not in known:
                    return values
        found = next((values for values in even if values not in known), None)
        if found is None or number > self.startup:
            return found
        return self._running(study, found)

    def _running(self, study: Any, values: dict[str, Value]) -> dict[str, Value]:
        """Tell the sampler that a trial with these values runs; return them."""
        study.enqueue_trial(values)
        study.ask(self._distributions())
        return values

    def add(self, trial: Trial, score: float) -> None:
        """Store a trial that ended."""
        self.trials.append(trial)
        self.stored.add_trial(
            self.optuna.trial.create_trial(
                params=dict(trial.values),
                distributions=self._distributions(),
                value=score,
                user_attrs={
                    "run": trial.run,
                    "metrics": dict(trial.metrics),
                    "seconds": trial.seconds,
                    "failed": trial.failed,
                },
            )
        )

    def _distributions(self) -> dict[str, Any]:
        kinds = self.optuna.distributions

        def one(parameter: Parameter) -> Any:
            if parameter.choices:
                return kinds.CategoricalDistribution(parameter.choices)
            kind = kinds.IntDistribution if parameter.is_whole else kinds.FloatDistribution
            return kind(parameter.low, parameter.high, log=parameter.log)

        return {parameter.key: one(parameter) for parameter in self.parameters}


def _repair(path: Path) -> None:
    """Remove what a killed process left in a journal: its lock, and a line without an end.

    The folder is locked, so no other process writes to the journal.
    """
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            write_atomically(path, lambda file: file.write(whole))


def _trial_of(stored: Any) -> Trial:
    """Return a trial from the journal."""
    known = stored.user_attrs
    return Trial(
        stored.number + 1,
        known["run"],
        dict(stored.params),
        known["metrics"],
        known["seconds"],
        known["failed"],
    )
