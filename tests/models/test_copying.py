"""Copying: the mixture is exact and stable, and helps where targets repeat the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, ModelConfig
from seqcli.config.sections import SamplingConfig
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import EOS, PAD, UNK, Normalizer, Tokenizer, Vocabulary
from seqcli.decoding.search import Search, sample, search
from seqcli.errors import UsageError
from seqcli.models.build import build
from seqcli.models.copying import PointerGenerator
from seqcli.training.torch_batches import check_training
from seqcli.training.torch_trainer import TorchTrainer
from seqcli.training.torch_trainer import build as build_trainer
from seqcli.training.trainer import TrainingStep

GRU = ModelConfig(hidden=8, embedding=6, heads=2, feedforward=16, dropout=0.0, copy=True)
MODELS = [
    *(replace(GRU, attention=attention) for attention in ("additive", "dot", "general")),
    replace(GRU, cell="transformer"),
]
CHARS = Tokenizer("chars")
CODEC = Codec(Vocabulary(("a", "b", "c", "s")), CHARS, Vocabulary(("b", "c", " [PL]", "z")), CHARS)
B, C, FEATURE, Z = range(4, 8)  # source ids


def name(config: ModelConfig) -> str:
    return config.cell if config.cell == "transformer" else config.attention


def test_tokens_are_copied_by_their_text_and_features_are_not():
    assert CODEC.copy_ids == [PAD] * 4 + [5, 6, PAD, PAD]
    shared = replace(CODEC, target=Vocabulary(("<pad>", "<unk>", "b")))
    assert shared.copy_ids == [PAD] * 4 + [6, PAD, PAD, PAD]
    assert replace(CODEC, source=None).copy_ids == []
    source = CODEC.with_features(["b", "?"], "PL")
    assert [CODEC.copy_ids[id_] for id_ in CODEC.source.encode(source)] == [5, PAD, PAD]
    assert Normalizer().feature("PL") not in CODEC.target.tokens


def mixture(weights: list[float], gate: float, logits: Tensor | None = None) -> Tensor:
    """Return the mixture (8,) of uniform logits and weights over the source b b [PL] z."""
    copy = PointerGenerator(1, len(CODEC.target), CODEC.copy_ids)
    with torch.no_grad():
        copy.gate.weight.fill_(0.0)
        copy.gate.bias.fill_(gate)
    pointers = copy.pointers(torch.tensor([[B, B, FEATURE, Z]]))
    logits = torch.zeros(1, 1, 8) if logits is None else logits
    return copy(logits, torch.zeros(1, 1, 1), torch.tensor([[weights]]), pointers)[0, 0]


def test_the_mixture_is_that_of_the_paper():
    probabilities = mixture([0.5, 0.5, 0.0, 0.0], gate=0.0).exp()
    expected = torch.full((8,), 0.5 / 8)
    expected[5] += 0.5  # the target's b, which the source has twice
    torch.testing.assert_close(probabilities, expected)


def test_what_cannot_be_copied_counts_as_generated():
    probabilities = mixture([0.25, 0.0, 0.5, 0.25], gate=0.0).exp()
    expected = torch.full((8,), (0.5 + 0.5 * 0.75) / 8)
    expected[5] += 0.5 * 0.25
    torch.testing.assert_close(probabilities, expected)
    only_features = mixture([0.0, 0.0, 1.0, 0.0], gate=-50.0)
    torch.testing.assert_close(only_features.exp(), torch.full((8,), 1 / 8))


@pytest.mark.parametrize("gate", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("scale", [1.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_extreme_values_give_finite_logarithms_and_gradients(gate, scale, dtype):
    torch.manual_seed(0)
    copy = PointerGenerator(8, len(CODEC.target), CODEC.copy_ids)
    with torch.no_grad():
        copy.gate.bias.fill_(gate)
    logits = (scale * torch.randn(2, 3, 8)).to(dtype).requires_grad_()
    energies = torch.tensor([0.0, 60.0, -60.0, -1e9]).repeat(2, 3, 1).requires_grad_()
    pointers = copy.pointers(torch.tensor([[B, C, B, PAD], [FEATURE, B, C, PAD]]))
    states = torch.randn(2, 3, 8, requires_grad=True)
    mixed = copy(logits, states, energies.softmax(2).to(dtype), pointers)
    torch.testing.assert_close(mixed.logsumexp(2), torch.zeros(2, 3), atol=1e-2, rtol=0)
    for token in range(8):
        inputs = (logits, states, energies, copy.gate.weight)
        gradients = torch.autograd.grad(-mixed[..., token].sum(), inputs, retain_graph=True)
        assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("config", MODELS, ids=name)
def test_outputs_are_log_probabilities_of_which_softmax_changes_nothing(config):
    torch.manual_seed(3)
    model = build(config, 8, 8, 20, CODEC.copy_ids)
    source = torch.tensor([[B, C, FEATURE, Z], [C, PAD, PAD, PAD]])
    logits = model(source, torch.tensor([4, 1]), torch.tensor([[1, 5], [1, 6]]))
    torch.testing.assert_close(logits.log_softmax(2), logits, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("config", MODELS, ids=name)
def test_mixed_precision_is_near_float32(config):
    torch.manual_seed(3)
    model = build(config, 8, 8, 20, CODEC.copy_ids)
    inputs = torch.tensor([[B, C, Z]]), torch.tensor([3]), torch.tensor([[1, 5, 6]])
    with torch.autocast("cpu", torch.bfloat16):
        mixed = model(*inputs)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, model(*inputs), atol=0.05, rtol=0.05)
    mixed.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


@pytest.mark.parametrize("config", MODELS, ids=name)
def test_search_and_sampling_write_data_tokens_only(config):
    torch.manual_seed(4)
    model = build(config, 8, 8, 20, CODEC.copy_ids).eval().requires_grad_(False)
    source, lengths = torch.tensor([[B, UNK, FEATURE], [C, Z, PAD]]), torch.tensor([3, 2])
    found = [
        *search(model, source, lengths, 6, Search(beam=1)),
        *search(model, source, lengths, 6, Search(beam=4)),
        *search(model, source, lengths, 6, Search(beam=4, nbest=3)),
        sample(model, source, lengths, 6, SamplingConfig(1.5), np.random.default_rng(0)),
    ]
    for hypothesis in (one for row in found for one in row):
        assert hypothesis.log_probability <= 1e-6
        assert all(token > EOS and token != UNK for token in hypothesis.ids)


def test_models_that_cannot_copy_are_refused_before_anything_is_written():
    corpus = Corpus("x", CODEC, {})
    for model in MODELS:
        check_training(Config(model=model), corpus)
    with pytest.raises(UsageError, match="copying needs attention"):
        check_training(Config(model=replace(GRU, attention="none")), corpus)
    apart = replace(corpus, codec=replace(CODEC, target=Vocabulary(("x",))))
    with pytest.raises(UsageError, match="no token in common"):
        check_training(Config(model=MODELS[0]), apart)
    texts = replace(corpus, codec=replace(CODEC, source=None))
    with pytest.raises(UsageError, match="no source to copy from"):
        check_training(Config(model=MODELS[0]), texts)


LETTERS = Vocabulary(tuple("abcdefghijklmnopqrstuvwxyz"))


def past_tense(rows: int) -> Corpus:
    """Return random words, each with -ed appended: combinations that training never repeats."""
    random = np.random.default_rng(0)
    words = [random.integers(4, 30, random.integers(2, 6)).tolist() for _ in range(rows + 100)]
    ending = LETTERS.encode("ed")

    def pairs(part: list[list[int]]) -> Pairs:
        return Pairs(Ragged.from_rows([word + ending for word in part]), Ragged.from_rows(part))

    splits = {"train": pairs(words[:rows]), "val": pairs(words[rows:])}
    return Corpus("past tense", Codec(LETTERS, CHARS, LETTERS, CHARS), splits)


def trainer_of(corpus: Corpus, config: ModelConfig, **train: object) -> TorchTrainer:
    """Return a trainer of a small model, with batches of 32 rows."""
    options = replace(Config().train, batch_size=32, threads=1, device="cpu", **train)
    model = replace(config, hidden=32, embedding=16, feedforward=64)
    settings = Config(model=model, train=options)
    made = build_trainer(settings, corpus, MaxLengths(5, 7), None, Path("last.pt")).trainer
    assert isinstance(made, TorchTrainer)
    return made


def trained(corpus: Corpus, config: ModelConfig) -> dict[str, float]:
    """Return the validation metrics after 80 steps."""
    trainer = trainer_of(corpus, config)
    for epoch in range(16):
        for batch in BatchStream(corpus.splits["train"], 32, seed=0).epoch(epoch):
            trainer.training_step(TrainingStep(batch, 1e-2, 0.0))
    return dict(trainer.evaluate(1, 1.0, lambda: None).metrics)


SLOW = pytest.param(MODELS[-1], marks=pytest.mark.slow)


@pytest.mark.slow
@pytest.mark.parametrize("config", [MODELS[0], SLOW], ids=name)
def test_copying_learns_new_words_from_few_rows(config):
    corpus = past_tense(160)
    without = trained(corpus, replace(config, copy=False))
    copying = trained(corpus, config)
    assert copying["val_loss"] < 0.5 * without["val_loss"]
    assert copying["val_sequence_accuracy"] > without["val_sequence_accuracy"] + 0.1


@pytest.mark.parametrize("config", [MODELS[0], MODELS[-1]], ids=name)
def test_label_smoothing_and_scheduled_sampling_train_with_copying(config):
    corpus = past_tense(32)
    trainer = trainer_of(corpus, config, label_smoothing=0.1, teacher_forcing=0.5)
    batches = list(BatchStream(corpus.splits["train"], 32, seed=0).epoch(0))
    losses = [
        float(trainer.training_step(TrainingStep(batches[0], 1e-2, 0.0)).loss) for _ in range(12)
    ]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
