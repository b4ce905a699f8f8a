"""`export --to onnx`: a model as two graphs, one that starts and one that steps, and a JSON file.

``start.onnx`` reads sources and gives the parts of a state, ``step.onnx`` reads a token and a
state and gives logits and what of the state has changed. A language model has no ``start.onnx``:
its state begins with zeros. ``model.json`` has the vocabularies and the shape of every part.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqcli.api import torch_model
from seqcli.api.exporting import about_model, needed
from seqcli.api.onnx_check import compare
from seqcli.api.trained_model import TrainedModel, open_model
from seqcli.arrays.state import DecoderState
from seqcli.data.vocabulary import BOS
from seqcli.errors import UsageError
from seqcli.export.traceable import Start, Step, exportable
from seqcli.files.folder import replacing_folder
from seqcli.models.base import Model
from seqcli.results import Exported

START, STEP, ABOUT = "start.onnx", "step.onnx", "model.json"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_BATCH, _SIZE = 3, 7  # of the example that is traced


@dataclass(frozen=True)
class Part:
    """A part of a state: its name, its size where that is fixed and its axis' name elsewhere."""

    name: str
    shape: tuple[int | str, ...]

    @property
    def axes(self) -> dict[int, str]:
        """The axes that have no fixed size, with their names."""
        return {axis: size for axis, size in enumerate(self.shape) if isinstance(size, str)}


def export_onnx(ckpt: Path, out: Path, rows: int, force: bool) -> Exported:
    """Write a folder of two graphs and a JSON file, checked against the original.

    Args:
        ckpt: a run folder or a checkpoint file.
        out: the folder.
        rows: how many rows to compare the outputs on.
        force: whether an older export in that folder may be replaced.

    Raises:
        CheckpointError, UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    needed("onnx", *PACKAGES)
    trained = open_model(ckpt)
    model = torch_model.load(trained.opened).model
    about = about_model(trained)
    with replacing_folder(out, (START, STEP, ABOUT), force) as folder:
        parts = _write_graphs(trained, model, folder)
        about |= {
            "files": sorted(path.name for path in folder.iterdir()),
            "state": [{"name": part.name, "shape": list(part.shape)} for part in parts],
        }
        names = [part.name for part in parts]
        seen, notes = compare(trained, model, folder, names, rows)
        about["checked"] = vars(seen)
        text = json.dumps(about, ensure_ascii=False, indent=1)
        (folder / ABOUT).write_text(text, encoding="utf-8")
        files = tuple(str(out / path.name) for path in sorted(folder.iterdir()))
    return Exported("onnx", files, seen.rows, seen.steps, seen.largest_difference, notes)


@torch.no_grad()
def _write_graphs(trained: TrainedModel, original: Model, folder: Path) -> list[Part]:
    """Trace the model; return the parts of its state, memory before past."""
    model, pairs = exportable(original), trained.codec.source is not None
    parts = _parts(model, pairs)
    state = _state(model, pairs)
    tensors = tuple(part.clone(memory_format=torch.contiguous_format) for part in _tensors(state))
    if pairs:
        axes: list[Any] = [{0: "batch", 1: "source"}, {0: "batch"}]
        names = ["source", "lengths"], [part.name for part in parts]
        _write(trained, folder / START, Start(model), _source(_SIZE), axes, names)
    memory = len(state.memory)
    step = Step(model, memory, grows=any("length" in part.shape for part in parts))
    after = ["logits", *(f"next_{part.name}" for part in parts[memory:])]
    names = ["token", *(part.name for part in parts)], after
    axes = [{0: "batch"}, tuple(part.axes for part in parts)]
    _write(trained, folder / STEP, step, (torch.full((_BATCH,), BOS), tensors), axes, names)
    return parts


def _source(size: int) -> tuple[Tensor, Tensor]:
    """Return ids (B, S) and lengths (B,), the first row the only whole one."""
    lengths = torch.full((_BATCH,), max(size - 1, 0))
    lengths[0] = size
    return torch.full((_BATCH, size), BOS), lengths


def _state(model: Model, pairs: bool, size: int = _SIZE, steps: int = 2) -> DecoderState:
    """Return the state after some steps on a source of some size."""
    state = model.start(*_source(size if pairs else 0))
    for _ in range(steps):
        _, state = model.step(torch.full((_BATCH,), BOS), state)
    return state


def _tensors(state: DecoderState) -> tuple[Tensor, ...]:
    return (*state.memory, *state.past)


def _parts(model: Model, pairs: bool) -> list[Part]:
    """Describe the parts of a state: an axis has the name of what changes its size."""
    usual = _state(model, pairs)
    others = _state(model, pairs, size=_SIZE + 1), _state(model, pairs, steps=3)
    memory, parts = len(usual.memory), []
    for place, three in enumerate(zip(*map(_tensors, (usual, *others)), strict=True)):
        name = f"memory_{place}" if place < memory else f"past_{place - memory}"
        sizes = zip(*(part.shape[1:] for part in three), strict=True)
        parts.append(Part(name, ("batch", *(_axis(*each) for each in sizes))))
    return parts


def _axis(usual: int, longer: int, later: int) -> int | str:
    """Name an axis by its size usually, with a longer source, and a step later."""
    return "source" if longer != usual else "length" if later != usual else usual


def _write(
    trained: TrainedModel,
    path: Path,
    module: torch.nn.Module,
    example: tuple[Any, ...],
    axes: list[Any],
    names: tuple[list[str], list[str]],
) -> None:
    """Trace a module and write its graph.

    Args:
        trained: whose model it is.
        path: the file.
        module: a function of tensors.
        example: what to trace it with.
        axes: the axes of the example that have no fixed size, argument by argument.
        names: of the inputs and of the outputs.

    Raises:
        UsageError: the exporter cannot follow the model.
    """
    try:
        with _quiet():
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                dynamic_shapes=tuple(axes),
                input_names=names[0],
                output_names=names[1],
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        message = f"{trained.path}: this model cannot be exported to ONNX: {reason}"
        raise UsageError(message, "export the weights: --to safetensors") from error
    assert program is not None
    program.save(str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings and log lines, which are none of the user's, to itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
