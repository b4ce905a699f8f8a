"""Content shared by both views of training: run, time left, data, examples, and summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from seqcli.config.recipes import MONOTONIC
from seqcli.events import (
    DataRead,
    EpochEnded,
    Example,
    FileRead,
    Finding,
    Finished,
    Progress,
    RunStarted,
    SplitRead,
)
from seqcli.formatting import count, duration, loss, plural
from seqcli.metrics.metric import TRAINING, epoch_metrics
from seqcli.report.console import Out
from seqcli.report.predictions import MISSING, describe_errors, mark, shown_source
from seqcli.report.tables import Column, Table, TableCell
from seqcli.runs.fit_diagnosis import diagnose_fit

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """Draw values as a row of block characters; long series are averaged to ``width``."""
    if not values:
        return ""
    points = _averaged(values, width) if len(values) > width else list(values)
    low, high = min(points), max(points)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((point - low) * scale)] for point in points)


def _averaged(values: Sequence[float], width: int) -> list[float]:
    edges = [len(values) * i // width for i in range(width + 1)]
    parts = [values[a:b] for a, b in pairwise(edges)]
    return [sum(part) / len(part) for part in parts]


def share_done(progress: Progress) -> float:
    """Return the completed fraction of the run, from 0 to 1."""
    if progress.share is not None:
        return progress.share
    trained = progress.phase == "validate"  # all steps of the epoch are done
    within = 1.0 if trained else progress.step / max(progress.steps, 1)
    return (progress.epoch - 1 + within) / max(progress.epochs, 1)


def epoch_number(one: Progress | EpochEnded) -> str:
    """Return the number of an epoch, such as 3/20; only 3 if the number of epochs is unknown."""
    return f"{count(one.epoch)}/{count(one.epochs)}" if one.epochs else count(one.epoch)


class TimeLeft:
    """Estimate the time left from the progress since this process started (or resumed) a run.

    Args:
        clock: a monotonic clock in seconds (``time.monotonic``).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._start: tuple[float, float] | None = (
            None  # time, and the fraction completed at that time
        )

    def estimate(self, progress: Progress) -> float | None:
        """Return the seconds left, or None before the first estimate is possible."""
        now, share = self.clock(), share_done(progress)
        if self._start is None:
            self._start = (now, share)
        start, first = self._start
        if share <= first:
            return None
        return (now - start) * (1 - share) / (share - first)


# reason -> first words of the line about the end of a run, and its explanation
REASONS = {
    "epochs": ("finished", ""),
    "steps": ("finished", "step limit"),
    "budget": ("stopped after", "time budget (train.budget)"),
    "patience": ("stopped early after", "no improvement on validation (train.patience)"),
    "target_accuracy": (
        "stopped early after",
        "validation accuracy reached the target (train.target_accuracy)",
    ),
    "interrupted": ("interrupted after", ""),
    "diverged": ("stopped after", "the loss diverged"),
}
_LIMITS = ("epochs", "steps", "budget")  # reasons that are also options


def _computed_by(run: RunStarted) -> str:
    """Return the device with its threads, and the number of processes if there are several."""
    threads = f", {plural(run.threads, 'thread')}" if run.device == "cpu" else ""
    if run.processes == 1:
        return run.device + threads
    return f"{run.device.partition(':')[0]}{threads} in each of {run.processes} processes"


def run_lines(run: RunStarted) -> list[str]:
    """Return the lines that introduce a run."""
    rows = ", ".join(f"{split} {count(number)}" for split, number in run.rows.items())
    source, target = run.vocabulary
    vocabulary = f"{count(source)} source, {count(target)} target" if source else count(target)
    lines = [
        run.name + _output(run),
        *[run.recipe] * bool(run.recipe),
        f"{run.model}; {plural(run.parameters, 'parameter')}",
        f"rows: {rows}; batch size {count(run.batch_size)}; vocabulary: {vocabulary} tokens; "
        f"{_computed_by(run)}",
    ]
    if run.steps_done:
        lines.append(
            f"resuming after epoch {count(run.epochs_done)} (step {count(run.steps_done)})"
        )
    return lines + [f"note: {note}" for note in run.notes]


def _output(run: RunStarted) -> str:
    """Describe the output files, to be appended to the name of the run."""
    if run.file:
        return f": best checkpoint in {run.file}, run folder {run.folder}/"
    return f" in {run.folder}" if run.folder and run.folder != run.name else ""


def examples_table(examples: Sequence[Example], *, in_words: bool) -> Table:
    """Return a table of predictions and references; errors are marked or described ``in_words``."""
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    rows = tuple(_example_row(example, in_words) for example in examples)
    caption = "" if in_words else f"{MISSING} marks a missing token"
    columns = (Column("", keep=True), *map(Column, headers))
    return Table(columns, rows, caption=caption, stacks=True)


def samples_table(samples: Sequence[str]) -> Table:
    """Return a table of texts sampled from a language model."""
    return Table((Column("sample"),), tuple((sample,) for sample in samples))


