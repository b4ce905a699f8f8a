"""Build the page of a run: how it was trained, its curves, scores, errors and attention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli.files.atomic import check_own_output, write_atomically
from seqcli.formatting import baseline_name, count, duration, plural, visible
from seqcli.metrics.metric import find, shown
from seqcli.report.evaluation import (
    baseline_warnings,
    baselines_table,
    best_baseline,
    features_table,
    lengths_table,
    metrics_table,
    novelty_table,
    references_table,
    subsets_table,
)
from seqcli.report.info_view import checkpoint_rows
from seqcli.report.page import (
    attention_values,
    bibtex,
    copyable,
    environment_rows,
    is_page,
    render,
    table_values,
)
from seqcli.report.plots import History
from seqcli.report.predictions import (
    class_table,
    edits_table,
    matrix_tables,
    predictions_table,
    worst,
    worst_table,
)
from seqcli.report.summary import REASONS, finding_lines, splits_table, validation_scores
from seqcli.report.svg_plots import bins_svg, curves_svg, inline, run_panel_svg
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.descriptions import CheckpointInfo
    from seqcli.events import DataRead, Finished
    from seqcli.results import Evaluation, Prediction
    from seqcli.runs.environment import Environment
    from seqcli.runs.fit_diagnosis import FitDiagnosis

KIND = "report"  # the command that writes the page
SPLITS = {"test": "test", "val": "validation", "train": "training"}
_INFO = ("checkpoint", "model", "members", "source", "target", "texts", "features", "data")


@dataclass(frozen=True)
class RunReport:
    """The content of the page of a run.

    Args:
        name: the name of the run.
        info: the description of its checkpoint.
        settings: (key, value, origin) of every key of the configuration.
        histories: the metrics of each epoch; by member for an ensemble, else under the name.
        diagnosis: the diagnosis of the fit; None for an ensemble.
        finished: how training ended; None if it has not, or for an ensemble.
        evaluation: the scores; None if the data is not available.
        samples: texts drawn from a language model.
        attention: predictions with attention weights.
        reading: how the data files were read; None for a task.
        environments: the processes that trained it, the first one first.
        notes: what is missing, and why.
    """

    name: str
    info: CheckpointInfo
    settings: Sequence[tuple[str, str, str]]
    histories: Mapping[str, Sequence[Mapping[str, float]]]
    diagnosis: FitDiagnosis | None = None
    finished: Finished | None = None
    evaluation: Evaluation | None = None
    samples: tuple[str, ...] = ()
    attention: tuple[Prediction, ...] = ()
    reading: DataRead | None = None
    environments: tuple[Environment, ...] = ()
    notes: tuple[str, ...] = ()


def check_page(path: Path) -> None:
    """Refuse to replace a file that is not the page of a run.

    Raises:
        UsageError: the file exists and is something else, or cannot be written.
    """
    check_own_output(path, lambda begin: is_page(begin, KIND), "choose another file with --out")


def write_page(report: RunReport, path: Path, rows: int) -> None:
    """Write the page atomically.

    Args:
        report: the content.
        path: the file.
        rows: the number of predictions to show; half as many of the worst are shown in addition.

    Raises:
        SeqcliError: the disk is full or broken.
        UsageError: the file cannot be written, or is not the page of a run.
    """
    check_page(path)
    content = run_page(report, rows).encode("utf-8", "replace")
    write_atomically(path, lambda file: file.write(content))


def remove_outdated(path: Path) -> None:
    """Remove the page of a run that has been trained since; another file is left alone."""
    try:
        with path.open("rb") as file:
            begin = file.read(4096)
        if is_page(begin, KIND) and not path.is_symlink():
            path.unlink()
    except OSError:
        return


def run_page(report: RunReport, rows: int = 10) -> str:
    """Return the HTML page."""
    evaluation = report.evaluation
    notes = [*report.notes, *(evaluation.notes if evaluation else ())]
    return render(
        "run.html",
        KIND,
        name=visible(report.name),
        model=visible(report.info.model),
        parameters=plural(report.info.parameters, "parameter"),
        data=visible(str(report.info.data.get("name", ""))),
        cards=_cards(report),
        notes=[visible(one) for one in notes],
        warnings=baseline_warnings(evaluation) if evaluation else [],
        split=SPLITS.get(evaluation.split, evaluation.split) if evaluation else "validation",
        scores=[table_values(one, "scores") for one in score_tables(report)],
        copies=copyable(next(iter(score_tables(report)))),
        curves=run_curves(report.histories, report.diagnosis),
        ending=ending(report.finished),
        diagnosis=report.diagnosis,
        lengths_svg=inline(bins_svg(evaluation.by_length)) if evaluation else "",
        parts=_values(_part_tables(evaluation), "accuracy"),
        errors=_values(_error_tables(evaluation), "errors"),
        rows=_values(_row_tables(evaluation, rows), "predictions"),
        maps=[_map(one) for one in report.attention],
        samples=[visible(one) for one in report.samples],
        facts=_facts(report.info),
        reading=_reading(report.reading),
        settings=[tuple(map(visible, one)) for one in report.settings],
        environments=[environment_rows(one) for one in report.environments],
        sentence=description(report),
        bibtex=bibtex(),
        commands=[visible(one) for one in report.info.next],
    )


def _values(tables: Iterable[Table], label: str) -> list[dict[str, Any]]:
    return [table_values(one, label) for one in tables if one.rows]


def _cards(report: RunReport) -> list[tuple[str, str, str]]:
    """Return (value, label, further text) of the most important numbers."""
    cards: list[tuple[str, str, str]] = []
    evaluation = report.evaluation
    for name in ("sequence_accuracy", "token_accuracy", "bits_per_character", "perplexity"):
        if evaluation is not None and name in evaluation.metrics and len(cards) < 2:
            metric, interval = shown(name), evaluation.intervals.get(name)
            more = f"95%: {metric.write_interval(interval)}" if interval else ""
            cards.append((metric.write(evaluation.metrics[name]), metric.label, more))
            best = best_baseline(evaluation.baselines, metric)
            if best and len(cards) == 1:
                name_of_best = baseline_name(best[0])
                cards.append((metric.write(best[1]), "best baseline", name_of_best))
    if report.finished is not None:
        done = report.finished
        cards.append((count(done.best_epoch), "best epoch", f"of {count(done.epochs)}"))
        cards.append((duration(done.seconds), "training time", ""))
    return [*cards, (count(report.info.parameters), "parameters", "")]


def score_tables(report: RunReport) -> list[Table]:
    """Return the tables of scores: those of the evaluation, or of the stored validation scores."""
    evaluation = report.evaluation
    if evaluation is None:
        return [_stored_table(report.info)]
    tables = (
        metrics_table(evaluation),
        baselines_table(evaluation),
        references_table(evaluation),
        novelty_table(evaluation.novelty),
    )
    return [one for one in tables if one.rows]


def _stored_table(info: CheckpointInfo) -> Table:
    """Return the table of the validation scores in the checkpoint, and of its baselines."""
    scores = {name.removeprefix("val_"): value for name, value in info.metrics.items()}
    baselines = info.baselines.get("val", {})
    metrics = [shown(name) for name in scores if name in {"loss", *_baseline_metrics(baselines)}]
    columns = [Column("model"), *(Column(one.title, right=True) for one in metrics)]
    rows = [(one, baseline_name(one), scores) for one, scores in baselines.items()]
    every = [("", "this model", scores), *rows]
    cells = tuple(
        (label, *(one.write(row[one.name]) if one.name in row else "-" for one in metrics))
        for _, label, row in every
    )
    return Table(tuple(columns), cells, caption="scores of the checkpoint on validation")


def _baseline_metrics(baselines: Mapping[str, Mapping[str, float]]) -> set[str]:
    own = {"token_accuracy", "sequence_accuracy", "bits_per_character", "perplexity"}
    return own | {name for scores in baselines.values() for name in scores}


def run_curves(histories: Mapping[str, History], diagnosis: FitDiagnosis | None) -> list[str]:
    """Return the learning curves of a run, or of an ensemble's members, as SVG."""
    histories = {visible(name): one for name, one in histories.items() if one}
    if not histories:
        return []
    if diagnosis is not None:
        (history,) = histories.values()
        drawn = [run_panel_svg(history, diagnosis, panel) for panel in (0, 1)]
    else:
        members = {name: [one] for name, one in histories.items()}
        drawn = [curves_svg(members, key) for key in ("val_loss", "val_sequence_accuracy")]
    return [inline(svg) for svg in drawn if svg]


