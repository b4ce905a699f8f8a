"""No table cuts a number, however narrow the terminal: a column is whole, or named as hidden."""

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from seqcli.cli.gen_data import _baselines, _splits
from seqcli.events import DataRead, Example, FileRead, SplitRead
from seqcli.formatting import count, plural
from seqcli.report.evaluation import (
    baselines_table,
    lengths_table,
    metrics_table,
    novelty_table,
    references_table,
    subsets_table,
)
from seqcli.report.logs import Epoch, epoch_table
from seqcli.report.predictions import class_table, edits_table, matrix_tables, predictions_table
from seqcli.report.summary import examples_table, samples_table, splits_table
from seqcli.report.tables import (
    Column,
    Table,
    fit,
    rich_table,
    task_options_table,
    tasks_table,
    two_lines,
)
from seqcli.results import (
    Classes,
    ClassScore,
    Confusion,
    Edits,
    Evaluation,
    LengthBin,
    Novelty,
    References,
    ScoredRow,
    Subset,
)
from seqcli.tasks.base import task, tasks

WIDTHS = (120, 80, 60, 40)
READ = DataRead(
    (FileRead("a.tsv", "", "tsv", 12_345, 12_000),),
    tuple(
        SplitRead(name, 1_234_567, 987_654, (12.5, 10_000), (1_000, 54_321), 4_321, 9_876, 7, 1.5e6)
        for name in ("train", "val", "test")
    ),
    (12_345, 6_789),
)
EPOCHS = [
    Epoch(
        number,
        {
            "train_loss": 1.2345 / number,
            "val_loss": 2.3456 / number,
            "val_bits_per_character": 3.4567,
            "val_perplexity": 12345.6789,
            "train_token_accuracy": 0.987,
            "val_token_accuracy": 0.876,
            "train_sequence_accuracy": 0.765,
            "val_sequence_accuracy": 0.654,
            "learning_rate": 0.00123 / number,
            "teacher_forcing": 1 - number / 2000,
            "seconds": 1234.5,
            "sequences_per_second": 123456.0,
        },
    )
    for number in (998, 999, 1000)
]
SCORES = {
    "loss": 1.2345,
    "token_accuracy": 0.9876,
    "sequence_accuracy": 0.8765,
    "sequence_error_rate": 0.1235,
    "token_error_rate": 0.0765,
    "mean_token_error_rate": 0.0654,
    "multi_reference_accuracy": 0.9012,
    "multi_reference_token_error_rate": 0.0543,
}
BASELINES = ("chance", "copy", "majority", "memorize_else_most_frequent")
EVALUATION = Evaluation(
    rows=123_456,
    metrics=SCORES,
    baselines={name: dict.fromkeys(SCORES, 0.1234) for name in BASELINES},
    intervals=dict.fromkeys(SCORES, (0.1234, 0.2345)),
    references=References(98_765, 4_321, 0.9321),
    by_length=(LengthBin(1_000, 20_000, 54_321, 0.9, 0.8),),
    by_unseen=(Subset("unknown tokens in the source", 1_234, 0.71, 0.62, 0.53),),
    edits=Edits(123_456, 65_432, 9_876, (Confusion("3", "8", 12_345), Confusion("a", None, 4_321))),
    classes=Classes(
        tuple(f"label {n}" for n in range(12)),
        tuple(tuple(1_000 * row + n for n in range(12)) for row in range(12)),
        tuple(ClassScore(f"label {n}", 12_345, 6_789, 0.81, 0.72, 0.63) for n in range(12)),
    ),
    predictions=tuple(
        ScoredRow(tuple("123"), tuple("321"), tuple("312"), False, 1_234) for _ in range(3)
    ),
    split="test",
)
META = {
    "vocabulary": {"source": [], "target": []},
    "sizes": {"train": 1_000_000, "val": 20_000, "test": 30_000},
    "repeats": {"train": 12_345, "val": 0, "test": 999},
    "lengths": {
        name: {side: {"min": 1, "max": 10_000} for side in ("source", "target")}
        for name in ("train", "val", "test")
    },
    "overlap": {"train-val": 0, "train-test": 1_234},
}
TABLES = {
    "reading": splits_table(READ),
    "epochs": epoch_table(EPOCHS, best=999),
    "examples": examples_table([Example("1 2", ("2", "1"), ("2", "2"))], in_words=False),
    "samples": samples_table(["anna", "o"]),
    "metrics": metrics_table(EVALUATION),
    "baselines": baselines_table(EVALUATION),
    "references": references_table(EVALUATION),
    "novelty": novelty_table(Novelty(1_000, {"new": 0.9876, "in_train": 0.0124})),
    "lengths": lengths_table(EVALUATION.by_length),
    "subsets": subsets_table(EVALUATION.by_unseen),
    "edits": edits_table(EVALUATION.edits),
    "predictions": predictions_table(EVALUATION, 3, in_words=False),
    "classes": class_table(EVALUATION.classes),
    "gen-data splits": _splits(META),
    "gen-data baselines": _baselines(EVALUATION.baselines, "test"),
    "tasks": tasks_table(tasks()),
    "task options": task_options_table(task("patterns")),
}


