"""`compare --search`: search good settings with Optuna, on the validation rows.

The first trials cover the space evenly; the tree-structured Parzen estimator (Bergstra et al.,
2011) proposes the others. Each proposal depends only on the seed and on the trials before its
batch, and a batch enters the study when it is complete. A search that was interrupted therefore
proposes the same trials again, finds their runs, and continues them.

The study is an Optuna journal, ``study.log``, in the folder of the runs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli.api.arguments import checked, in_one_process
from seqcli.api.comparing import Plan, folder_of, plan
from seqcli.api.comparison_folder import store
from seqcli.api.engines import Engine, Watch, open_engine
from seqcli.api.planned_runs import finish
from seqcli.comparison import search as space
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.search import ModelSearch, Parameter, SearchResult, Trial, Value
from seqcli.comparison.specification import PlannedRun, name_with
from seqcli.comparison.summary import deciding_metric
from seqcli.config.loading import options_of
from seqcli.errors import Exit, MachineError, StoppedBySignal, UsageError
from seqcli.events import Event, RunFailed
from seqcli.files.atomic import write_atomically
from seqcli.metrics.metric import Metric
from seqcli.report.search_report import write_search
from seqcli.report.trackers import tracked

FILE = "study.log"
MAX_STARTUP = 10  # trials that cover the space, at most
TRIES = 20  # proposals until one is new
EXTRA = "python -m pip install 'seqcli[search]'"


@dataclass(frozen=True)
class SearchPlan:
    """A search to run.

    Args:
        plan: the models, one run each, and the folder.
        parameters: what to search.
        trials: the number of trials for each model.
    """

    plan: Plan
    parameters: tuple[Parameter, ...]
    trials: int

    @property
    def runs(self) -> int:
        """The number of runs."""
        return self.trials * len(self.plan.runs)


@checked
def plan_search(
    config: str | Path | Mapping[str, Any] | None = None,
    *,
    search: Sequence[str],
    trials: int = 30,
    **options: Any,
) -> SearchPlan:
    """Plan a search, without training or writing anything.

    Args:
        config: as for `seqcli.compare`.
        search: texts such as ``train.lr=1e-4..1e-2:log``, ``model.layers=1..3`` or
            ``train.optimizer=adam|adamw``.
        trials: the number of trials for each model.
        options: see `seqcli.api.plan`; ``grid`` and ``seeds`` cannot be combined with a search.

    Raises:
        UsageError: an option is wrong, or there are no validation rows.
        DataError: the data cannot be used.
    """
    parameters = space.parse(search)
    if not 1 <= trials <= 100_000:
        raise UsageError(f"--trials cannot be {trials}", "choose from 1 to 100,000")
    searched = tuple(one.key for one in parameters)
    made = plan(config, seeds=1, searched=searched, **options)
    for run in made.runs:
        for one in parameters:
            for value in one.edges:
                configuration.load(run.config, space.texts_of({one.key: value}))
    return SearchPlan(made, parameters, trials)


@in_one_process
@checked
def run_search(
    planned: SearchPlan,
    *,
    jobs: int = 0,
    on: str = "",
    watch: Watch[RunResult] | None = None,
    track: str | Sequence[str] = (),
) -> SearchResult:
    """Run the trials of a search that are missing, and write its report.

    Args:
        planned: the search.
        jobs, on, watch, track: as for `seqcli.compare`.

    Raises:
        UsageError: Optuna is not installed.
        StoppedBySignal: a signal arrived; the same call continues the search.
    """
    _optuna()
    followed = tracked(track, planned.plan.name, watch)
    with followed as notify, open_engine(jobs, on) as engine, folder_of(planned.plan):
        models = tuple(_Search(engine, planned, run, notify).run() for run in planned.plan.runs)
    metric = models[0][1]
    result = SearchResult(
        planned.plan.name,
        str(planned.plan.folder),
        metric,
        planned.parameters,
        tuple(model for model, _ in models),
        planned.plan.notes,
    )
    write_search(result)
    return result


def _optuna() -> Any:
    """Import Optuna, without its messages."""
    try:
        import optuna
    except ImportError:
        raise UsageError("--search needs Optuna, which is not installed", EXTRA) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class _Study:
    """The trials of one model: those that are complete are stored in the journal.

    Args:
        folder: the folder of the search, locked by this process.
        arm: the name of the model.
        parameters: what is searched.
        seed: the seed of the proposals.
        startup: the number of trials that cover the space.
    """

    def __init__(
        self, folder: Path, arm: str, parameters: Sequence[Parameter], seed: int, startup: int
    ) -> None:
        self.optuna, self.parameters, self.startup = _optuna(), parameters, startup
        self.seed = seed
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
        for number in range(done + 1, done + count + 1):
            values = self._next(study, number, known)
            if values is None:
                break
            known.append(values)
            proposals.append(values)
        return proposals

    def _next(
        self, study: Any, number: int, known: Sequence[Mapping[str, Value]]
    ) -> dict[str, Value] | None:
        """Return values that are not known yet; None if none are found."""
        even = (space.spread_point(self.parameters, number + extra) for extra in range(500))
        if number > self.startup:
            for _ in range(TRIES):
                asked = study.ask(self._distributions()).params
                values = {one.key: one.rounded(asked[one.key]) for one in self.parameters}
                if values not in known:
                    return values
        found = next((values for values in even if values not in known), None)
        if found is not None and number <= self.startup:  # a trial that runs, to the sampler
            study.enqueue_trial(found)
            study.ask(self._distributions())
        return found

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


class _Search:
    """The search for one model."""

    def __init__(
        self, engine: Engine, planned: SearchPlan, model: PlannedRun, watch: Watch[RunResult]
    ) -> None:
        self.engine, self.planned, self.model, self.watch = engine, planned, model, watch
        self.folder = planned.plan.folder
        least = 5 if len(planned.parameters) == 1 else 3
        startup = min(MAX_STARTUP, max(least, planned.trials // 3))
        self.study = _Study(self.folder, model.arm, planned.parameters, model.seed, startup)

    def run(self) -> tuple[ModelSearch, Metric]:
        """Run the trials that are missing; return all of them, and the deciding metric."""
        metric = deciding_metric(self.planned.plan.language)
        for one in self.study.trials:
            self._tell_kept(one)
        while (left := self.planned.trials - len(self.study.trials)) > 0:
            proposals = self.study.propose(min(left, self.engine.jobs))
            if not proposals:
                break
            self._run_batch(proposals, metric)
        trials = tuple(self.study.trials[: self.planned.trials])
        best = space.best_of(trials, metric)
        command = "" if best is None else shlex.join(self._command(best))
        return ModelSearch(self.model.arm, trials, best, command), metric

    def _command(self, best: Trial) -> list[str]:
        return ["seqcli", "train", *options_of(self._planned_run(best.values).config)]

    def _tell_kept(self, trial: Trial) -> None:
        """Report a trial of an earlier call."""
        result = None if trial.failed else self._cached(trial)
        if result is not None:
            self.watch(trial.run, result)

    def _cached(self, trial: Trial) -> RunResult | None:
        from seqcli.api.planned_runs import cached_result

        return cached_result(self.folder / trial.run)

    def _planned_run(self, values: Mapping[str, Value]) -> PlannedRun:
        config = configuration.load(self.model.config, space.texts_of(values))
        points = [text.split("=", 1) for text in space.texts_of(values)]
        arm = name_with(self.model.arm, [(key, value) for key, value in points])
        return PlannedRun(f"{arm}-s{self.model.seed}", arm, self.model.seed, config)

    def _run_batch(self, proposals: Sequence[Mapping[str, Value]], metric: Metric) -> None:
        """Run some trials at a time, and store them in their order."""
        runs = [self._planned_run(values) for values in proposals]
        stored = replace(self.planned.plan.stored, runs={run.name: run for run in runs})
        store(self.folder, stored, force=False)
        results: dict[str, RunResult] = {}

        def on_event(run: str, event: Event | RunResult) -> None:
            if isinstance(event, RunResult):
                results[run] = event
            self.watch(run, event)

        try:
            failures = self.engine.run(runs, self.folder, on_event, partial(finish, split="val"))
        except StoppedBySignal as stopped:
            done = len(self.study.trials) + len(results)
            message = f"stopped; {done} of {self.planned.trials} trials of {self.model.arm} ended"
            hint = "run the same command again to continue the search"
            raise StoppedBySignal(message, hint, stopped.exit_code) from None
        _check_machine(failures, results)
        for run, values in zip(runs, proposals, strict=True):
            trial = self._ended(run.name, values, results.get(run.name), failures.get(run.name))
            self.study.add(trial, space.score_of(trial.metrics, metric))

    def _ended(
        self,
        run: str,
        values: Mapping[str, Value],
        result: RunResult | None,
        failure: RunFailed | None,
    ) -> Trial:
        number = len(self.study.trials) + 1
        if result is None:
            reason = failure.message if failure else "no result"
            return Trial(number, run, dict(values), {}, 0.0, reason)
        return Trial(number, run, dict(values), dict(result.validation), result.seconds)


def _check_machine(failures: Mapping[str, RunFailed], results: Mapping[str, RunResult]) -> None:
    """Raise the error of the machine if no trial of a batch could be run, such as a full disk."""
    for run, failure in failures.items():
        if failure.exit_code == Exit.MACHINE and not results:
            raise MachineError(f"{run}: {failure.message}", failure.hint)
