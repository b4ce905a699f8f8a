"""What both views of a training run share: the run in lines, its examples, its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seqcli.data.files.findings import sentence
from seqcli.events import DataRead, Example, FileRead, Finding, Finished, RunStarted, SplitRead
from seqcli.formatting import count, duration, loss, plural
from seqcli.metrics.metric import TRAINING, epoch_metrics
from seqcli.report.console import Out
from seqcli.report.eta import sparkline
from seqcli.report.predictions import describe_errors, mark, shown_source
from seqcli.report.tables import Cell, Column, Table
from seqcli.runs.fit_diagnosis import verdict

REASONS = {
    "epochs": "epoch limit",
    "iterations": "iteration limit",
    "seconds": "time limit",
    "patience": "validation stopped improving (train.patience)",
    "goal": "reached the target accuracy (train.goal)",
    "interrupted": "interrupted",
    "diverged": "the loss diverged",
}
_MORE = ("epochs", "iterations")  # reasons that are options too


def run_lines(run: RunStarted) -> list[str]:
    """Return the lines that introduce a run."""
    rows = ", ".join(f"{split} {count(number)}" for split, number in run.rows.items())
    threads = f", {plural(run.threads, 'thread')}" if run.device == "cpu" else ""
    source, target = run.vocabulary
    tokens = f"{count(source)} source, {count(target)} target" if source else count(target)
    lines = [
        run.name + _places(run),
        f"{run.model}; {plural(run.parameters, 'parameter')}",
        f"rows: {rows}; batch size {count(run.batch_size)}; vocabulary: {tokens}; "
        f"{run.device}{threads}",
    ]
    if run.steps_done:
        lines.append(
            f"resuming after epoch {count(run.epochs_done)} (step {count(run.steps_done)})"
        )
    return lines + [f"note: {note}" for note in run.notes]


def _places(run: RunStarted) -> str:
    """Return where it is written: after the name, as far as it says more."""
    if run.file:
        return f": the best checkpoint in {run.file}, all else in {run.folder}/"
    return f" in {run.folder}" if run.folder and run.folder != run.name else ""


def examples_table(examples: Sequence[Example], *, in_words: bool) -> Table:
    """Return a few predictions beside the truth, with errors marked, or told ``in_words``."""
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    rows = tuple(_example_row(example, in_words) for example in examples)
    return Table((Column("", keep=True), *map(Column, headers)), rows, stacks=True)


def samples_table(samples: Sequence[str]) -> Table:
    """Return what a language model has just invented."""
    return Table((Column("sample"),), tuple((sample,) for sample in samples))


def end_lines(
    finished: Finished, history: Sequence[Mapping[str, float]], run: RunStarted | None = None
) -> list[str]:
    """Return the lines that close a run: why it ended, its best epoch, its curve, the diagnosis.

    Args:
        finished: how it ended.
        history: the metrics of each epoch.
        run: the event that it began with.
    """
    lines = [_ending(finished, run.epochs_done if run else 0)]
    scores = validation_scores(finished.best)
    if scores:
        lines.append(f"best epoch {finished.best_epoch}: validation {scores}")
    losses = [row["val_loss"] for row in history if "val_loss" in row]
    if len(losses) > 1:
        curve = sparkline(losses)
        lines.append(f"val loss {loss(losses[0])} {curve} {loss(losses[-1])}")
    fit = verdict(history, run.facts if run else None)
    advice = [f"try: {fit.command}"] * bool(fit.command and fit.kind != "good fit")
    return [*lines, fit.text, *advice]


def _ending(finished: Finished, before: int) -> str:
    reason = REASONS.get(finished.reason, finished.reason)
    now = finished.epochs - before
    if before and not now and finished.reason != "interrupted":
        more = f"; more with --{finished.reason} N" if finished.reason in _MORE else ""
        return f"nothing to do: {reason}{more}"
    total = f", {count(finished.epochs)} in total" * bool(before)
    return f"{plural(now, 'epoch')} in {duration(finished.seconds)}{total}: {reason}"


def _example_row(example: Example, in_words: bool) -> tuple[Cell, ...]:
    truth, prediction, joiner = example.truth, example.prediction, example.joiner
    state = "ok" if truth == prediction else "wrong"
    source, wanted = shown_source(example.source), joiner.join(truth)
    if in_words:
        errors = describe_errors(truth, prediction)
        return (state, source, wanted, joiner.join(prediction), errors)
    return (state, source, wanted, mark(truth, prediction, joiner))


def validation_scores(metrics: Mapping[str, float]) -> str:
    """Return the validation scores of an epoch in words: ``loss 0.0123, token accuracy 99.0%``."""
    scored = [one for one in epoch_metrics(metrics, TRAINING) if one.split == "val"]
    return ", ".join(f"{one.metric.label} {one.metric.write(metrics[one.key])}" for one in scored)


_FINDINGS = 12  # kinds and files that are told; all are in the file of named rows


def show_reading(out: Out, read: DataRead, *, talk: bool = True) -> None:
    """Show the summary as talk (stderr), or as what was asked for (stdout)."""
    say = out.say if talk else out.write
    for line in map(_file_line, read.files):
        say(line)
    out.show(splits_table(read), talk=talk)
    for line in finding_lines(read):
        say(line)


def finding_lines(read: DataRead) -> list[str]:
    """Return one line for each kind of row that is named, and where all of them are."""
    lines = [f"{_weight(one)}: {sentence(one)}" for one in read.findings[:_FINDINGS]]
    more = len(read.findings) - _FINDINGS
    if more > 0:
        are = "is" if more == 1 else "are"
        lines.append(f"note: {plural(more, 'more kind')} of rows {are} listed")
    if read.named_rows:
        lines.append(f"all flagged rows: {read.named_rows}")
    return lines


def splits_table(read: DataRead) -> Table:
    """Return one row a split: how many rows and sources, how long they are, what is strange."""
    pairs = read.vocabulary[0] > 0
    weighed = any(one.weight for one in read.splits)
    headers = {"rows": 0, "distinct sources" if pairs else "distinct": 2}  # header -> drop order
    headers |= {"weight": 5} if weighed else {}
    headers |= {"source length": 3, "target length": 4} if pairs else {"length": 3}
    headers |= {"in an earlier split": 0, "with unknown tokens": 1}
    figures = (Column(name, right=True, drop=drop) for name, drop in headers.items())
    columns = (Column("split", keep=True), *figures)
    return Table(
        columns,
        tuple(_split_row(one, pairs, weighed) for one in read.splits),
        caption=f"lengths: median, longest, in tokens; distinct tokens: {_tokens(read)}",
    )


def _tokens(read: DataRead) -> str:
    """Return how many tokens each side has, and how it is cut into them."""
    sides = zip(("source", "target"), read.vocabulary, read.tokens, strict=True)
    shown = [f"{count(n)} {side}{style and f' ({style})'}" for side, n, style in sides if n]
    return ", ".join(shown) if len(shown) > 1 else shown[0].replace(" target", "")


def _file_line(one: FileRead) -> str:
    split = f"{one.split}: " if one.split else "data: "
    left_out = f", {count(one.rows - one.kept)} left out" if one.rows > one.kept else ""
    rows = f"{plural(one.rows, 'row')}, {count(one.kept)} kept{left_out}"
    return f"{split}{one.path} ({one.format}): {rows}"


def _split_row(one: SplitRead, pairs: bool, weighed: bool) -> tuple[Cell, ...]:
    lengths = [_length(one.source_length)] * pairs + [_length(one.target_length)]
    weight = [f"{one.weight:,.10g}"] * weighed
    first = one.split == "train"  # nothing is earlier, and what it has it knows
    strange = ["", ""] if first else [count(one.shared), count(one.unknown_rows)]
    return (one.split, count(one.rows), count(one.sources), *weight, *lengths, *strange)


def _length(both: tuple[float, int]) -> str:
    return f"{both[0]:g}, {both[1]:,}"


def _weight(one: Finding) -> str:
    return "warning" if one.left_out or one.kind in ("shared", "contradictory") else "note"
