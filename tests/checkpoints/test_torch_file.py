from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint, to_plain
from seqcli.errors import CheckpointError


def test_round_trip(in_torch: Checkpoint, same: Any, tmp_path: Path) -> None:
    torch_file.save(tmp_path / "x.pt", in_torch)
    back = torch_file.load(tmp_path / "x.pt")
    assert same(to_plain(back), to_plain(in_torch))
    assert back.codec == in_torch.codec
    assert back.weights["tied"].data_ptr() == back.weights["embed"].data_ptr()


def test_anyone_can_open_it(in_torch: Checkpoint, tmp_path: Path) -> None:
    torch_file.save(tmp_path / "x.pt", in_torch)
    plain = torch.load(tmp_path / "x.pt", weights_only=True)
    assert plain["config"]["model"]["cell"] == "gru"
    assert torch.equal(plain["weights"]["embed"], in_torch.weights["embed"])


def test_equal_checkpoints_make_equal_files(in_torch: Checkpoint, tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        torch_file.save(tmp_path / name, in_torch)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_optimizer_and_generator_come_back(in_torch: Checkpoint, same: Any, tmp_path: Path) -> None:
    model = torch.nn.GRU(3, 4)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 1, 3))[0].sum().backward()
    optimizer.step()
    training = {"optimizer": optimizer.state_dict(), "torch": torch.get_rng_state()}
    torch_file.save(tmp_path / "x.pt", replace(in_torch, training=training))
    back = torch_file.load(tmp_path / "x.pt").training
    assert same(back, training)


def test_only_a_tensors_own_numbers_are_written(in_torch: Checkpoint, tmp_path: Path) -> None:
    large = torch.zeros(1_000_000, requires_grad=True)
    weights = {"part": large[5:8], "turned": torch.arange(6.0).reshape(2, 3).T}
    torch_file.save(tmp_path / "x.pt", replace(in_torch, weights=weights))
    assert (tmp_path / "x.pt").stat().st_size < 20_000
    back = torch_file.load(tmp_path / "x.pt").weights
    assert not back["part"].requires_grad
    assert torch.equal(back["turned"], weights["turned"])


def test_arrays_in_about_are_numpys(in_torch: Checkpoint, tmp_path: Path) -> None:
    torch_file.save(tmp_path / "x.pt", in_torch)
    assert torch_file.load(tmp_path / "x.pt").record.fingerprints["train"].sum() == 10
    assert not isinstance(
        torch_file.load(tmp_path / "x.pt").record.fingerprints["train"], torch.Tensor
    )


def test_a_kind_of_number_numpy_lacks_is_not_written(in_torch: Checkpoint, tmp_path: Path) -> None:
    halves = replace(in_torch, weights={"w": torch.zeros(2, dtype=torch.bfloat16)})
    with pytest.raises(ValueError, match="bfloat16"):
        torch_file.save(tmp_path / "x.pt", halves)
    assert list(tmp_path.iterdir()) == []


def test_another_programs_checkpoint_is_told(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(2)}, "epoch": 3}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="is not a checkpoint of seqcli"):
        torch_file.load(tmp_path / "other.pt")


def test_the_old_format_of_torch_is_told(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(2)}, buffer, _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="is not a checkpoint"):
        torch_file.load(tmp_path / "old.pt")
