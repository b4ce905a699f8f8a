from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqcli.checkpoints import content
from seqcli.checkpoints.content import FORMAT, Checkpoint, RunRecord, from_plain, to_plain
from seqcli.data.vocabulary import Tokenizer
from seqcli.errors import CheckpointError

PATH = Path("runs/x/best.pt")


def test_plain_and_back(checkpoint: Checkpoint, same: Any) -> None:
    back = from_plain(to_plain(checkpoint), PATH)
    assert same(to_plain(back), to_plain(checkpoint))
    assert back.codec == checkpoint.codec
    assert back.record.has_same_rows(checkpoint.record)
    assert back.record.locations == checkpoint.record.locations


def test_the_record_is_stored_as_the_fields_that_are_set(checkpoint: Checkpoint) -> None:
    about = to_plain(checkpoint)["about"]
    assert set(about) == {"task", "baselines", "locations", "fingerprints"}
    assert about["locations"] == {
        "path": {"absolute": "/data/pairs.tsv", "relative": "../pairs.tsv"}
    }


def test_a_language_model_has_no_source(checkpoint: Checkpoint) -> None:
    alone = replace(checkpoint, codec=replace(checkpoint.codec, source=None))
    assert from_plain(to_plain(alone), PATH).codec.source is None


def test_numpy_scalars_become_python_numbers(checkpoint: Checkpoint) -> None:
    metrics = {"loss": np.float64(0.5), "epoch": np.int64(3)}
    plain = to_plain(replace(checkpoint, metrics=metrics))
    assert {type(value) for value in plain["metrics"].values()} == {float, int}


def _set(plain: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    *parents, last = key.split(".")
    table = plain
    for parent in parents:
        table = table[parent]
    table[last] = value
    return plain


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("extra", 1, "unknown key 'extra'"),
        ("version", 3, "version must be text, not 3"),
        ("config", [1], "config must be a mapping"),
        ("config", {1: 2}, "the key config.1 must be text"),
        ("config", {"w": np.zeros(3)}, "config.w must be plain data"),
        ("config", {"w": {"x": [np.zeros(3)]}}, "config.w must be plain data"),
        ("weights", {"w": 1.0}, "weights.w must be an array, not 1.0"),
        ("weights", None, "weights must be a mapping"),
        ("weights", {"w": np.array([1.0, np.nan])}, "weights.w contains NaN or infinite"),
        ("weights", {"w": np.array([np.inf], np.float16)}, "weights.w contains NaN or infinite"),
        ("metrics", {"loss": "low"}, "metrics.loss must be a whole number or a number"),
        ("metrics", {"loss": True}, "metrics.loss must be"),
        ("metrics", {"loss": 1 << 1500}, "metrics.loss must be .* a whole number of 1501 bits"),
        ("training", 7, "training must be a mapping"),
        ("about", {"x": 1}, "about has an unknown key 'x'"),
        ("about", {"options": {"x": {1, 2}}}, "about.options.x must be plain data"),
        ("about", {"options": {"x": b"raw"}}, "about.options.x must be plain data"),
        ("about", {"options": {"x": {None: 1}}}, "about.options.x must be plain data"),
        ("about", {"options": {"x": np.zeros(3)}}, "about.options.x must be plain data"),
        ("about", {"name": 3}, "about.name must be text, not 3"),
        ("about", {"rows": [1]}, "about.rows must be a mapping"),
        ("about", {"rows": {"train": -1}}, "about.rows.train must be a whole number of at least 0"),
        ("about", {"max_target": 10**12}, "about.max_target must be a whole number from 0"),
        (
            "about",
            {"baselines": {"val": {"chance": 0.1}}},
            "about.baselines.val.chance must be a mapping",
        ),
        ("about", {"locations": {"path": "p.tsv"}}, "about.locations.path must be a mapping"),
        ("about", {"locations": {"path": {"absolute": 3}}}, "about.locations.path.absolute must"),
        ("about", {"locations": "x"}, "about.locations must be a mapping"),
        ("about", {"locations": {"path": None}}, "about.locations.path must be a mapping"),
        ("about", {"sha256": 3}, "about.sha256 must be text or a list of values or a mapping"),
        ("about", {"overlap": {"train-val": "x"}}, "about.overlap.train-val must be a whole"),
        ("about", {"origins": {"train.lr": 1}}, "about.origins.train.lr must be text"),
        ("about", {"fingerprints": {"train": np.zeros(3)}}, "about.fingerprints.train must be an"),
        ("codec", [], "codec must be a mapping"),
        ("codec.more", 1, "codec has an unknown key 'more'"),
        ("codec.target", None, "codec.target must be a list"),
        ("codec.target", ["a", 1], r"codec.target\[1\] must be text, not 1"),
        ("codec.target", ["a", "a"], "codec.target repeats a token"),
        ("codec.source_tokens", "lines", "codec.source_tokens must be one of chars"),
        ("codec.normalize", "nfkc", "codec.normalize must be one of none, nfc, nfd"),
    ],
)
def test_a_wrong_part_is_named(checkpoint: Checkpoint, key: str, value: object, what: str) -> None:
    with pytest.raises(CheckpointError, match=what) as caught:
        from_plain(_set(to_plain(checkpoint), key, value), PATH)
    assert caught.value.message.startswith(f"{PATH}: ")
    assert caught.value.hint


