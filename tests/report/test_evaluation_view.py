import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.text import Text

from seqcli.events import Finished
from seqcli.report.evaluation import show_evaluation
from seqcli.report.json_documents import (
    evaluation_document,
    prediction_document,
    tasks_document,
    training_document,
)
from seqcli.report.predictions import choose, matrix_tables, worst
from seqcli.report.tables import width_of
from seqcli.results import (
    AttentionMap,
    Candidate,
    Classes,
    ClassScore,
    Confusion,
    Edits,
    Evaluation,
    LengthBin,
    Prediction,
    References,
    ScoredRow,
    Subset,
)
from seqcli.runs.fit_diagnosis import diagnose_fit


def row(number, correct):
    truth = ("3", str(number))
    return ScoredRow(
        truth[::-1], truth, truth if correct else ("3", "x"), correct, int(not correct)
    )


@pytest.fixture
def evaluation():
    return Evaluation(
        checkpoint="runs/reverse-gru",
        data="reverse",
        split="test",
        rows=1000,
        beam=5,
        length_penalty=1.0,
        metrics={
            "loss": 0.0123,
            "token_accuracy": 0.99,
            "sequence_accuracy": 0.9,
            "token_error_rate": 0.01,
            "sequence_error_rate": 0.1,
        },
        intervals={"loss": (0.0111, 0.0139), "sequence_accuracy": (0.881, 0.918)},
        baselines={
            "chance": {"token_accuracy": 0.05, "sequence_accuracy": 0.0},
            "copy_last": {"token_accuracy": 0.2, "token_error_rate": 0.8},
            "majority": {"token_accuracy": 0.1, "token_error_rate": 0.9},
        },
        by_length=(LengthBin(5, 8, 600, 1.0, 1.0), LengthBin(9, 9, 400, 0.98, 0.8)),
        by_unseen=(Subset("unseen symbols in the source", 10, 0.5, 0.1, 0.6),),
        edits=Edits(9, 4, 2, (Confusion("3", "8", 9), Confusion(" ", None, 4))),
        predictions=tuple(row(i, correct=i % 2 == 0) for i in range(30)),
        seconds=1.25,
        notes=("1 symbol was never seen in training",),
    )


CLASSES = Classes(
    ("cat", "dog", "fox", None),
    ((8, 2, 0, 0), (1, 9, 0, 1)),
    (ClassScore("cat", 10, 9, 8 / 9, 0.8, 0.842), ClassScore("dog", 11, 0, None, 0.0, 0.0)),
)


def shown(out, evaluation, rows=10):
    show_evaluation(out, evaluation, rows)
    return out.stdout.file.getvalue()


