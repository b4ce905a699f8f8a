"""`compare --search`: search good settings with Optuna, on the validation rows.

Each proposal depends only on the seed and on the trials before its batch, and a batch enters the
study when it is complete. A search that was interrupted therefore proposes the same trials again,
finds their runs, and continues them. See `seqcli.api.search_study` for the proposals.
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
from seqcli.api.search_study import Study, import_optuna
from seqcli.comparison import search as space
from seqcli.comparison.run_result import RunResult
from seqcli.comparison.search import ModelSearch, Parameter, SearchResult, Trial, Value
from seqcli.comparison.specification import PlannedRun, name_with
from seqcli.comparison.summary import deciding_metric
from seqcli.config.loading import options_of
from seqcli.errors import Exit, MachineError, StoppedBySignal, UsageError
from seqcli.events import Event, RunFailed
from seqcli.metrics.metric import Metric
from seqcli.report.search_report import write_search
from seqcli.report.trackers import tracked


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
    import_optuna()
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


class _Search:
    """The search for one model."""

    def __init__(
        self, engine: Engine, planned: SearchPlan, model: PlannedRun, watch: Watch[RunResult]
    ) -> None:
        self.engine, self.planned, self.model, self.watch = engine, planned, model, watch
        self.folder = planned.plan.folder
        self.study = Study(self.folder, model.arm, planned.parameters, model.seed, planned.trials)

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
