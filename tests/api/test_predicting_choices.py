"""Known answers, candidates up to a total probability, and the least sure predictions."""

import json
import math

import pytest
from open_files import open_files

from seqcli import api
from seqcli.cli import app, shell
from seqcli.errors import DataError

LINES = ["1 2", "3 4 5", "2 2", "", "1 2"]


@pytest.fixture
def run(runs, capsys):
    def command(*words):
        code = shell.run(app, ("predict", str(runs["gru"]), *map(str, words)))
        return code, *capsys.readouterr()

    return command


def texts(predictor, lines=LINES):
    return [[one.text for one in found.candidates] for found in predictor.predict(lines)]


def test_a_lexicon_gives_exact_answers_for_known_lines(runs, tmp_path):
    path = tmp_path / "known.tsv"
    path.write_text("1 2\tone two\n\n1 2\tother\n1 2\tone two\n9\tnine\n")
    plain = texts(api.open_predictor(runs["gru"]))
    known = api.open_predictor(runs["gru"], lexicon=path)
    assert texts(known) == [["one two"], plain[1], plain[2], [], ["one two"]]
    assert [one.known for one in known.predict(LINES)] == [True, False, False, False, True]
    assert texts(api.open_predictor(runs["gru"], lexicon=path, nbest=3))[0] == ["one two", "other"]
    path.write_text("1 2\tx\nno tab\n")
    wrong = r"known\.tsv, line 2: not a source, a tab and a target"
    with pytest.raises(DataError, match=wrong) as caught:
        api.open_predictor(runs["gru"], lexicon=path)
    assert path not in open_files(), caught.tb  # which refers to the reader


def test_mass_keeps_as_many_candidates_as_needed(runs):
    every = api.open_predictor(runs["gru"], nbest=10)
    probabilities = [
        [math.exp(one.log_probability) for one in found.candidates]
        for found in every.predict(LINES[:3])
    ]
    for mass in (0.001, 0.05, 0.999):
        some = texts(api.open_predictor(runs["gru"], nbest=10, mass=mass), LINES[:3])
        for kept, whole in zip(some, probabilities, strict=True):
            reached = sum(whole[: len(kept)]) >= mass
            assert reached or len(kept) == len(whole)
            assert sum(whole[: len(kept) - 1]) < mass


def test_the_commands(run, tmp_path):
    path = tmp_path / "known.tsv"
    path.write_text("1 2\tone two\n")
    code, out, _ = run(*LINES, "--lexicon", path)
    first, second, *_, blank, last = out.splitlines()
    assert (code, first, blank, last) == (0, "one two\tknown", "", "one two\tknown")
    assert second.endswith("\tpredicted")
    found = json.loads(run("1 2", "3", "--lexicon", path, "--json")[1])["predictions"]
    assert [one.get("known", False) for one in found] == [True, False]
    assert len(run("1 2", "--mass", "0.999999")[1].split("\t")) == 10


def test_the_least_sure_lines_come_first(run):
    code, out, _ = run(*LINES, "--least-sure", 2)
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, len(rows)) == (0, 2)
    all_rows = [line.split("\t") for line in run(*LINES, "--least-sure", 9)[1].splitlines()]
    assert [row[0] for row in all_rows if row[2] == "1 2"] == ["1", "5"]
    assert rows == all_rows[:2]
    sure = [float(row[1]) for row in all_rows]
    assert (len(sure), sure) == (4, sorted(sure))
    assert run("1", "--least-sure", 2, "--json")[0] == 2