def test_graphemes_of_another_rule_are_refused(checkpoint: Checkpoint) -> None:
    graphemes = replace(checkpoint.codec, target_tokenizer=Tokenizer("graphemes"))
    plain = to_plain(replace(checkpoint, codec=graphemes))
    assert from_plain(plain, PATH).codec == graphemes
    plain["codec"]["grapheme_rule"] = "Unicode 12.0"
    with pytest.raises(CheckpointError, match=r"graphemes follow Unicode 12\.0, the installed"):
        from_plain(plain, PATH)


@pytest.mark.parametrize("part", ["config", "weights", "training", "codec", "metrics", "about"])
def test_a_missing_part_is_refused(checkpoint: Checkpoint, part: str) -> None:
    plain = to_plain(checkpoint)
    del plain[part]
    with pytest.raises(CheckpointError):
        from_plain(plain, PATH)


@pytest.mark.parametrize("value", [None, [], 3, "text", {}, {"state_dict": {}, "epoch": 1}])
def test_another_programs_file_is_told(value: object) -> None:
    with pytest.raises(CheckpointError, match="is not a checkpoint of seqcli"):
        from_plain(value, PATH)


@pytest.mark.parametrize(
    "layout", [2, FORMAT - 1, FORMAT + 1, 0, str(FORMAT), None, ["x" * 10_000]]
)
def test_another_layout_is_told(checkpoint: Checkpoint, layout: object) -> None:
    with pytest.raises(CheckpointError, match=f"this seqcli reads layout {FORMAT}") as caught:
        from_plain(to_plain(checkpoint) | {"format": layout}, PATH)
    assert len(caught.value.message) < 150


def test_a_score_that_is_no_number_is_kept(checkpoint: Checkpoint) -> None:
    """A validation loss may have become NaN; the weights are from an epoch before."""
    plain = to_plain(replace(checkpoint, metrics={"val_loss": float("nan")}))
    assert math.isnan(from_plain(plain, PATH).metrics["val_loss"])


def test_absurd_depth_and_size_are_not_written(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MOST_VALUES", 10_000)
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    wide: list[Any] = []
    for _ in range(40):  # 10 ** 40 values in 400 references
        wide = [wide] * 10
    endless: list[Any] = []
    endless.append(endless)
    for bad in (deep, wide, endless):
        with pytest.raises(ValueError, match="config"):
            to_plain(replace(checkpoint, config={"x": bad}))


def test_what_could_not_be_read_back_is_not_written(checkpoint: Checkpoint) -> None:
    with pytest.raises(ValueError, match=r"about\.path has a type"):
        to_plain(replace(checkpoint, record=RunRecord(path=Path("data.tsv"))))
