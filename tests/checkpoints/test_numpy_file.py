from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoint_equality import same as equal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from seqcli.checkpoints import numpy_file, torch_file
from seqcli.checkpoints.archive import open_archive
from seqcli.checkpoints.content import Checkpoint, to_plain
from seqcli.errors import CheckpointError

DTYPES = [np.float32, np.float64, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, bool]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: st_numpy.arrays(dtype, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
scalars = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats() | st.text()
leaves = scalars | arrays
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(0, 2**40), inner, max_size=4)
    ),
    max_leaves=12,
)


def _numpy_read(path: Path) -> Any:
    with open_archive(path) as archive:
        return numpy_file.read_arrays(archive)


def _tensors(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_tensors, value))
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def test_round_trip(checkpoint: Checkpoint, same: Any, tmp_path: Path) -> None:
    numpy_file.save(tmp_path / "x.pt", checkpoint)
    back = numpy_file.load(tmp_path / "x.pt")
    assert same(to_plain(back), to_plain(checkpoint))
    assert back.codec == checkpoint.codec
    assert back.weights["tied"] is back.weights["embed"]


def test_torch_reads_what_numpy_wrote(checkpoint: Checkpoint, same: Any, tmp_path: Path) -> None:
    numpy_file.save(tmp_path / "x.pt", checkpoint)
    assert same(to_plain(torch_file.load(tmp_path / "x.pt")), to_plain(checkpoint))
    mapped = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
    assert mapped["weights"]["embed"].data_ptr() % 64 == 0


def test_numpy_reads_what_torch_wrote(in_torch: Checkpoint, same: Any, tmp_path: Path) -> None:
    torch_file.save(tmp_path / "x.pt", in_torch)
    back = numpy_file.load(tmp_path / "x.pt")
    assert same(to_plain(back), to_plain(in_torch))
    assert back.weights["tied"] is back.weights["embed"]


def test_there_and_back_again_is_the_same_file(in_torch: Checkpoint, tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{n}.pt" for n in "123")
    torch_file.save(one, in_torch)
    numpy_file.save(two, numpy_file.load(one))
    torch_file.save(three, torch_file.load(two))
    assert one.read_bytes() == three.read_bytes()


@settings(max_examples=60, deadline=None)
@given(value=nested)
def test_any_nested_value_between_both(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        with path.open("wb") as file:
            numpy_file.write_plain(file, value)
        assert equal(torch.load(path, weights_only=True), value)
        assert equal(_numpy_read(path), value)
        torch.save(_tensors(value), path)
        assert equal(_numpy_read(path), value)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensor: tensor.T,
        lambda tensor: tensor[1:],
        lambda tensor: tensor[:, :2],
        lambda tensor: tensor[0].expand(4, 3),
    ],
    ids=["transposed", "offset", "part", "expanded"],
)
def test_only_whole_arrays_in_order_are_read(change: Any, tmp_path: Path) -> None:
    """`torch.save` writes views of storages; seqcli writes none, and none can be multiplied."""
    torch.save({"view": change(torch.arange(6.0).reshape(2, 3))}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="does not use all of its bytes"):
        _numpy_read(tmp_path / "x.pt")


def test_one_storage_has_one_shape(tmp_path: Path) -> None:
    numbers = torch.arange(6.0)
    torch.save([numbers.view(2, 3), numbers.view(3, 2)], tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="share their bytes"):
        _numpy_read(tmp_path / "x.pt")


@settings(max_examples=40, deadline=None)
@given(shape=st.lists(st.integers(0, 3), max_size=4))
def test_every_shape_is_read(shape: list[int]) -> None:
    numbers = torch.arange(float(np.prod(shape))).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.pt"
        torch.save(numbers.clone(memory_format=torch.contiguous_format), path)
        assert equal(_numpy_read(path), numbers)


def test_the_other_byte_order_is_turned(tmp_path: Path) -> None:
    numbers = np.array([1.5, -2.0, 3e30], np.float32)
    buffer = io.BytesIO()
    numpy_file.write_plain(buffer, {"w": numbers})
    with zipfile.ZipFile(buffer) as native, zipfile.ZipFile(tmp_path / "x.pt", "w") as turned:
        for name in native.namelist():
            content = native.read(name)
            if name.endswith("byteorder"):
                content = {b"little": b"big", b"big": b"little"}[content]
            if name.endswith("data/0"):
                content = numbers.byteswap().tobytes()
            turned.writestr(name, content)
    assert np.array_equal(_numpy_read(tmp_path / "x.pt")["w"], numbers)


def test_equal_checkpoints_make_equal_files(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name in ("a.pt", "b.pt"):
        numpy_file.save(tmp_path / name, checkpoint)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


def test_arrays_read_can_be_trained_on(checkpoint: Checkpoint, tmp_path: Path) -> None:
    numpy_file.save(tmp_path / "x.pt", checkpoint)
    weight = numpy_file.load(tmp_path / "x.pt").weights["embed"]
    weight += 1
    assert weight.flags.writeable


def test_a_fortran_ordered_array_is_written_by_rows(tmp_path: Path) -> None:
    turned = np.arange(6.0).reshape(2, 3).T
    with (tmp_path / "x.pt").open("wb") as file:
        numpy_file.write_plain(file, turned)
    assert np.array_equal(torch.load(tmp_path / "x.pt", weights_only=True).numpy(), turned)


@pytest.mark.parametrize(
    "value", [np.zeros(2, np.complex64), np.zeros(2, ">f4"), np.array(["a"]), b"raw", {1, 2}]
)
def test_what_torch_could_not_read_is_not_written(value: object) -> None:
    with pytest.raises(ValueError, match="a checkpoint cannot contain"):
        numpy_file.write_plain(io.BytesIO(), [value])


def test_torch_is_never_imported(checkpoint: Checkpoint, tmp_path: Path) -> None:
    torch_file.save(tmp_path / "x.pt", checkpoint)
    script = (
        "import sys; from pathlib import Path; from seqcli.checkpoints import numpy_file;"
        "path = Path(sys.argv[1]); numpy_file.save(path, numpy_file.load(path));"
        "assert 'torch' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "x.pt")], check=True, cwd=root)
    assert torch_file.load(tmp_path / "x.pt").metrics == dict(checkpoint.metrics)
