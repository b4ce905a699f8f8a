"""Hard monotonic attention: the sum over all alignments is exact, and learns monotonic tasks."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from seqcli.arrays.ragged import Ragged
from seqcli.config import Config, ModelConfig
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Codec, Corpus, MaxLengths, Pairs
from seqcli.data.vocabulary import BOS, EOS, PAD, Tokenizer, Vocabulary
from seqcli.decoding.search import Search, search
from seqcli.errors import UsageError
from seqcli.models.build import build
from seqcli.models.monotonic import MonotonicSeq2Seq
from seqcli.training.torch_trainer import TorchTrainer
from seqcli.training.torch_trainer import build as build_trainer
from seqcli.training.trainer import TrainingStep

GRU = ModelConfig(hidden=6, embedding=5, dropout=0.0, attention="monotonic")


def made(config: ModelConfig = GRU) -> MonotonicSeq2Seq:
    """Return a model in float64 with weights large enough for sharp distributions."""
    torch.manual_seed(2)
    model = build(config, 8, 7, 20).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn_like(weight)
    assert isinstance(model, MonotonicSeq2Seq)
    return model


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_likelihood_is_the_sum_over_all_monotonic_alignments(cell):
    model = made(replace(GRU, cell=cell))
    source, lengths = torch.tensor([[4, 6, 5, 7], [5, 4, 6, PAD]]), torch.tensor([4, 3])
    target = torch.tensor([[5, 4, 6, EOS], [6, 6, 4, EOS]])
    target_in = torch.cat([torch.full((2, 1), BOS), target[:, :-1]], 1)
    log_p = model(source, lengths, target_in).gather(2, target[..., None]).sum((1, 2))
    memory, first = model._encode(source, lengths)
    moves, emissions, _ = model.decoder.log_probabilities(target_in, memory, first)
    for row, length in enumerate(lengths.tolist()):
        paths = []
        for path in combinations_with_replacement(range(length), target.shape[1]):
            total = torch.zeros(())
            for t, (before, position) in enumerate(zip((0, *path), path, strict=False)):
                total = total + moves[row, t, before, position]
                total = total + emissions[row, t, position, target[row, t]]
            paths.append(total)
        torch.testing.assert_close(torch.stack(paths).logsumexp(0), log_p[row])


def test_large_batches_are_split_without_gradients(monkeypatch):
    model = made()
    source, lengths = torch.randint(4, 8, (5, 4)), torch.tensor([4, 3, 4, 1, 2])
    target = torch.randint(4, 7, (5, 3))
    whole = model(source, lengths, target).detach()
    monkeypatch.setattr("seqcli.models.monotonic.MAX_ELEMENTS", 2 * 4 * 3 * 7)
    with torch.no_grad(), mock.patch.object(model, "_encode", side_effect=model._encode) as encode:
        torch.testing.assert_close(model(source, lengths, target), whole)
    assert [len(call.args[0]) for call in encode.call_args_list] == [2, 2, 1]


def test_positions_never_decrease():
    model = made()
    source, lengths = torch.tensor([[4, 6, 5, 7]]), torch.tensor([4])
    memory, first = model._encode(source, lengths)
    moves, _, _ = model.decoder.log_probabilities(torch.tensor([[BOS, 4, 5]]), memory, first)
    assert (moves.exp().tril(-1) == 0).all()
    torch.testing.assert_close(moves.exp().sum(3), torch.ones(1, 3, 4, dtype=torch.float64))


def test_outputs_are_log_probabilities():
    logits = made()(torch.tensor([[4, 5, PAD]]), torch.tensor([2]), torch.tensor([[BOS, 4, 5]]))
    torch.testing.assert_close(logits.logsumexp(2), torch.zeros(1, 3, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_gradients_are_finite(scale):
    model = made().float()
    with torch.no_grad():
        for weight in model.parameters():
            weight *= scale
    source, lengths = torch.tensor([[4, 6, 5, 7], [5, PAD, PAD, PAD]]), torch.tensor([4, 1])
    logits = model(source, lengths, torch.tensor([[BOS, 4, 5], [BOS, 6, PAD]]))
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_beam_search_scores_are_likelihoods():
    model = made().requires_grad_(False)
    source, lengths = torch.tensor([[4, 6, 5], [5, 7, PAD]]), torch.tensor([3, 2])
    found = search(model, source, lengths, 5, Search(beam=3, nbest=2, length_penalty=0.0))
    for row, hypotheses in enumerate(found):
        for one in hypotheses:
            target_in = torch.tensor([[BOS, *one.ids]])
            size = lengths[row : row + 1]
            log_p = model(source[row : row + 1, : int(size)], size, target_in)[0]
            total = log_p[torch.arange(len(one.ids) + 1), torch.tensor([*one.ids, EOS])].sum()
            assert one.log_probability == pytest.approx(float(total))


def test_copying_and_language_models_are_refused():
    with pytest.raises(UsageError, match="copying does not work with monotonic attention"):
        build(replace(GRU, copy=True), 8, 7, 20, [PAD] * 4 + [4, 5, 6, PAD])
    with pytest.raises(UsageError, match="no source to attend to"):
        build(GRU, None, 7, 20)


def transliteration(rows: int) -> Corpus:
    """Return random words with one to two target letters for each source letter."""
    random = np.random.default_rng(0)
    words = [random.integers(4, 12, random.integers(2, 7)).tolist() for _ in range(rows + 100)]
    letters = Vocabulary(tuple("abcdefgh"))
    written = {letter: [letter, letter ^ 1][: 1 + letter % 2] for letter in range(4, 12)}
    targets = [[out for letter in word for out in written[letter]] for word in words]

    def pairs(part: slice) -> Pairs:
        return Pairs(Ragged.from_rows(targets[part]), Ragged.from_rows(words[part]))

    splits = {"train": pairs(slice(rows)), "val": pairs(slice(rows, None))}
    chars = Tokenizer("chars")
    return Corpus("letters", Codec(letters, chars, letters, chars), splits)


def trained(corpus: Corpus, attention: str) -> dict[str, float]:
    """Return the validation metrics after 80 steps of 32 rows."""
    plain = Config()
    train = replace(plain.train, batch_size=32, threads=1, device="cpu")
    model = replace(plain.model, attention=attention, hidden=24, embedding=16)
    settings = Config(model=model, train=train)
    trainer = build_trainer(settings, corpus, MaxLengths(6, 12), None, Path("last.pt")).trainer
    assert isinstance(trainer, TorchTrainer)
    for epoch in range(16):
        for batch in BatchStream(corpus.splits["train"], 32, seed=0).epoch(epoch):
            trainer.training_step(TrainingStep(batch, 1e-2, 0.0))
    return dict(trainer.evaluate(1, 1.0, lambda: None).metrics)


@pytest.mark.slow
def test_monotonic_attention_learns_a_transliteration_from_few_rows():
    corpus = transliteration(160)
    soft, hard = trained(corpus, "dot"), trained(corpus, "monotonic")
    assert hard["val_loss"] < 0.8 * soft["val_loss"]
    assert hard["val_sequence_accuracy"] > 0.5
