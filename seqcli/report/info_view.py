"""Format the output of ``seqcli info`` and ``seqcli runs``."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from seqcli.data.vocabulary import is_feature
from seqcli.formatting import baseline_name, count, plural, visible
from seqcli.metrics.metric import shown
from seqcli.report.summary import validation_scores
from seqcli.report.tables import Column, Table

if TYPE_CHECKING:
    from seqcli.descriptions import CheckpointInfo, MemberInfo, RunSummary, Side


_SHOWN = 12  # maximum number of vocabulary tokens shown
_INDENT = 12
_SPLITS = {"val": "validation", "test": "test", "train": "training"}


def checkpoint_lines(checkpoint: CheckpointInfo, width: int | None = None) -> list[str]:
    """Return the lines that describe a checkpoint, each with a heading.

    Args:
        checkpoint: the result of `seqcli.api.info`.
        width: terminal cells at which texts, but not commands, are wrapped; None for no limit.
    """
    lines: list[str] = []
    for head, text in checkpoint_rows(checkpoint):
        is_prose = head in ("checkpoint", "model", "source", "target", "data", "scored", "members")
        texts = _wrapped(visible(text), width) if is_prose else [visible(text)]
        heads = [head, *[""] * len(texts)]
        lines += [
            f"{name:<{_INDENT}}{part}".rstrip() for name, part in zip(heads, texts, strict=False)
        ]
    return lines


def _wrapped(text: str, width: int | None) -> list[str]:
    """Wrap a text between words; words, such as paths, are never broken."""
    if width is None or width <= 2 * _INDENT:
        return [text]
    room = width - _INDENT
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def checkpoint_rows(checkpoint: CheckpointInfo) -> Iterator[tuple[str, str]]:
    """Yield (heading, text) for each line about a checkpoint; "" repeats the heading."""
    kind = "with training state" if checkpoint.resumable else "without training state"
    listed = " + ".join(member.path for member in checkpoint.members)  # again below
    where = "ensemble" if checkpoint.path == listed else checkpoint.path
    yield (
        "checkpoint",
        f"{where}, {checkpoint.megabytes:g} MB, by seqcli {checkpoint.version}; {kind}",
    )
    parameters = plural(checkpoint.parameters, "parameter")
    yield "model", f"{checkpoint.model}; {parameters}; {checkpoint.backend} backend"
    for number, member in enumerate(checkpoint.members):
        yield "" if number else "members", _member(member, checkpoint.model)
    if checkpoint.source:
        yield "source", _side(checkpoint.source)
    yield "target", _side(checkpoint.target)
    if checkpoint.form["normalize"] != "none" or checkpoint.form["lower"] != "none":
        yield (
            "texts",
            f"normalized: {checkpoint.form['normalize']}; lower case: {checkpoint.form['lower']}",
        )
    if checkpoint.form["features"]:
        yield "features", "after a tab, such as N;ACC;PL"
    yield "data", _data(checkpoint.data)
    yield from (("", f"sha256 {line}") for line in _checksums(checkpoint.data.get("sha256")))
    at = f", epoch {checkpoint.epoch}" if checkpoint.epoch else ""
    scores = validation_scores(checkpoint.metrics)
    if scores:
        yield "scored", f"on validation{at}: {scores}"
    split = "val" if scores else next(iter(checkpoint.baselines), "val")
    for number, (name, baseline) in enumerate(checkpoint.baselines.get(split, {}).items()):
        where = f"on {_SPLITS[split]}, " if number == 0 else ""
        yield (
            "" if number else "baselines",
            f"{where}{baseline_name(name)}: {_scores(baseline)}",
        )
    for number, (key, (value, origin)) in enumerate(checkpoint.settings.items()):
        yield "" if number else "set", f"{key}={value} ({origin})"
    for number, command in enumerate(checkpoint.next):
        yield "" if number else "next", command


def _member(member: MemberInfo, ensemble: str) -> str:
    """Describe a member of an ensemble; its model only if it is not that of every member."""
    model = "" if ensemble.endswith(f"each {member.model}") else f"; {member.model}"
    scores = validation_scores(member.metrics)
    at = f"; epoch {member.epoch}, validation: {scores}" if scores else ""
    return f"{member.path}: {plural(member.parameters, 'parameter')}{model}{at}"


def _side(side: Side) -> str:
    tokens = sorted(side.tokens, key=is_feature)
    some = " ".join("␣" if one == " " else one.strip() for one in tokens[:_SHOWN])
    more = " ..." if len(side.tokens) > _SHOWN else ""
    return (
        f"{side.tokenization}, {plural(len(side.tokens), 'token')} ({some}{more}), "
        f"longest training row: {count(side.max_length)}"
    )


def _data(data: Mapping[str, Any]) -> str:
    parts = [str(data["name"])]
    paths = data.get("path", "")
    parts += map(str, paths.values() if isinstance(paths, Mapping) else [paths])
    if "options" in data:
        parts.append(
            " ".join(f"{key} {value}" for key, value in data["options"].items() if value != "")
        )
    rows = data.get("rows") or data.get("sizes") or {}
    if rows:
        parts.append("rows: " + " ".join(f"{split} {count(n)}" for split, n in rows.items()))
    if "seed" in data:
        parts.append(f"seed {data['seed']}")
    if "distillation" in data:
        parts += _distillation(data["distillation"])
    return "; ".join(part for part in dict.fromkeys(parts) if part)


def _distillation(facts: Mapping[str, Any]) -> list[str]:
    """Name the teacher, and the file of unlabelled sources if there is one."""
    rows = " ".join(f"{origin} {count(n)}" for origin, n in facts["rows"].items())
    parts = [f"teacher {facts['teacher']} (training rows: {rows})"]
    return [*parts, f"unlabelled {facts['unlabelled']}"] if "unlabelled" in facts else parts


def _checksums(sums: str | Sequence[str] | Mapping[str, str] | None) -> list[str]:
    if isinstance(sums, Mapping):
        return [f"{value}  {name}" for name, value in sums.items()]
    return [sums] if isinstance(sums, str) else list(sums or ())


def _scores(scores: Mapping[str, float]) -> str:
    metrics = {name: shown(name) for name in scores}
    return ", ".join(f"{one.label} {one.write(scores[name])}" for name, one in metrics.items())


def runs_table(runs: Sequence[RunSummary]) -> Table:
    """Return the table of runs: data, model, state, and validation scores of the best epoch."""
    columns = (
        Column("run", keep=True),
        Column("data", drop=1),
        Column("model", fold=True, drop=2),
        Column("state", keep=True),
        Column("epoch", right=True, drop=4),
        Column("validation", fold=True),
        Column("last change", drop=3),
    )
    return Table(columns, tuple(map(_run_cells, runs)))


def _run_cells(run: RunSummary) -> tuple[str, ...]:
    changed = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.modified))
    epoch = count(run.epoch) if run.epoch else ""
    scores = validation_scores(run.metrics)
    return (run.path, run.data, run.model, run.state, epoch, scores, changed)
