"""`write_report`: write a page about a run, with its curves, scores, errors and attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqcli import config as configuration
from seqcli import registry, runs
from seqcli.api.arguments import check_counts, checked, in_one_process
from seqcli.api.evaluating import evaluate
from seqcli.api.evaluation_data import corpus_if_available
from seqcli.api.finished_run import finished_run
from seqcli.api.members import Ckpt
from seqcli.api.model_info import info
from seqcli.api.predicting import predict
from seqcli.api.recording import run_facts
from seqcli.api.sampling import sample
from seqcli.api.trained_model import PairModel, TrainedModel, open_model
from seqcli.data.corpus import SPLITS, Corpus
from seqcli.errors import CheckpointError, SeqcliError
from seqcli.events import DataRead
from seqcli.report.predictions import choose
from seqcli.report.run_page import RunReport, check_page, write_page
from seqcli.results import Evaluation, Prediction, ScoredRow
from seqcli.runs import RunPaths
from seqcli.runs.environment import read_environments
from seqcli.runs.fit_diagnosis import diagnose_fit
from seqcli.runs.metrics_log import epochs_of, read_metrics
from seqcli.runs.paths import read_members

MAPS, MAX_MAP_LENGTH = 6, 40  # attention maps, and the maximum number of tokens of a row
SAMPLES = 20  # texts drawn from a language model


@in_one_process
@checked
def write_report(
    run: str | Path,
    *,
    out: str | Path | None = None,
    split: str | None = None,
    rows: int = 10,
    evaluation: Evaluation | None = None,
    backend: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Path:
    """Write a page about a run: a self-contained HTML file that needs no network.

    It has the configuration with the origin of each value, learning curves with the diagnosis,
    scores with intervals and baselines, errors, attention maps, and what was left out of the data.
    Without the data it has the stored validation scores.

    Args:
        run: a run folder, which may be that of an ensemble, or a checkpoint file.
        out: the file; by default report.html in the run folder. A page of a run is replaced.
        split: train, val or test; by default the first of test, val and train that has rows.
        rows: the number of predictions to show; half as many of the worst are shown in addition.
        evaluation: scores from `evaluate`; by default the rows of ``split`` are scored.
        backend, device, threads: see `open_model`.

    Returns:
        the path of the page.

    Raises:
        CheckpointError: the checkpoint cannot be used.
        UsageError: the file cannot be written, or seqcli did not write it.
    """
    check_counts(rows=rows)
    if split is not None:
        registry.check("split", split, SPLITS)
    paths = _run_paths(Path(run))
    page = _page_path(Path(run), paths) if out is None else Path(out)
    check_page(page)
    model = open_model(str(run), backend, device, threads)
    write_page(_report(model, run, paths, split, evaluation), page, rows)
    return page


def described_run(ckpt: Ckpt) -> RunReport:
    """Return what a model card says about a run: its settings, scores and environment."""
    model, notes = open_model(ckpt), list[str]()
    paths = _run_paths(model.members[0].path) if len(model.members) == 1 else None
    corpus = corpus_if_available(model)
    return RunReport(
        name=paths.folder.name if paths else model.checkpoint.record.name or "model",
        info=info(ckpt),
        settings=_settings(model),
        histories={},
        evaluation=_evaluation(model, corpus, None, notes),
        environments=tuple(read_environments(paths.environment)) if paths else (),
        notes=tuple(notes),
    )


def _run_paths(run: Path) -> RunPaths | None:
    """Return the run that a folder or a checkpoint file belongs to; None if it is a lone file."""
    try:
        return runs.find_run(run)
    except CheckpointError:
        return None


def _page_path(run: Path, paths: RunPaths | None) -> Path:
    return run.with_suffix(".html") if paths is None else paths.report


def _report(
    model: TrainedModel,
    run: str | Path,
    paths: RunPaths | None,
    split: str | None,
    evaluation: Evaluation | None,
) -> RunReport:
    """Collect the content of the page."""
    corpus, notes = corpus_if_available(model), list[str]()
    if evaluation is None:
        evaluation = _evaluation(model, corpus, split, notes)
    report = RunReport(
        name=paths.folder.name if paths else Path(run).stem,
        info=info(run),
        settings=_settings(model),
        histories={},
        evaluation=evaluation,
        samples=() if isinstance(model, PairModel) else _samples(model),
        attention=_attention(model, evaluation),
        reading=_reading(corpus, paths),
        notes=tuple(notes),
    )
    return report if paths is None else _with_training(report, model, paths, corpus)


def _evaluation(
    model: TrainedModel, corpus: Corpus | None, split: str | None, notes: list[str]
) -> Evaluation | None:
    """Score a split; add a note and return None if that is not possible."""
    found = next((one for one in ("test", "val", "train") if corpus and one in corpus.splits), None)
    try:
        return evaluate(model, split=split or found or "test")
    except SeqcliError as error:
        notes.append(f"{error.message}; the scores are those stored in the checkpoint")
        return None


def _with_training(
    report: RunReport, model: TrainedModel, paths: RunPaths, corpus: Corpus | None
) -> RunReport:
    """Add what the run folder says about the training."""
    if paths.ensemble.exists():
        members = read_members(paths)
        return replace(
            report,
            histories={f"member {one.folder.name}": read_metrics(one.metrics) for one in members},
            environments=tuple(read_environments(members[0].environment)),
        )
    history = _history(paths)
    facts = run_facts(str(paths.folder), model.config, corpus) if corpus else None
    return replace(
        report,
        histories={report.name: history},
        diagnosis=diagnose_fit(history, facts),
        finished=finished_run(paths, model.config),
        environments=tuple(read_environments(paths.environment)),
    )


def _history(paths: RunPaths) -> list[Mapping[str, float]]:
    return [record.metrics for record in epochs_of(paths.metrics)]


def _settings(model: TrainedModel) -> list[tuple[str, str, str]]:
    """Return (key, value, origin) of every key of the configuration."""
    plain: Mapping[str, Any] = configuration.to_plain(model.config)
    origins = model.config.origins
    return [
        (f"{section}.{leaf}", str(value), origins.get(f"{section}.{leaf}", "default"))
        for section, values in plain.items()
        for leaf, value in values.items()
    ]


def _reading(corpus: Corpus | None, paths: RunPaths | None) -> DataRead | None:
    """Return how the data files were read, with the file of flagged rows if there is one."""
    if corpus is None or corpus.reading is None:
        return None
    named = paths.named_rows if paths else None
    if named is None or not named.exists():
        return corpus.reading
    return replace(corpus.reading, named_rows=str(named))


def _samples(model: TrainedModel) -> tuple[str, ...]:
    return tuple(one.text for one in sample(model, n=SAMPLES, seed=0).samples)


def _attention(model: TrainedModel, evaluation: Evaluation | None) -> tuple[Prediction, ...]:
    """Return predictions with attention weights: of wrong rows first, then of correct ones."""
    if evaluation is None or not (isinstance(model, PairModel) and model.has_attention):
        return ()
    fitting = list(dict.fromkeys(filter(_fits, evaluation.predictions)))
    lines = [row.line(evaluation.source_joiner) for row in _chosen(fitting)]
    found = predict(model, lines, attention=True) if lines else ()
    return tuple(one for one in found if one.attention is not None)


def _chosen(rows: Sequence[ScoredRow]) -> list[ScoredRow]:
    chosen = choose(rows, MAPS)
    more = [row for row in rows if row not in chosen]
    return [*chosen, *more][:MAPS]


def _fits(row: ScoredRow) -> bool:
    return 2 <= len(row.source) <= MAX_MAP_LENGTH and len(row.prediction) <= MAX_MAP_LENGTH