def drawn(table, width):
    console = Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system=None, markup=False
    )
    console.print(rich_table(table))
    return console.file.getvalue()


def numbers(text):
    return re.findall(r"\d[\d,.]*", text)


def shown_headers(table, text):
    """Return the columns that are not named as hidden."""
    hidden = re.search(r"hidden \((.*?)\):", " ".join(text.split()))
    names = hidden[1].split(", ") if hidden else []
    return [n for n, c in enumerate(table.columns) if " ".join(c.header.split()) not in names]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", TABLES)
def test_every_figure_of_a_table_is_whole_or_its_column_is_named_as_hidden(name, width):
    table = TABLES[name]
    text = drawn(table, width)
    assert all(len(line) <= width for line in text.splitlines())
    words = text.split()
    for place in shown_headers(table, text):
        column = table.columns[place]
        for row in table.rows:
            if column.right or column.keep:
                assert all(word in words for word in row[place].split())
    assert set(numbers(text.replace("…", ""))) <= set(_all_numbers(table, text)), text


def _all_numbers(table, text):
    cells = [cell if isinstance(cell, str) else "".join(part.text for part in cell)
             for row in table.rows for cell in row]  # fmt: skip
    headers = [column.header for column in table.columns]
    note = re.findall(r"(\d+) columns? hidden", text)
    return numbers(" ".join([*cells, *headers, table.title, table.caption])) + note


@pytest.mark.parametrize("width", WIDTHS)
def test_the_confusion_matrix_is_whole_in_as_many_parts_as_it_takes(width):
    parts = list(matrix_tables(EVALUATION.classes, width))
    text = "".join(drawn(part, width) for part in parts)
    found = [number for row in EVALUATION.classes.matrix for number in map(count, row)]
    assert set(found) - {"0"} <= set(text.split())


def test_no_column_is_hidden_where_there_is_room():
    for name, table in TABLES.items():
        assert "hidden" not in drawn(table, 250), name


def test_at_80_columns_the_table_of_splits_is_complete():
    text = drawn(splits_table(READ_WITHOUT_WEIGHT), 80)
    assert "hidden" not in text
    assert "10,000" in text


READ_WITHOUT_WEIGHT = DataRead(
    READ.files,
    tuple(
        SplitRead(n, 10_000, 10_000, (12.0, 120), (12.0, 120), 0, 0, 0) for n in ("train", "val")
    ),
    READ.vocabulary,
)


def test_columns_are_hidden_from_the_least_important_and_named():
    columns = (
        Column("name", keep=True),
        Column("important", right=True),
        Column("less", right=True, drop=1),
        Column("least", right=True, drop=2),
    )
    table = Table(columns, (("row", "12,345", "67,890", "13,579"),), caption="about")
    assert [len(fit(table, width).table.columns) for width in (40, 30, 20)] == [4, 3, 2]
    assert fit(table, 20).table.caption == (
        "about\n2 columns hidden (least, less): use a wider terminal or --json"
    )
    assert fit(table, 12) is None  # nothing more to hide: one cell under another
    assert drawn(table, 12).split()[:3] == ["row", "important", "12,345"]


def test_headers_break_where_it_makes_them_narrowest():
    assert two_lines("in an earlier split") == "in an\nearlier split"
    assert two_lines("already\nin two lines") == "already\nin two lines"
    assert two_lines("rows") == "rows"


TEXTS = st.text(st.sampled_from("ab 1"), min_size=1, max_size=30).map(str.strip).filter(bool)
FIGURES = st.integers(0, 10**9).map(count)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(TEXTS, FIGURES, FIGURES, FIGURES), min_size=1, max_size=4),
       st.integers(24, 130))  # fmt: skip
def test_any_table_at_any_width_keeps_the_figures_it_shows(rows, width):
    columns = (
        Column("a text", fold=True),
        *(Column(f"figure {n}", right=True, drop=n) for n in range(3)),
    )
    table = Table(columns, tuple(rows))
    text = drawn(table, width)
    words = text.split()
    for place in shown_headers(table, text)[1:]:
        assert all(row[place] in words for row in rows)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (12345, "12,345 rows")]
)
def test_counts_have_groups_and_nouns_their_number(number, expected):
    assert plural(number, "row") == expected
