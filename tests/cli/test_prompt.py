"""The prompt of predict at a terminal."""

import sys
from dataclasses import replace

import pytest

from seqcli.cli import app, lines, shell


@pytest.fixture
def type_in(monkeypatch):
    """Return a function that lets lines be typed at a terminal."""

    def typed(*words):
        left = list(words)

        def read(prompt):
            assert prompt == "> "
            if not left:
                raise EOFError
            return left.pop(0)

        monkeypatch.setattr("builtins.input", read)
        for stream in (sys.stdin, sys.stdout):
            monkeypatch.setattr(stream, "isatty", lambda: True)

    return typed


def test_lines_are_typed_at_a_prompt(type_in, capsys, monkeypatch):
    answers = {"1 2": "2 1", "": "", "\udcff": ""}

    class Model:
        codec = None

    class Predictor:
        model = Model()

        def predict(self, block):
            from seqcli.results import Candidate, Prediction

            assert len(block) == 1  # each line is answered at once
            found = answers.get(block[0], "")
            yield Prediction(block[0], (Candidate(found, 0.0, 0.0),) if found else ())

    monkeypatch.setattr("seqcli.api.open_predictor", lambda *_, **__: Predictor(), raising=False)
    monkeypatch.setattr("seqcli.cli.predict.tokens_hint", lambda codec: "separate tokens by spaces")
    type_in("1 2", "", "\udcff")
    assert shell.run(app, ("predict", "run")) == 3  # the last line is not UTF-8
    out, err = capsys.readouterr()
    assert out.splitlines() == ["2 1", "", ""]
    first, second, *rest = err.splitlines()
    assert first == "reading lines from the terminal; end with Ctrl-D"
    assert second == "separate tokens by spaces"
    assert "line 3 has no prediction" in rest[0]


def test_the_prompt_says_how_tokens_are_separated():
    from seqcli.data.corpus import Codec
    from seqcli.data.vocabulary import Tokenizer, Vocabulary

    vocabulary = Vocabulary(("3", "1", "4", "5"))
    codec = Codec(vocabulary, Tokenizer("words"), vocabulary)
    assert lines.tokens_hint(codec) == "separate tokens by spaces: 3 1 4"
    chars = replace(codec, source_tokenizer=Tokenizer("chars"))
    assert lines.tokens_hint(chars) == "each character is a token"
    assert lines.tokens_hint(replace(chars, features=True)).endswith("features such as N;ACC;PL")
