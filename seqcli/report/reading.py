"""What was read, before anything is trained on it: files, splits, and every kind of odd row."""

from __future__ import annotations

from seqcli.data.reading.findings import sentence
from seqcli.events import DataRead, FileRead, Finding, SplitRead
from seqcli.report.console import Out
from seqcli.report.formats import count, plural
from seqcli.report.tables import Cell, Column, Table

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
