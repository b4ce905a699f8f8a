"""Answers to lines: every line its own, whatever stands beside it."""

import pytest
import torch

import seqcli
from seqcli.api.predicting import open_predictor
from seqcli.errors import DataError, UsageError
from seqcli.messages import plural

LINES = ["1 2 3", "", "4", "1 2 3 4 5 6 7 8", "x 2", "   ", "4", "2 1"]


@pytest.mark.parametrize("name", ["gru", "transformer"])
@pytest.mark.parametrize("how", [{}, {"beam": 3, "nbest": 2}])
def test_each_line_gets_the_answer_it_gets_alone(runs, name, how):
    together = list(seqcli.predict(runs[name], LINES, batch_size=2, look_ahead=5, **how))
    assert [one.source for one in together] == LINES
    for line, found in zip(LINES, together, strict=True):
        (alone,) = seqcli.predict(runs[name], [line], **how)
        assert [one.text for one in found.candidates] == [one.text for one in alone.candidates]
        scores = torch.tensor([one.log_probability for one in found.candidates])
        expected = torch.tensor([one.log_probability for one in alone.candidates])
        torch.testing.assert_close(scores, expected, atol=1e-4, rtol=1e-4)
        assert found.unknown == alone.unknown
    assert together[1].candidates == together[5].candidates == ()
    assert together[4].unknown == ("x",)


def test_log_probabilities_are_those_of_teacher_forcing_also_of_truncated_answers(runs, tmp_path):
    lines = ["1 2 3", "4 5", "9 8 7 6"]
    answers = [one for (one, *_) in (p.candidates for p in seqcli.predict(runs["gru"], lines))]
    assert any(one.truncated for one in answers)  # it has hardly learnt when to stop
    pairs = tmp_path / "pairs.tsv"
    rows = zip(lines, answers, strict=True)
    pairs.write_text("".join(f"{line}\t{one.text}\n" for line, one in rows))
    out = tmp_path / "scored.tsv"
    found = seqcli.evaluate(runs["gru"], data=pairs, predictions=out)
    header, *scored = (line.split("\t") for line in out.read_text().splitlines())
    nats = [float(row[header.index("nats")]) for row in scored]
    assert [-one.log_probability for one in answers] == pytest.approx(nats, rel=1e-4)
    truncated = [int(row[header.index("truncated")]) for row in scored]
    assert truncated == [int(one.truncated) for one in answers]
    note = f"{plural(sum(truncated), 'prediction')} truncated at the length limit"
    assert note in found.notes
    assert note in seqcli.rescore(out).notes


def test_attention_comes_with_every_line_that_has_an_answer(runs):
    found = list(seqcli.predict(runs["gru"], LINES, attention=True))
    assert [one.attention is None for one in found] == [not one.candidates for one in found]
    for one in found:
        if one.attention:
            assert one.attention.source == tuple(one.source.split())
            size = len(one.attention.target) + (not one.candidates[0].truncated)
            assert one.attention.weights.shape == (size, len(one.source.split()))
    assert any(one.candidates[0].truncated for one in found if one.candidates)


def test_a_line_past_learned_positions_says_so_and_the_others_are_answered(runs):
    found = list(seqcli.predict(runs["transformer"], ["1", "2", "1 " * 99, "3"]))
    assert [bool(one.candidates) for one in found] == [True, True, False, True]
    assert found[2].problem.startswith("the line has 99 tokens, more than the model has learned")
    assert found[3].problem == ""


def test_a_line_of_more_tokens_than_training_may_have_is_not_searched(runs):
    found = list(seqcli.predict(runs["gru"], ["1", "1 " * 60_000, "1" * 60_000], attention=True))
    assert found[0].candidates
    assert found[1].problem == "the line has 60,000 tokens, more than 1,000"
    assert found[2].problem == "a token of the line has 60,000 characters, more than 1,000"
    assert found[1].candidates == found[2].candidates == ()
    with pytest.raises(DataError, match="line 2: the line has 60,000 tokens"):
        seqcli.sample(runs["gru"], lines=["1", "1 " * 60_000])


def test_long_lines_go_in_smaller_batches(runs, monkeypatch):
    sizes = []
    predictor = open_predictor(runs["gru"], batch_size=4)

    def seen(backend, batch, *rest):
        sizes.append(batch.source.shape)
        return [[] for _ in batch.rows]

    monkeypatch.setattr("seqcli.decoding.inference.decode_batch", seen)
    block = [f"{i} " * length for i, length in enumerate([1, 2, 3, 3, 200, 200, 1000])]
    assert len(list(predictor.predict(block))) == 7
    assert sizes == [(4, 3), (1, 200), (1, 200), (1, 1000)]


def test_the_device_is_chosen_and_checked(runs):
    usual = [one.candidates for one in seqcli.predict(runs["gru"], LINES)]
    assert [one.candidates for one in seqcli.predict(runs["gru"], LINES, device="cpu")] == usual
    predictor = open_predictor(runs["gru"], device="auto")
    assert predictor.model.backend_name(1) == "torch"  # which alone finds a GPU
    with pytest.raises(UsageError, match="no device is called 'tpu'"):
        seqcli.predict(runs["gru"], LINES, device="tpu")
    with pytest.raises(UsageError, match="--backend numpy cannot use --device mps"):
        seqcli.predict(runs["gru"], LINES, device="mps", backend="numpy")
    if not torch.backends.mps.is_available():
        with pytest.raises(UsageError, match="--device mps: "):
            list(seqcli.predict(runs["gru"], LINES, device="mps"))


@pytest.mark.parametrize("name", ["beam", "nbest", "batch_size", "look_ahead"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_counts_below_one_are_refused(runs, name, value):
    with pytest.raises(UsageError, match=f"{name} must be a whole number from 1 to"):
        seqcli.predict(runs["gru"], ["1"], **{name: value})


@pytest.mark.parametrize("name", ["beam", "batch_size"])
def test_so_they_are_when_evaluating(runs, name):
    with pytest.raises(UsageError, match=f"{name} must be a whole number from 1 to 10*, not 0"):
        seqcli.evaluate(runs["gru"], **{name: 0})
    with pytest.raises(UsageError, match="length_penalty must be"):
        seqcli.evaluate(runs["gru"], length_penalty=-1.0)
    with pytest.raises(UsageError, match="0"):
        seqcli.sample(runs["gru"], lines=["1"], n=0)