def end_lines(
    finished: Finished, history: Sequence[Mapping[str, float]], run: RunStarted | None = None
) -> list[str]:
    """Return the last lines of a run: why it ended, its best epoch, loss curve and diagnosis.

    Args:
        finished: the event that ended it.
        history: the metrics of each epoch.
        run: the event that started it.
    """
    lines = [_ending(finished, run.epochs_done if run else 0)]
    scores = validation_scores(finished.best)
    if scores:
        lines.append(f"best epoch {finished.best_epoch}: validation {scores}")
    losses = [row["val_loss"] for row in history if "val_loss" in row]
    if len(losses) > 1:
        curve = sparkline(losses)
        lines.append(f"val loss {loss(losses[0])} {curve} {loss(losses[-1])}")
    diagnosis = diagnose_fit(history, run.facts if run else None)
    advise = bool(diagnosis.command) and diagnosis.kind != "good fit"
    hint = run.facts.attention_hint if run else ""
    lines += [*_too_short(finished), diagnosis.text, *[hint] * bool(hint)]
    return [*lines, *[f"try: {diagnosis.command}"] * advise]


def _too_short(finished: Finished) -> list[str]:
    """Return a note if a time budget left no time for training."""
    if finished.reason != "budget" or finished.updates > 1:
        return []
    return ["note: the budget ended before training began: one update was done; raise --budget"]


def _ending(finished: Finished, before: int) -> str:
    """Describe why the run ended; ``before`` is the number of epochs before it was resumed."""
    begin, reason = REASONS.get(finished.reason, ("finished", finished.reason))
    now = finished.epochs - before
    if before and not now and finished.reason in _LIMITS:
        return f"nothing to do: the run is complete; train longer with --{finished.reason} N"
    if before and not now and finished.reason != "interrupted":
        return f"nothing to do: {reason}"
    total = f", {count(finished.epochs)} in total" * bool(before)
    if finished.reason == "budget":
        reason += f", {plural(finished.updates, 'update')}"
    line = f"{begin} {plural(now, 'epoch')} in {duration(finished.seconds)}{total}"
    return f"{line}: {reason}" if reason else line


def _example_row(example: Example, in_words: bool) -> tuple[TableCell, ...]:
    truth, prediction, joiner = example.truth, example.prediction, example.joiner
    state = "ok" if truth == prediction else "wrong"
    source, target = shown_source(example.source), joiner.join(truth)
    if in_words:
        errors = describe_errors(truth, prediction)
        return (state, source, target, joiner.join(prediction), errors)
    return (state, source, target, mark(truth, prediction, joiner))


def validation_scores(metrics: Mapping[str, float]) -> str:
    """Describe the validation scores of an epoch: ``loss 0.0123, token accuracy 99.0%``."""
    scored = [one for one in epoch_metrics(metrics, TRAINING) if one.split == "val"]
    return ", ".join(f"{one.metric.label} {one.metric.write(metrics[one.key])}" for one in scored)


_FINDINGS = 12  # maximum number of findings shown; the file of flagged rows has all


def show_reading(out: Out, read: DataRead, *, to_stderr: bool = True) -> None:
    """Show a summary of the data as a message (stderr) or as the result (stdout)."""
    write = out.info if to_stderr else out.write
    for line in map(_file_line, read.files):
        write(line)
    out.show(splits_table(read), to_stderr=to_stderr)
    for line in finding_lines(read):
        write(line)
    if read.monotonic_gain is not None:
        write(alignment_line(read.monotonic_gain))
    if read.recipe:
        write(read.recipe)


def alignment_line(gain: float) -> str:
    """Describe how sources and targets are aligned; see `seqcli.data.alignment.monotonic_gain`."""
    kind = "monotonic" if gain >= MONOTONIC else "not monotonic"
    return f"alignment: {kind}, {gain:+.2f} nats per target token over free alignment"


def finding_lines(read: DataRead) -> list[str]:
    """Return one line per kind of flagged rows, and the file that lists all of them."""
    lines = [f"{_severity(one)}: {one}" for one in read.findings[:_FINDINGS]]
    more = len(read.findings) - _FINDINGS
    if more > 0:
        lines.append(f"note: {plural(more, 'further finding')} not shown")
    if read.named_rows:
        lines.append(f"all flagged rows: {read.named_rows}")
    return lines


def splits_table(read: DataRead) -> Table:
    """Return the table of splits: rows, sources, lengths, overlap and unknown tokens."""
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
    """Return the vocabulary size and the tokenization of each side."""
    sides = zip(("source", "target"), read.vocabulary, read.tokens, strict=True)
    shown = [f"{count(n)} {side}{style and f' ({style})'}" for side, n, style in sides if n]
    return ", ".join(shown) if len(shown) > 1 else shown[0].replace(" target", "")


def _file_line(one: FileRead) -> str:
    split = f"{one.split}: " if one.split else "data: "
    left_out = f", {count(one.rows - one.kept)} left out" if one.rows > one.kept else ""
    rows = f"{plural(one.rows, 'row')}, {count(one.kept)} kept{left_out}"
    return f"{split}{one.path} ({one.format}): {rows}"


def _split_row(one: SplitRead, pairs: bool, weighed: bool) -> tuple[TableCell, ...]:
    lengths = [_length(one.source_length)] * pairs + [_length(one.target_length)]
    weight = [f"{one.weight:,.10g}"] * weighed
    is_first = one.split == "train"  # no earlier split, no unknown tokens
    problems = ["", ""] if is_first else [count(one.shared), count(one.unknown_rows)]
    return (one.split, count(one.rows), count(one.sources), *weight, *lengths, *problems)


def _length(both: tuple[float, int]) -> str:
    return f"{both[0]:g}, {both[1]:,}"


def _severity(one: Finding) -> str:
    return "warning" if one.left_out or one.kind in ("shared", "contradictory") else "note"
