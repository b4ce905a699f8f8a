"""`seqcli.load`: a trained model as an object, from a folder, a file or an ensemble."""

import shutil

import numpy as np
import pytest
from torch import nn

import seqcli
from seqcli.errors import UsageError

LINES = ["3 1 4 1", "2 7"]


@pytest.fixture(scope="module")
def loaded(runs):
    return seqcli.load(runs["gru"])


def test_it_predicts_as_the_verb_does(runs, loaded):
    expected = list(seqcli.predict(runs["gru"], LINES, beam=3, nbest=2))
    assert loaded.predict(LINES, beam=3, nbest=2) == expected
    assert loaded.predict(LINES[0]) == list(seqcli.predict(runs["gru"], LINES[:1]))


def test_its_repr_is_one_short_line(runs, loaded):
    for model in (loaded, seqcli.load(runs["numpy"])):
        assert repr(model).startswith(f"LoadedModel({model.name!r}: ")
        assert repr(model).endswith(" parameters)")
        assert len(repr(model)) - len(model.name) < 150
    (prediction,) = loaded.predict(LINES[0], attention=True, nbest=2)
    text = f"{prediction.candidates[0].text!r}, probability 0."
    assert repr(prediction).startswith(f"Prediction('3 1 4 1' -> {text}")
    assert repr(prediction).endswith(", 2 candidates)")
    assert repr(prediction.attention).endswith(" x 4 source tokens)")
    assert "data-weight" in prediction.attention._repr_html_()


def test_the_history_is_that_of_the_run(runs, loaded, tmp_path):
    assert loaded.history["epoch"] == [1]
    assert set(loaded.history) >= {"epoch", "train_loss", "val_loss"}
    assert len(loaded.plot().axes) == 2
    alone = shutil.copy(runs["gru"] / "best.pt", tmp_path / "model.pt")
    assert seqcli.load(runs["gru"] / "best.pt").history == loaded.history
    file = seqcli.load(alone)
    assert file.history == {"epoch": []}
    assert file.predict(LINES) == loaded.predict(LINES)
    with pytest.raises(UsageError, match="no history of epochs"):
        file.plot()


def test_attention_is_that_of_the_prediction_or_of_a_given_target(loaded):
    (prediction,) = loaded.predict(LINES[0], attention=True)
    found = loaded.attention(LINES[0])
    np.testing.assert_array_equal(found.weights, prediction.attention.weights)
    given = loaded.attention("3 1 4", "3 1")
    assert (given.source, given.target, given.weights.shape) == (
        *(("3", "1", "4"), ("3", "1")),
        (3, 3),
    )
    np.testing.assert_allclose(given.weights.sum(1), 1, rtol=1e-5)
    with pytest.raises(UsageError, match="unknown tokens: 'x'"):
        loaded.attention("3 1", "x")
    with pytest.raises(UsageError, match="no prediction for ' '"):
        loaded.attention(" ")


def test_predictions_follow_changes_of_the_module(runs):
    model = seqcli.load(runs["gru"])
    assert isinstance(model.module, nn.Module)
    assert not model.module.training
    before = model.predict(LINES[:1])[0].candidates[0].log_probability
    for weight in model.module.parameters():
        weight.data.zero_()
    after = model.predict(LINES[:1])[0].candidates[0].log_probability
    assert before != after


def test_an_ensemble_has_members(runs):
    model = seqcli.load([runs["gru"], runs["gru"] / "last.pt"])
    assert [member.history["epoch"] for member in model.members] == [[1], [1]]
    assert model.history == {"epoch": []}
    assert model.predict(LINES) != []
    assert isinstance(model.members[1].module, nn.Module)
    with pytest.raises(UsageError, match="no module of its own"):
        _ = model.module


@pytest.mark.parametrize("name", ["names", "numpy"])
def test_language_models_sample(runs, name):
    model = seqcli.load(runs[name])
    drawn = model.sample(7, seed=1)
    assert drawn.texts == seqcli.sample(runs[name], 7, seed=1).texts
    assert repr(drawn).startswith(f"Samples(7: {drawn.texts[0]!r}, ")
    assert model.next_tokens("a") == seqcli.next_tokens(runs[name], prefix="a")
    assert isinstance(model.module, nn.Module)
    assert model.evaluate(split="val").rows == 16
    with pytest.raises(UsageError, match="is a language model"):
        model.attention("a")
    with pytest.raises(UsageError, match="is a language model"):
        model.predict("a")


@pytest.mark.parametrize("name", ["gru", "transformer"])
def test_token_probabilities_multiply_to_that_of_the_candidate(runs, name):
    for backend in ("numpy", "torch"):
        model = seqcli.load(runs[name], backend=backend)
        found = model.predict([*LINES, "", LINES[0]], beam=4, nbest=3, token_probs=True)
        for one in (one for prediction in found for one in prediction.candidates):
            product = np.log([token.probability for token in one.tokens]).sum()
            assert product == pytest.approx(one.log_probability, abs=1e-4)
            texts = [token.token for token in one.tokens]
            assert texts == [*one.text.split(), None]
        assert found[2].candidates == ()
        if backend == "numpy":
            numpy = found
    for ours, theirs in zip(numpy, found, strict=True):
        for one, other in zip(ours.candidates, theirs.candidates, strict=True):
            left, right = ([token.probability for token in some.tokens] for some in (one, other))
            np.testing.assert_allclose(left, right, atol=1e-4)


def test_the_result_of_train_can_be_loaded(runs, loaded):
    run = seqcli.api.Run(runs["gru"], *[None] * 5)
    assert seqcli.load(run).name == loaded.name