def ending(done: Finished | None) -> str:
    """Describe how training ended, in a sentence; "" if it is unknown."""
    if done is None:
        return ""
    reason = REASONS.get(done.reason, ("", done.reason))[1] or "epoch limit"
    scores = validation_scores(done.best)
    best = f" Best epoch: {count(done.best_epoch)}, validation {scores}." if scores else ""
    return (
        f"Trained for {plural(done.epochs, 'epoch')} in {duration(done.seconds)}; "
        f"stopped: {reason}.{best}"
    )


def _part_tables(evaluation: Evaluation | None) -> Iterable[Table]:
    if evaluation is not None:
        yield lengths_table(evaluation.by_length)
        yield features_table(evaluation)
        yield subsets_table(evaluation.by_unseen)


def _error_tables(evaluation: Evaluation | None) -> Iterable[Table]:
    if evaluation is None:
        return
    if evaluation.classes is not None:
        yield class_table(evaluation.classes)
        yield from matrix_tables(evaluation.classes, 0)
    elif evaluation.edits is not None and evaluation.edits.commonest:
        yield edits_table(evaluation.edits)


def _row_tables(evaluation: Evaluation | None, rows: int) -> Iterable[Table]:
    if evaluation is None:
        return
    poor = []
    if evaluation.classes is None:
        poor = worst(evaluation.predictions, rows // 2)
        yield replace(worst_table(evaluation, poor, in_words=False), title="Worst predictions")
    table = predictions_table(evaluation, rows, in_words=False, above=poor)
    yield replace(table, title="Other predictions" if poor else "Predictions")


def _map(prediction: Prediction) -> dict[str, Any]:
    """Return the variables of an attention map."""
    assert prediction.attention is not None
    text = prediction.candidates[0].text if prediction.candidates else ""
    return {
        "source": visible(prediction.source),
        "prediction": visible(text),
        **attention_values(prediction.attention),
    }


def _facts(info: CheckpointInfo) -> list[tuple[str, list[str]]]:
    """Return the lines of ``seqcli info`` that other sections do not have."""
    facts: list[tuple[str, list[str]]] = []
    for head, text in checkpoint_rows(info):
        if head:
            facts.append((head, []))
        facts[-1][1].append(visible(text))
    return [(head, texts) for head, texts in facts if head in _INFO]


def _reading(read: DataRead | None) -> dict[str, Any]:
    """Return what was read from the data files, and what was left out."""
    if read is None:
        return {}
    left_out = sum(one.rows - one.kept for one in read.files)
    rows = sum(one.rows for one in read.files)
    summary = f"{plural(rows, 'row')} read, {count(left_out)} left out."
    lines = [visible(line) for line in finding_lines(read)]
    table = table_values(splits_table(read), "splits of the data")
    return {"summary": summary, "lines": lines, "table": table}


def description(report: RunReport) -> str:
    """Describe the model, its training and its main score in sentences for a paper."""
    settings = {key: value for key, value, _ in report.settings}
    info, evaluation = report.info, report.evaluation
    text = f"{info.model} ({plural(info.parameters, 'parameter')}), trained on "
    text += f"{info.data.get('name', 'our data')} with seqcli {info.version}"
    text += f", seed {settings['train.seed']}" if "train.seed" in settings else ""
    if evaluation is None:
        return visible(f"{text}.")
    name = next((one for one in ("sequence_accuracy", "loss") if one in evaluation.metrics), "")
    if not name:
        return visible(f"{text}.")
    metric, interval = find(name), evaluation.intervals.get(name)
    score = f"{metric.title} {metric.write(evaluation.metrics[name])}"
    score += f" (95% interval {metric.write_interval(interval)})" if interval else ""
    on = SPLITS.get(evaluation.split, evaluation.data)
    return visible(f"{text}. On {plural(evaluation.rows, f'{on} row')}: {score}.")
