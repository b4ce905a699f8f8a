"""A realistic checkpoint file, and files made wrong on purpose."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint, RunRecord, to_plain
from seqcli.data.corpus import Codec
from seqcli.data.vocabulary import Tokenizer, Vocabulary


def trained(hidden: int = 48) -> Checkpoint:
    """A GRU with the state of its optimizer and the random states: about 200 KB."""
    torch.manual_seed(0)
    model = torch.nn.GRU(24, hidden)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(3, 2, 24))[0].sum().backward()
    optimizer.step()
    return Checkpoint(
        config={"model": {"cell": "gru", "hidden": hidden}, "train": {"lr": 1e-3}},
        codec=Codec(Vocabulary(tuple("abcdefgh")), Tokenizer("chars"), Vocabulary(("1", "2"))),
        weights=dict(model.state_dict()),
        record=RunRecord(task="reverse", baselines={"val": {"chance": {"token_accuracy": 0.1}}}),
        metrics={"val_loss": 0.5},
        training={
            "optimizer": optimizer.state_dict(),
            "torch": torch.get_rng_state(),
            "numpy": np.random.default_rng(0).bit_generator.state,
            "position": [3, 17],
        },
    )


def saved(folder: Path) -> Path:
    """Write the sample as ``last.pt`` in ``folder``."""
    path = folder / "last.pt"
    torch_file.save(path, trained())
    return path


def comparable(checkpoint: Checkpoint) -> Any:
    """All a checkpoint holds, as a value that ``==`` compares bit for bit."""
    return _comparable(to_plain(checkpoint))


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _comparable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_comparable(item) for item in value]
    if hasattr(value, "shape"):
        array = np.asarray(value)
        return (str(array.dtype), array.shape, array.tobytes())
    return value


def with_pickle(path: Path, program: bytes, members: dict[str, bytes] | None = None) -> Path:
    """Write a well-formed archive around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", b"little")
        for name, content in (members or {}).items():
            archive.writestr(f"archive/{name}", content)
        archive.writestr("archive/version", b"3\n")
    return path


def rezipped(original: Path, path: Path, compression: int, times: int = 1) -> Path:
    """Write the members of a checkpoint into another zip, each ``times`` times."""
    with zipfile.ZipFile(original) as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            for _ in range(times):
                target.writestr(name, source.read(name))
    return path


def torch_bytes(value: object) -> bytes:
    """What ``torch.save`` writes for ``value``."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()
