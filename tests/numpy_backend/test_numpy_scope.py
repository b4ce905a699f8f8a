"""What can be trained by hand: every key of the configuration is classified."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seqcli import registry
from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, ModelConfig, keys
from seqcli.data.corpus import Codec, Corpus, Pairs
from seqcli.data.vocabulary import Tokenizer, Vocabulary
from seqcli.errors import UsageError
from seqcli.numpy_backend.scope import RULES, Only, check_training

MODEL = ModelConfig(cell="gru", dropout=0.0)
CONFIG = Config(model=MODEL)
CODEC = Codec(Vocabulary(tuple("abc")), Tokenizer("chars"))
ROWS = Ragged.from_rows([[4, 5], [6]])


def corpus(pairs: Pairs | None = None, codec: Codec = CODEC) -> Corpus:
    return Corpus("names", codec, {"train": pairs or Pairs(ROWS)})


def with_value(key: str, value: object) -> Config:
    section, _, leaf = key.partition(".")
    return replace(CONFIG, **{section: replace(getattr(CONFIG, section), **{leaf: value})})


def test_every_key_of_model_and_training_is_classified():
    of_backend = {name for name in keys() if name.startswith(("model.", "train."))}
    assert set(RULES) == of_backend


def test_the_defaults_but_for_dropout_are_allowed():
    check_training(CONFIG, corpus())
    with pytest.raises(UsageError, match=r"model\.dropout"):
        check_training(Config(), corpus())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.cell", "transformer"),
        ("model.layers", 2),
        ("model.attention", "dot"),
        ("model.activation", "relu"),
        ("model.dropout", 0.1),
        ("model.init", "orthogonal"),
        ("train.label_smoothing", 0.1),
        ("train.teacher_forcing", 0.5),
        ("train.teacher_forcing_schedule", "linear"),
        ("train.metric", "sequence_accuracy"),
        ("train.device", "cuda"),
        ("train.precision", "bf16"),
    ],
)
def test_other_values_are_refused(key, value):
    with pytest.raises(UsageError) as caught:
        check_training(with_value(key, value), corpus())
    assert caught.value.message == f"the numpy backend has no {key} {value}"
    assert f"--set {key}=" in caught.value.hint
    assert "--backend numpy" in caught.value.hint


def test_a_new_key_is_refused_unless_it_has_its_default(monkeypatch):
    monkeypatch.delitem(RULES, "train.momentum")
    check_training(CONFIG, corpus())
    with pytest.raises(UsageError, match=r"the numpy backend has no train\.momentum 0\.5"):
        check_training(with_value("train.momentum", 0.5), corpus())


def test_an_optimizer_for_torch_alone_is_refused(monkeypatch):
    key = next(name for name in keys() if name.endswith((".optimiser", ".optimizer")))
    rule = RULES[key]
    assert isinstance(rule, Only)
    with pytest.raises(UsageError, match=rf"the numpy backend has no {key} lion"):
        check_training(with_value(key, "lion"), corpus())
    monkeypatch.setitem(registry.NUMPY_OPTIMIZERS, "lion", "tests:Lion")
    check_training(with_value(key, "lion"), corpus())


def test_pairs_are_refused():
    pairs = Pairs(ROWS, ROWS)
    codec = replace(CODEC, source=Vocabulary(tuple("abc")))
    with pytest.raises(UsageError, match="has sources"):
        check_training(CONFIG, corpus(pairs, codec))


def test_weighted_rows_are_refused():
    with pytest.raises(UsageError, match="count"):
        check_training(CONFIG, corpus(Pairs(ROWS, weights=np.ones(2, np.float32))))
