"""Several checkpoints used as one model: opening, checking and every verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import seqcli
from seqcli.api.members import open_members
from seqcli.api.trained_model import open_model
from seqcli.arrays.ragged import Ragged
from seqcli.checkpoints import torch_file
from seqcli.cli import app, shell
from seqcli.data.corpus import Pairs
from seqcli.data.vocabulary import Normalizer, Vocabulary
from seqcli.errors import CheckpointError, UsageError
from seqcli.report.info_view import checkpoint_lines

LINES = ["3 1 4 1 5", "27 9 9", "81"]


@pytest.fixture
def pairs(runs):
    return [runs["gru"], runs["transformer"]]


@pytest.fixture
def texts(runs):
    return [runs["names"], runs["numpy"]]


def reordered(path: Path, out: Path) -> Path:
    """Write a copy of a checkpoint whose target ids are in another order."""
    checkpoint = torch_file.load(path)
    codec, weights = checkpoint.codec, dict(checkpoint.weights)
    order = [0, 1, 2, 3, *reversed(range(4, len(codec.target)))]
    for name, weight in weights.items():
        for axis, size in enumerate(weight.shape):
            if size == len(codec.target) and "source" not in name and "encoder" not in name:
                weights[name] = weights[name].index_select(axis, weight.new_tensor(order).long())
    target = Vocabulary(tuple(reversed(codec.target.tokens)))
    torch_file.save(out, replace(checkpoint, weights=weights, codec=replace(codec, target=target)))
    return out


def changed(path: Path, out: Path, **codec: object) -> Path:
    """Write a copy of a checkpoint with another codec."""
    checkpoint = torch_file.load(path)
    torch_file.save(out, replace(checkpoint, codec=replace(checkpoint.codec, **codec)))
    return out


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_the_next_token_has_the_mean_probability(texts, backend):
    def distribution(ckpt):
        found = seqcli.next_tokens(ckpt, prefix="a", backend=backend)
        return {one.token: one.probability for one in found}

    together, *alone = map(distribution, (texts, *texts))
    assert len(together) > 10  # ids that are never predicted are removed after averaging
    for token, probability in together.items():
        assert probability == pytest.approx(np.mean([one[token] for one in alone]), abs=1e-4)


def test_both_backends_score_and_predict_alike(pairs):
    found = [list(seqcli.predict(pairs, LINES, beam=3, backend=b)) for b in ("numpy", "torch")]
    for ours, theirs in zip(*found, strict=True):
        (one,), (other,) = ours.candidates, theirs.candidates
        assert one.text == other.text
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_an_ensemble_of_copies_is_the_model(runs, tmp_path):
    copy = reordered(Path(runs["gru"]) / "best.pt", tmp_path / "copy.pt")
    models = [open_model(one, "numpy") for one in (runs["gru"], [runs["gru"], copy])]
    rows = [model.codec.source.encode(model.codec.tokenize_source(LINES[0])) for model in models]
    targets = [[4, 5, 6, 7, 8], [9, 4]]
    pairs = Pairs(Ragged.from_rows(targets), Ragged.from_rows([rows[0], rows[0]]))
    one, other = (model.log_likelihoods(pairs) for model in models)
    np.testing.assert_allclose(one, other, atol=1e-4)
    texts = [[c.text for p in seqcli.predict(m, LINES) for c in p.candidates] for m in models]
    assert texts[0] == texts[1]


def test_evaluation_names_the_members(pairs, texts, tmp_path):
    found = seqcli.evaluate(pairs, predictions=tmp_path / "predictions.tsv")
    assert found.members == tuple(f"{run}/best.pt" for run in pairs)
    assert found.checkpoint == " + ".join(found.members)
    assert not any("other data" in note for note in found.notes)
    alone = seqcli.evaluate(pairs[0])
    assert alone.members == ()
    assert found.rows == alone.rows
    again = seqcli.rescore(tmp_path / "predictions.tsv")
    assert again.metrics["loss"] == pytest.approx(found.metrics["loss"], abs=1e-5)
    losses = [seqcli.evaluate(one).metrics["loss"] for one in (texts, *texts)]
    assert losses[0] < np.mean(losses[1:])  # the logarithm is concave


def test_an_evaluation_warns_if_a_member_was_trained_on_other_data(runs, tmp_path):
    checkpoint = torch_file.load(Path(runs["gru"]) / "best.pt")
    other = replace(checkpoint, record=replace(checkpoint.record, seed=1))
    torch_file.save(tmp_path / "other.pt", other)
    note, *_ = seqcli.evaluate([runs["gru"], tmp_path / "other.pt"]).notes
    assert note.startswith(f"{tmp_path}/other.pt was trained on other data")


def test_sampling_and_attention_use_every_member(pairs, texts):
    drawn = seqcli.sample(texts, 5, seed=1, novel=True)
    assert len(drawn.samples) == 5
    (shown,) = seqcli.predict(pairs, LINES[:1], attention=True)
    np.testing.assert_allclose(shown.attention.weights.sum(axis=1), 1, atol=1e-5)


def test_patterns_match_run_folders_and_checkpoint_files(runs, tmp_path):
    folder = Path(runs["gru"]).parent
    names = [one.path.parent.name for one in open_members(str(folder / "[gt]*")).members]
    assert names == ["gru", "transformer"]
    files = open_members(folder / "gru" / "[bc]*")  # best.pt, and config.yaml, which is skipped
    assert files.name == f"{folder}/gru/best.pt"
    with pytest.raises(CheckpointError, match="matches no checkpoint"):
        open_members(str(tmp_path / "*"))


@pytest.mark.parametrize("name", ["s[1]", "what*"])
def test_a_file_whose_name_looks_like_a_pattern_is_opened(runs, tmp_path, name):
    (tmp_path / name).write_bytes((Path(runs["gru"]) / "best.pt").read_bytes())
    assert open_members(tmp_path / name).name == str(tmp_path / name)


def test_members_that_do_not_fit_are_refused_with_the_first_difference(runs, tmp_path):
    best = Path(runs["gru"]) / "best.pt"
    codec = open_members(best).first.checkpoint.codec
    tokens = codec.target.tokens
    cases = {
        "only the first has the target token": {"target": Vocabulary((*tokens[1:], "zebra"))},
        "normalization is none in the first and nfc": {"normalizer": Normalizer("nfc")},
        "features is off in the first and on in the second": {"features": True},
    }
    for number, (message, change) in enumerate(cases.items()):
        other = changed(best, tmp_path / f"{number}.pt", **change)
        with pytest.raises(UsageError) as caught:
            open_members([best, other])
        assert message in caught.value.message
        assert str(best) in caught.value.message
        assert str(other) in caught.value.message
    with pytest.raises(UsageError, match="the first is for pairs, the second for a language model"):
        open_members([best, runs["names"]])
    with pytest.raises(UsageError, match="named twice"):
        open_members([best, runs["gru"]])


def test_info_lists_the_members(pairs):
    found = seqcli.info(pairs)
    each = [seqcli.info(run) for run in pairs]
    assert found.parameters == sum(one.parameters for one in each)
    assert [one.model for one in found.members] == [one.model for one in each]
    assert found.settings["model.hidden"] == (16, "--set")
    assert "model.positions" not in found.settings
    lines = checkpoint_lines(found)
    assert sum("best.pt: " in line for line in lines) == 2
    assert found.next[0] == f"seqcli predict --ckpt {pairs[0]} --ckpt {pairs[1]}"
    assert each[0].members == ()


def test_safetensors_have_a_prefix_for_each_member(pairs, tmp_path):
    out = tmp_path / "both.safetensors"
    seqcli.export(pairs, to="safetensors", out=out)
    raw = out.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    metadata = json.loads(header.pop("__metadata__")["seqcli"])
    assert {name.partition(".")[0] for name in header} == {"member0", "member1"}
    assert len(metadata["members"]) == 2
    with pytest.raises(UsageError, match="has no ONNX export"):
        seqcli.export(pairs, to="onnx", out=tmp_path / "onnx")


def test_every_command_takes_several_checkpoints(pairs, texts, capsys):
    several = [word for run in pairs for word in ("--ckpt", str(run))]
    language = [word for run in texts for word in ("--ckpt", str(run))]
    commands = {
        "eval": ["eval", *several, "--json"],
        "predict": ["predict", *several, *LINES],
        "sample": ["sample", *language, "--n", "3", "--seed", "1"],
        "info": ["info", *map(str, pairs)],
    }
    shown = {}
    for name, words in commands.items():
        assert shell.run(app, words) == 0
        shown[name] = capsys.readouterr().out
    assert json.loads(shown["eval"])["members"] == [f"{run}/best.pt" for run in pairs]
    assert len(shown["predict"].splitlines()) == len(LINES)
    assert len(shown["sample"].splitlines()) == 3
    assert "ensemble of 2 models" in shown["info"]