def cells(text):
    """Return the cells of each line of aligned text."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_intervals_and_the_best_baseline_stand_beside_the_metrics(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    assert lines[0] == "runs/reverse-gru on reverse, test: 1,000 rows, beam 5, 1.2 s"
    assert cells("\n".join(lines[2:8])) == [
        ["metric", "model", "95% interval", "best baseline"],
        ["loss (nats per token)", "0.0123", "0.0111-0.0139", "-"],
        ["token accuracy", "99.0%", "-", "20.0% copy last"],
        ["sequence accuracy", "90.0%", "88.1-91.8%", "0.0% chance"],
        ["token error rate", "1.0%", "-", "80.0% copy last"],
        ["sequence error rate", "10.0%", "-", "-"],
    ]


def test_every_baseline_has_a_row(pipe, evaluation):
    found = cells(shown(pipe(), evaluation))
    header = ["baseline", "token accuracy", "sequence accuracy", "token error rate"]
    assert header in found
    assert ["chance", "5.0%", "0.0%", "-"] in found
    assert ["per-position majority", "10.0%", "-", "90.0%"] in found


def test_several_right_answers_have_a_table(pipe, evaluation):
    assert "multiple references" not in shown(pipe(), evaluation)
    metrics = {**evaluation.metrics, "multi_reference_accuracy": 0.95}
    metrics["multi_reference_token_error_rate"] = 0.005
    found = replace(evaluation, metrics=metrics, references=References(900, 90, 0.97))
    lines = cells(shown(pipe(), found))
    assert ["model", "90.0%", "97.0%", "95.0%", "0.5%"] in lines
    assert ["95% interval", "88.1-91.8%", "-", "-"] in lines
    assert lines.count(["model", "90.0%", "97.0%", "95.0%", "0.5%"]) == 1
    assert not any(line[0].startswith("multi reference") for line in lines)
    assert any(line[0].startswith("90 of 900 sources have multiple references") for line in lines)


def test_edits_are_told_with_what_is_missing(pipe, evaluation):
    lines = cells(shown(pipe(), evaluation))
    assert ["9", "60.0%", "3", "8"] in lines
    assert ["4", "26.7%", '" "', "(deleted)"] in lines
    told = "15 edits: 9 substitutions, 4 deletions, 2 insertions"
    assert [told] in lines


def test_rows_with_unseen_symbols_are_scored_apart(pipe, evaluation):
    lines = cells(shown(pipe(), evaluation))
    assert ["unseen symbols in the source", "10", "50.0%", "10.0%", "60.0%"] in lines


def test_labels_have_a_matrix_and_a_table(pipe, evaluation):
    lines = cells(shown(pipe(), replace(evaluation, classes=CLASSES)))
    assert ["dog", "11", "0", "-", "0.0%", "0.0%"] in lines
    assert ["cat", "10", "9", "88.9%", "80.0%", "84.2%"] in lines
    assert lines.index(["dog", "11", "0", "-", "0.0%", "0.0%"]) < lines.index(
        ["cat", "10", "9", "88.9%", "80.0%", "84.2%"]
    )
    assert ["1 cat", "8", "2", ".", "."] in lines
    assert ["only predicted: 3 fox, 4 (no label)"] in lines
    assert not any(line[0] in ("token accuracy", "token error rate") for line in lines)
    assert not any("edits:" in line[0] for line in lines)


def test_a_wide_matrix_is_cut_for_a_narrow_terminal():
    many = 30
    labels = tuple(f"label {i:02}" for i in range(many))
    matrix = tuple(tuple(1000 + i + j for j in range(many)) for i in range(many))
    classes = Classes(labels, matrix, ())
    parts = list(matrix_tables(classes, 80))
    assert all(width_of(part) <= 80 for part in parts)
    headers = [column.header for part in parts for column in part.columns[1:]]
    assert headers == [str(i + 1) for i in range(many)]
    assert len(list(matrix_tables(classes, 0))) == 1
    assert "--json" in next(matrix_tables(replace(classes, labels=labels * 2), 0)).caption


def test_the_worst_come_with_the_most_edits_for_their_length():
    rows = [
        ScoredRow((), tuple("abcd"), (), False, 4),
        ScoredRow((), tuple("ab"), tuple("x"), False, 2),
        ScoredRow((), tuple("ab"), tuple("ab"), True, 0),
        ScoredRow((), (), tuple("xyz"), False, 3),
        ScoredRow((), tuple("abcd"), tuple("abc"), False, 1),
    ]
    assert worst([*rows, rows[0]], 4) == [rows[3], rows[0], rows[1], rows[4]]


def test_as_many_rows_are_shown_as_asked_for(pipe, evaluation):
    lines = shown(pipe(), evaluation, rows=4).splitlines()
    marks = [line.split()[0] for line in lines if line.startswith(("wrong", "ok"))]
    assert marks == ["wrong"] * 5 + ["ok"]
    assert "predictions are wrong" not in shown(pipe(), evaluation, rows=0)


def test_accuracy_is_shown_by_length(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    assert ["5-8", "600", "100.0%", "100.0%"] in [line.split() for line in lines]
    assert ["9", "400", "98.0%", "80.0%"] in [line.split() for line in lines]


def test_wrong_predictions_come_first_with_their_errors_in_words(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    marks = [line.split()[0] for line in lines if line.startswith(("wrong", "ok"))]
    assert marks == ["wrong"] * 5 + ["wrong"] * 7 + ["ok"] * 3  # the worst before
    first = [line for line in lines if line.startswith("wrong")][5]
    assert first.split("  ")[-1].strip() == "2: 11 -> x"
    assert lines[-1] == "15 of 30 predictions are wrong; 10 more shown"


def test_no_row_is_shown_among_the_worst_and_again_below(pipe, evaluation):
    few = replace(evaluation, predictions=(row(1, False), row(2, True), row(3, False)))
    lines = shown(pipe(), few).splitlines()
    assert sum(line.startswith("wrong") for line in lines) == 2
    assert sum(line.startswith("ok") for line in lines) == 1
    assert lines[-1] == "2 of 3 predictions are wrong; 1 more shown"


def test_errors_are_marked_in_color_on_a_terminal(terminal, evaluation):
    text = shown(terminal(), evaluation)
    assert "\x1b[1;4;31mx" in text
    assert "errors" not in Text.from_ansi(text).plain


def test_notes_are_talk_not_data(pipe, evaluation):
    out = pipe()
    assert "never seen" not in shown(out, evaluation)
    assert "never seen" in out.stderr.file.getvalue()


@pytest.mark.parametrize("width", [10, 20, 40])
def test_narrow_terminals_do_not_crash(terminal, evaluation, width):
    assert shown(terminal(width=width), evaluation)


def test_an_evaluation_without_rows_or_lengths_is_shown(pipe, evaluation):
    bare = replace(evaluation, predictions=(), by_length=(), baselines={}, edits=None, rows=0)
    assert "predictions are wrong" not in shown(pipe(), bare)


def test_a_perfect_model_shows_a_few_right_rows():
    assert choose([row(i, correct=True) for i in range(9)]) == [row(i, True) for i in range(3)]


def test_json_keeps_stdout_free(pipe, evaluation):
    assert shown(pipe(json=True), evaluation) == ""


def test_the_evaluation_document_holds_every_number(evaluation):
    document = json.loads(json.dumps(evaluation_document(evaluation)))
    assert document["metrics"]["sequence_accuracy"] == 0.9
    assert document["baselines"]["copy_last"] == {"token_accuracy": 0.2, "token_error_rate": 0.8}
    assert document["by_length"][1] == {
        "low": 9,
        "high": 9,
        "rows": 400,
        "token_accuracy": 0.98,
        "sequence_accuracy": 0.8,
    }
    assert document["wrong"] == 15
    assert document["intervals"]["loss"] == [0.0111, 0.0139]
    assert document["by_unseen"][0]["rows"] == 10
    assert document["edits"]["commonest"][1] == {"truth": " ", "prediction": None, "count": 4}
    assert document["worst"][0] == {
        "source": "1 3",
        "truth": "3 1",
        "prediction": "3 x",
        "edits": 1,
    }
    assert len(document["worst"]) == 10
    assert document["references"] is None
    told = evaluation_document(replace(evaluation, classes=CLASSES, checkpoint=""))
    assert told["classes"]["labels"] == ("cat", "dog", "fox", None)
    assert told["classes"]["scores"][0]["recall"] == 0.8
    assert set(document) - set(told) == {
        *("checkpoint", "members", "split", "beam", "length_penalty", "novelty"),
    }
    assert document["notes"] == ["1 symbol was never seen in training"]


def test_the_document_of_a_prediction_holds_candidates_and_attention():
    attention = AttentionMap(("a",), ("b",), np.array([[1.0], [0.5]], np.float32))
    predictions = [
        Prediction("a", (Candidate("b", -0.5, -0.25),), ("z",), attention),
        Prediction("c", (Candidate("d", -1.0, -1.0),)),
    ]
    first, second = (json.loads(json.dumps(prediction_document(one))) for one in predictions)
    assert first["candidates"] == [
        {"text": "b", "log_probability": -0.5, "score": -0.25, "truncated": False}
    ]
    assert first["unknown"] == ["z"]
    assert first["attention"]["weights"] == [[1.0], [0.5]]
    assert "attention" not in second


def test_the_training_document_holds_history_and_verdict():
    history = tuple({"train_loss": 1 / n, "val_loss": 1 / n} for n in range(1, 5))
    finished = Finished(4, 4, history[-1], "epochs", 1.5, history)
    document = json.loads(json.dumps(training_document(finished, diagnose_fit(history), "runs/a")))
    assert document["run"] == "runs/a"
    assert len(document["history"]) == 4
    assert document["diagnosis"]["kind"] == "still improving"


def test_the_tasks_document():
    document = tasks_document([("copy", "the same again", ("1 2", "1 2"))])
    assert document["tasks"][0]["example"] == {"source": "1 2", "target": "1 2"}


@pytest.mark.parametrize(
    ("metrics", "baselines", "said"),
    [
        (
            {"sequence_accuracy": 0.2, "token_accuracy": 0.9},
            {"majority": {"sequence_accuracy": 0.3, "token_accuracy": 0.1}},
            "warning: the baseline 'per-position majority' beats the model: sequence accuracy "
            "30.0%, model 20.0%",
        ),
        (
            {"sequence_accuracy": 0.0, "token_accuracy": 0.1},
            {
                "chance": {"sequence_accuracy": 0.0, "token_accuracy": 0.05},
                "no_carry": {"sequence_accuracy": 0.0, "token_accuracy": 0.15},
            },
            "warning: the baseline 'no carry' beats the model: token accuracy 15.0%, model 10.0%",
        ),
        (
            {"sequence_accuracy": 0.4, "token_accuracy": 0.4},
            {"copy": {"sequence_accuracy": 0.4, "token_accuracy": 0.4}},
            "warning: the model only equals 'copy of the source': sequence accuracy 40.0%, "
            "model 40.0%",
        ),
        (
            {"loss": 2.6, "bits_per_character": 3.75},
            {"bigram": {"loss": 2.45, "bits_per_character": 3.53}},
            "warning: the baseline 'bigram' beats the model: loss (nats per token) 2.4500, "
            "model 2.6000",
        ),
        ({"sequence_accuracy": 1.0}, {"copy": {"sequence_accuracy": 1.0}}, None),
        ({"sequence_accuracy": 0.5}, {"copy": {"sequence_accuracy": 0.4}}, None),
        ({"loss": 2.1}, {"bigram": {"loss": 2.45}}, None),
        ({"sequence_accuracy": 0.5}, {}, None),
    ],
)
def test_a_model_that_loses_to_a_baseline_is_told_so_in_one_line(pipe, metrics, baselines, said):
    found = Evaluation(rows=100, metrics=metrics, baselines=baselines, data="d")
    lines = [line for line in shown(pipe(), found).splitlines() if line.startswith("warning")]
    assert lines == [said] * (said is not None)
    assert evaluation_document(found)["warnings"] == lines


def test_the_baselines_name_the_split_they_are_of(pipe, evaluation):
    assert "baselines on test" in shown(pipe(), evaluation)
