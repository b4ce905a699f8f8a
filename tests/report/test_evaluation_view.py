import json
from dataclasses import replace

import numpy as np
import pytest
from rich.text import Text

from seqcli.events import Finished
from seqcli.report.documents import (
    evaluation_document,
    predictions_document,
    tasks_document,
    training_document,
)
from seqcli.report.evaluation import choose, show_evaluation
from seqcli.results import AttentionMap, Candidate, Evaluation, LengthBin, Prediction, ScoredRow


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
            "symbol_error_rate": 0.01,
        },
        floors={
            "chance": {"token_accuracy": 0.05, "sequence_accuracy": 0.0},
            "copy_last": {"token_accuracy": 0.2},
        },
        by_length=(LengthBin(5, 8, 600, 1.0, 1.0), LengthBin(9, 9, 400, 0.98, 0.8)),
        predictions=tuple(row(i, correct=i % 2 == 0) for i in range(30)),
        seconds=1.25,
        notes=("1 symbol was never seen in training",),
    )


def shown(out, evaluation):
    show_evaluation(out, evaluation)
    return out.data.file.getvalue()


def test_floors_stand_beside_the_metrics(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    assert lines[0] == "runs/reverse-gru on reverse, test: 1,000 rows, beam 5, 1.2 s"
    header = next(line for line in lines if line.startswith("metric"))
    assert header.split() == ["metric", "model", "chance", "copy", "last"]
    by_name = {line.split("  ")[0]: line.split() for line in lines}
    assert by_name["token accuracy (free running)"][-3:] == ["99.0%", "5.0%", "20.0%"]
    assert by_name["sequence accuracy (free running)"][-3:] == ["90.0%", "0.0%", "-"]
    assert by_name["loss (nats per token, teacher forced)"][-3:] == ["0.0123", "-", "-"]


def test_accuracy_is_shown_by_length(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    assert ["5-8", "600", "100.0%", "100.0%"] in [line.split() for line in lines]
    assert ["9", "400", "98.0%", "80.0%"] in [line.split() for line in lines]


def test_wrong_predictions_come_first_with_their_errors_in_words(pipe, evaluation):
    lines = shown(pipe(), evaluation).splitlines()
    marks = [line.split()[0] for line in lines if line.startswith(("wrong", "ok"))]
    assert marks == ["wrong"] * 7 + ["ok"] * 3
    first = next(line for line in lines if line.startswith("wrong"))
    assert first.split("  ")[-1].strip() == "2: 1 -> x"
    assert lines[-1] == "15 of 30 predictions are wrong; 10 shown"


def test_errors_are_marked_in_colour_on_a_terminal(terminal, evaluation):
    text = shown(terminal(), evaluation)
    assert "\x1b[1;4;31mx" in text
    assert "errors" not in Text.from_ansi(text).plain


def test_notes_are_talk_not_data(pipe, evaluation):
    out = pipe()
    assert "never seen" not in shown(out, evaluation)
    assert "never seen" in out.talk.file.getvalue()


@pytest.mark.parametrize("width", [10, 20, 40])
def test_narrow_terminals_do_not_crash(terminal, evaluation, width):
    assert shown(terminal(width=width), evaluation)


def test_an_evaluation_without_rows_or_lengths_is_shown(pipe, evaluation):
    bare = replace(evaluation, predictions=(), by_length=(), floors={}, rows=0)
    assert "predictions are wrong" not in shown(pipe(), bare)


def test_a_perfect_model_shows_a_few_right_rows():
    assert choose([row(i, correct=True) for i in range(9)]) == [row(i, True) for i in range(3)]


def test_json_keeps_stdout_free(pipe, evaluation):
    assert shown(pipe(json=True), evaluation) == ""


def test_the_evaluation_document_holds_every_number(evaluation):
    document = json.loads(json.dumps(evaluation_document(evaluation)))
    assert document["metrics"]["sequence_accuracy"] == 0.9
    assert document["floors"]["copy_last"] == {"token_accuracy": 0.2}
    assert document["by_length"][1] == {
        "low": 9,
        "high": 9,
        "rows": 400,
        "token_accuracy": 0.98,
        "sequence_accuracy": 0.8,
    }
    assert document["wrong"] == 15
    assert document["notes"] == ["1 symbol was never seen in training"]


def test_the_predictions_document_holds_candidates_and_attention():
    attention = AttentionMap(("a",), ("b",), np.array([[1.0], [0.5]], np.float32))
    predictions = [
        Prediction("a", (Candidate("b", -0.5, -0.25),), ("z",), attention),
        Prediction("c", (Candidate("d", -1.0, -1.0),)),
    ]
    first, second = json.loads(json.dumps(predictions_document(predictions)))["predictions"]
    assert first["candidates"] == [{"text": "b", "log_probability": -0.5, "score": -0.25}]
    assert first["unknown"] == ["z"]
    assert first["attention"]["weights"] == [[1.0], [0.5]]
    assert "attention" not in second


def test_the_training_document_holds_history_and_verdict():
    history = tuple({"train_loss": 1 / n, "val_loss": 1 / n} for n in range(1, 5))
    finished = Finished(4, 4, history[-1], "epochs", 1.5, history)
    document = json.loads(json.dumps(training_document(finished, "runs/a")))
    assert document["run"] == "runs/a"
    assert len(document["history"]) == 4
    assert document["verdict"]["kind"] == "underfitting"


def test_the_tasks_document():
    document = tasks_document([("copy", "the same again", ("1 2", "1 2"))])
    assert document["tasks"][0]["example"] == {"source": "1 2", "target": "1 2"}
