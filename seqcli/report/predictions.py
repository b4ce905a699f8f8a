"""Show predictions: unknown tokens, marked errors, probabilities, and tables of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len

from seqcli.data.vocabulary import visible_token
from seqcli.errors import DataError
from seqcli.formatting import count, percent, plural, token_label
from seqcli.report.console import Out
from seqcli.report.tables import Column, Segment, Table, TableCell, width_of

if TYPE_CHECKING:
    from seqcli.results import Candidate, Classes, Confusion, Edits, NextToken, ScoredRow, Scores


NAMED_LINES = 10
NAMED_TOKENS = 10
_COUNTED = 10_000  # maximum number of distinct tokens counted; bounds memory for word tokens


class UnknownTokens:
    """Report the first lines with unknown tokens immediately, and count all of them.

    Args:
        out: receives the messages (stderr).
    """

    def __init__(self, out: Out) -> None:
        self.out, self.lines, self.noted, self.truncated = out, 0, 0, 0
        self.tokens: Counter[str] = Counter()  # token -> number of lines that contain it

    def add(self, line: int, tokens: Sequence[str]) -> None:
        """Record the unknown tokens of a line."""
        if not tokens:
            return
        self.lines += 1
        room = len(self.tokens) < _COUNTED
        self.tokens.update(one for one in set(tokens) if room or one in self.tokens)
        if self.lines <= NAMED_LINES:
            self.out.info(f"note: line {line}: unknown tokens: {_join(tokens)}")
        elif self.lines == NAMED_LINES + 1:
            self.out.info("note: there are more such lines; they are counted")

    def add_note(self, line: int, note: str) -> None:
        """Record a line with unexpected columns; report the first and count the others."""
        self.noted += 1
        if self.noted == 1:
            self.out.info(f"note: line {line}: {note}")

    def add_truncated(self, line: int) -> None:
        """Record a line with a truncated prediction; report the first and count the others."""
        self.truncated += 1
        if self.truncated == 1:
            self.out.info(f"note: line {line}: the prediction is truncated at the length limit")

    def sum_up(self, lines: int) -> None:
        """Report totals over all ``lines`` lines if some lines were only counted."""
        if self.truncated > 1:
            share = f"{count(self.truncated)} of {plural(lines, 'line')}"
            self.out.info(f"note: {share} have a prediction truncated at the length limit")
        if self.noted > 1:
            self.out.info(f"note: {count(self.noted)} of {plural(lines, 'line')} have such columns")
        if self.lines <= NAMED_LINES:
            return
        common = self.tokens.most_common(NAMED_TOKENS)
        listed = ", ".join(f"{_label(token)} ({count(times)})" for token, times in common)
        more = len(self.tokens) - len(common)
        others = f" and {count(more)} more" if more else ""
        self.out.info(
            f"note: {count(self.lines)} of {plural(lines, 'line')} have unknown tokens, "
            f"by number of lines: {listed}{others}"
        )


def check_all_predicted(failed: int, lines: int) -> None:
    """Raise an error if some lines have no prediction.

    Raises:
        DataError: ``failed`` of ``lines`` lines have none.
    """
    if failed:
        have = "has" if failed == 1 else "have"
        some = f"{count(failed)} of {plural(lines, 'line')} {have} no prediction"
        raise DataError(some, "each is a blank line in the output; correct or shorten them")


def _label(token: str | None) -> str:
    return "␣" if token == " " else token_label(token)


def _join(tokens: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(tokens))
    listed = " ".join(_label(token) for token in distinct[:NAMED_TOKENS])
    more = len(distinct) - NAMED_TOKENS
    return f"{listed} and {count(more)} more" if more > 0 else listed


Pair: TypeAlias = tuple[str | None, str | None]  # token of the truth, predicted token
MISSING = "·"  # placeholder for a missing token in a marked prediction
MAX_ERRORS = 8  # maximum number of errors described per row


def shown_source(line: str) -> str:
    """Return a source with a visible separator before its features."""
    return line.replace("\t", " | ")


def shown_token(token: str) -> str:
    """Return a token with all of its characters visible."""
    shown = visible_token(token)
    return '"' + shown.strip("'") + '"' if token.isspace() else shown


def mark(truth: Sequence[str], prediction: Sequence[str], joiner: str) -> tuple[Segment, ...]:
    """Split the prediction into correct and wrong segments.

    A missing token is shown as ``MISSING``, so that every error is visible.
    """
    segments: list[Segment] = []
    for i, (true, predicted) in enumerate(align(truth, prediction)):
        if i and joiner:
            _extend(segments, Segment(joiner, True))
        _extend(segments, Segment(MISSING if predicted is None else predicted, true == predicted))
    return tuple(segments)


def describe_errors(truth: Sequence[str], prediction: Sequence[str]) -> str:
    """Describe the errors in words, for output without color: ``3: 4 -> 7; 5: 2 missing``.

    The number is the position in the truth, from 1 (for an extra token: the position before it).
    The first ``MAX_ERRORS`` are described, the others counted.
    """
    errors, position = list[str](), 0
    for true, predicted in align(truth, prediction):
        position += true is not None
        if true != predicted:
            errors.append(f"{position}: {_difference(true, predicted)}")
    more = [f"and {len(errors) - MAX_ERRORS} more"] * (len(errors) > MAX_ERRORS)
    return "; ".join(errors[:MAX_ERRORS] + more)


def align(truth: Sequence[str], prediction: Sequence[str]) -> list[Pair]:
    """Pair the tokens of both sequences with the fewest edits (Levenshtein distance).

    Returns pairs in order; None where one side has no token.
    """
    from rapidfuzz.distance import Levenshtein

    pairs: list[Pair] = []
    for block in Levenshtein.opcodes(truth, prediction):
        left = truth[block.src_start : block.src_end]
        right = prediction[block.dest_start : block.dest_end]
        pairs += zip_longest(left, right)  # None on one side of an insertion or a deletion
    return pairs


def _extend(segments: list[Segment], segment: Segment) -> None:
    """Append ``segment``, or extend the last one if both are correct or both wrong."""
    if segments and segments[-1].ok == segment.ok:
        segment = Segment(segments.pop().text + segment.text, segment.ok)
    segments.append(segment)


def _difference(true: str | None, predicted: str | None) -> str:
    left, right = (side and shown_token(side) for side in (true, predicted))
    if left is None:
        return f"extra {right}"
    return f"{left} missing" if right is None else f"{left} -> {right}"


SHOWN = 24
FEWEST, SMALL = 8, 0.001  # beyond this number, smaller probabilities are summed
WIDTH = 40  # terminal cells of the longest bar
EIGHTHS = " ▏▎▍▌▋▊▉"


def probability_bars(distribution: Sequence[NextToken], *, plain_ascii: bool = False) -> list[str]:
    """Draw a bar for each of the most likely tokens, and one for all others together.

    Args:
        distribution: tokens with their probabilities, most likely first.
        plain_ascii: draw with # instead of block characters.
    """
    likely = sum(one.probability >= SMALL for one in distribution)
    most = min(SHOWN, max(FEWEST, likely))
    rows = [(token_label(one.token), one.probability) for one in distribution[:most]]
    rest = distribution[most:]
    if rest:
        rows.append((plural(len(rest), "other"), sum(one.probability for one in rest)))
    wide = max(cell_len(name) for name, _ in rows)
    largest = max(share for _, share in rows)
    return [
        f"{name}{' ' * (wide - cell_len(name))}  {percent(share):>6}  "
        f"{_bar(share / largest, plain_ascii)}".rstrip()
        for name, share in rows
    ]


def _bar(share: float, plain_ascii: bool) -> str:
    if plain_ascii:
        return "#" * round(share * WIDTH)
    whole, part = divmod(round(share * WIDTH * 8), 8)
    return "█" * whole + EIGHTHS[part].strip()


def token_lines(candidate: Candidate, width: int) -> list[str]:
    """Return the tokens of a candidate and ``<eos>``, each above its probability.

    Args:
        candidate: a candidate with its tokens.
        width: the width of the terminal in cells.
    """
    columns = [(_label(one.token), percent(one.probability)) for one in candidate.tokens]
    blocks: list[tuple[str, str]] = [("", "")]
    for label, share in columns:
        wide = max(cell_len(label), cell_len(share))
        cells = (" " * (2 + wide - cell_len(one)) + one for one in (label, share))
        upper, lower = cells
        if blocks[-1][0] and cell_len(blocks[-1][0] + upper) > width:
            blocks.append(("", ""))
        blocks[-1] = blocks[-1][0] + upper, blocks[-1][1] + lower
    return [line for block in blocks for line in block if line]


NO_LABEL = "(no label)"
MOST = 40  # maximum number of labels in a printed confusion matrix


def class_table(classes: Classes) -> Table:
    """Return the table of precision, recall and F1 per label, most frequent first."""
    headers = "class", "rows", "predicted", "precision", "recall", "F1"
    columns = tuple(Column(header, right=place > 0) for place, header in enumerate(headers))
    ordered = sorted(classes.scores, key=lambda one: -one.rows)
    rows = tuple(
        (
            one.label,
            count(one.rows),
            count(one.predicted),
            "-" if one.precision is None else percent(one.precision),
            percent(one.recall),
            percent(one.f1),
        )
        for one in ordered
    )
    return Table(columns, rows)


def matrix_tables(classes: Classes, width: int) -> Iterator[Table]:
    """Yield the confusion matrix, split into as many parts as needed to fit the terminal.

    Args:
        classes: the classification results.
        width: width of the terminal in cells; 0 for no limit.
    """
    if len(classes.labels) > MOST:
        caption = f"the confusion matrix has {plural(len(classes.labels), 'column')}: see --json"
        yield Table((Column("confusion matrix"),), (("",),), caption=caption)
        return
    yield from next(parts for parts in _parts(classes) if _fits(parts, width))


def _parts(classes: Classes) -> Iterator[list[Table]]:
    """Yield the matrix split into 1, 2, 3 ... parts of similar width."""
    columns = len(classes.labels)
    for number in range(1, columns + 1):
        size = -(-columns // number)
        yield [_part(classes, range(columns)[at : at + size]) for at in range(0, columns, size)]


def _fits(parts: list[Table], width: int) -> bool:
    narrowest = all(len(part.columns) == 2 for part in parts)
    return not width or narrowest or max(map(width_of, parts)) <= width


def _part(classes: Classes, places: range) -> Table:
    """Return a table with some columns and all rows of the matrix."""
    columns = [Column("truth \\ prediction", keep=True)]
    columns += [Column(str(place + 1), right=True) for place in places]
    names = [f"{place + 1} {label or NO_LABEL}" for place, label in enumerate(classes.labels)]
    rows = tuple(
        (name, *("." if not row[place] else count(row[place]) for place in places))
        for name, row in zip(names, classes.matrix, strict=False)
    )
    only = [name for place, name in enumerate(names) if place >= len(rows) and place in places]
    caption = f"only predicted: {', '.join(only)}" if only else ""
    return Table(tuple(columns), rows, caption=caption)


SHOWN_ROWS = 10  # default number of predictions and of edit kinds
RIGHT_SHARE = 0.3  # share of correct rows among the predictions shown


def edits_table(edits: Edits) -> Table:
    """Return the table of the most frequent edits from truth to prediction."""
    total = edits.substitutions + edits.deletions + edits.insertions
    figures = Column("times", right=True), Column("of all", right=True)
    columns = (*figures, Column("truth"), Column("prediction"))
    rows = tuple(
        (count(one.count), percent(one.count / total), *_sides(one))
        for one in edits.commonest[:SHOWN_ROWS]
    )
    kinds = f"{plural(edits.substitutions, 'substitution')}, {plural(edits.deletions, 'deletion')}"
    caption = f"{plural(total, 'edit')}: {kinds}, {plural(edits.insertions, 'insertion')}"
    return Table(columns, rows, caption=caption)


def predictions_table(
    scores: Scores, most: int, *, in_words: bool, above: Iterable[ScoredRow] = ()
) -> Table:
    """Return a table of predictions next to the truth: wrong ones first, then a few correct ones.

    Args:
        scores: the scored rows.
        most: maximum number of rows.
        in_words: add a column that describes the errors, for output without color.
        above: rows to omit because they are already shown among the worst.
    """
    seen = set(above)
    chosen = choose([row for row in scores.predictions if row not in seen], most)
    wrong = sum(not row.correct for row in scores.predictions)
    of = f"{count(wrong)} of {plural(len(scores.predictions), 'prediction')}"
    caption = f"{of} {'is' if wrong == 1 else 'are'} wrong; {count(len(chosen))} "
    caption += f"{'more ' * bool(seen)}shown"
    return _rows_table(scores, chosen, caption, in_words)


def worst_table(scores: Scores, chosen: Sequence[ScoredRow], *, in_words: bool) -> Table:
    """Return a table of the rows selected by `worst`, in the layout of `predictions_table`."""
    caption = "the worst: most edits for the length of the truth"
    return _rows_table(scores, chosen, caption, in_words)


def choose(rows: Sequence[ScoredRow], most: int = SHOWN_ROWS) -> list[ScoredRow]:
    """Select rows to show, in the order of the data: wrong ones first, then a few correct ones."""
    right = round(most * RIGHT_SHARE)
    return [row for row in rows if not row.correct][: most - right] + [
        row for row in rows if row.correct
    ][:right]


def worst(rows: Iterable[ScoredRow], most: int) -> list[ScoredRow]:
    """Return the wrong rows with the most edits per token of the truth, without duplicates.

    Rows with equal rates are sorted by their number of edits, highest first.
    """
    wrong = dict.fromkeys(row for row in rows if not row.correct)
    return sorted(wrong, key=lambda row: (-_share(row), -row.edits))[:most]


def _share(row: ScoredRow) -> float:
    return row.edits / max(len(row.truth), 1)


def _rows_table(scores: Scores, chosen: Sequence[ScoredRow], caption: str, in_words: bool) -> Table:
    headers = ["source", "truth", "prediction"] + ["errors"] * in_words
    columns = (Column("", keep=True), Column("edits", right=True), *map(Column, headers))
    rows = tuple(_prediction_row(row, scores, in_words) for row in chosen)
    return Table(columns, rows, caption=caption, stacks=True)


def _prediction_row(row: ScoredRow, scores: Scores, in_words: bool) -> tuple[TableCell, ...]:
    joiner = scores.target_joiner
    source = shown_source(row.line(scores.source_joiner))
    truth = joiner.join(row.truth)
    mark_of_row = "ok" if row.correct else "wrong"
    if in_words:
        errors = describe_errors(row.truth, row.prediction)
        prediction = joiner.join(row.prediction)
        return (mark_of_row, str(row.edits), source, truth, prediction, errors)
    return (mark_of_row, str(row.edits), source, truth, mark(row.truth, row.prediction, joiner))


def _sides(one: Confusion) -> tuple[str, str]:
    truth = "(inserted)" if one.truth is None else shown_token(one.truth)
    return truth, "(deleted)" if one.prediction is None else shown_token(one.prediction)
