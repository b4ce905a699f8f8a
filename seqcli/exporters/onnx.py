"""Export to ONNX: a graph that encodes the source, a graph of one decoding step, and metadata.

``start.onnx`` maps sources to the tensors of a state. ``step.onnx`` maps a token and a state to
logits and the tensors of the state that change. A language model has no ``start.onnx``: its
state starts with zeros. ``model.json`` has the vocabularies and the shape of every state tensor.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqcli.arrays.state import DecoderState
from seqcli.checkpoints import torch_file
from seqcli.data.vocabulary import BOS
from seqcli.descriptions import Exported
from seqcli.errors import UsageError
from seqcli.exporters.metadata import (
    CARD,
    METADATA,
    Card,
    ExportSource,
    import_packages,
    metadata,
    write_card,
)
from seqcli.exporters.onnx_check import compare
from seqcli.exporters.traceable import StartGraph, StepGraph, traceable
from seqcli.files.folder import replacing_folder
from seqcli.models.base import Model
from seqcli.models.build import load_model

START, STEP = "start.onnx", "step.onnx"
USAGE = (
    "`start.onnx` encodes the source, `step.onnx` reads a token and gives the logits of the next "
    "one; a language model has no `start.onnx`. `model.json` has the vocabularies, the "
    "tokenization and the shape of the state. The guide of seqcli about using a model elsewhere "
    "has a program that predicts with NumPy and onnxruntime alone."
)
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_BATCH, _SIZE = 3, 7  # of the traced example


@dataclass(frozen=True)
class StateTensor:
    """A tensor of a state.

    Args:
        name: the name in the graphs.
        shape: the size of each axis, or a name if the size varies.
    """

    name: str
    shape: tuple[int | str, ...]

    @property
    def dynamic_axes(self) -> dict[int, str]:
        """The axes of variable size, with their names."""
        return {axis: size for axis, size in enumerate(self.shape) if isinstance(size, str)}


def export_onnx(
    sources: Sequence[ExportSource], out: Path, rows: int, force: bool, card: Card | None = None
) -> Exported:
    """Write a folder with two graphs, a JSON file and a model card; compare it with the original.

    Args:
        sources: the trained model, alone: an ensemble is refused.
        out: the folder.
        rows: the number of rows to compare the outputs on.
        force: replace an older export in that folder.
        card: returns the model card.

    Raises:
        CheckpointError, UsageError, SeqcliError: see `seqcli.api.exporting.export`.
    """
    if len(sources) > 1:
        hint = "export one member at a time, or all weights with --to safetensors"
        raise UsageError(f"an ensemble of {len(sources)} models has no ONNX export", hint)
    (source,) = sources
    import_packages("onnx", *PACKAGES)
    torch.set_num_threads(source.config.train.threads or 1)
    checkpoint = torch_file.with_tensors(source.checkpoint)
    model = load_model(checkpoint, source.config, source.limits, source.path).eval()
    document = metadata(source)
    with replacing_folder(out, (CARD, START, STEP, METADATA), force) as folder:
        tensors = write_graphs(source, model, folder)
        document |= {
            "files": sorted(path.name for path in folder.iterdir()),
            "state": [{"name": tensor.name, "shape": list(tensor.shape)} for tensor in tensors],
        }
        compared, notes = compare(source, model, folder, [tensor.name for tensor in tensors], rows)
        document["checked"] = vars(compared)
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / METADATA).write_text(text, encoding="utf-8")
        write_card(folder, card, USAGE)
        files = tuple(str(out / path.name) for path in sorted(folder.iterdir()))
    return Exported(
        "onnx",
        files,
        compared.rows,
        compared.steps,
        compared.largest_difference,
        notes,
        "identical predictions, largest difference of logits",
    )


@torch.no_grad()
def write_graphs(source: ExportSource, original: Model, folder: Path) -> list[StateTensor]:
    """Trace the model and write its graphs; return the tensors of its state, memory first."""
    model, pairs = traceable(original), source.codec.source is not None
    described = _describe_state(model, pairs)
    state = _state(model, pairs)
    tensors = tuple(part.clone(memory_format=torch.contiguous_format) for part in _tensors(state))
    if pairs:
        axes: list[Any] = [{0: "batch", 1: "source"}, {0: "batch"}]
        names = ["source", "lengths"], [tensor.name for tensor in described]
        _write(source.path, folder / START, StartGraph(model), _source(_SIZE), axes, names)
    memory = len(state.memory)
    step = StepGraph(model, memory, any("length" in tensor.shape for tensor in described))
    outputs = ["logits", *(f"next_{tensor.name}" for tensor in described[memory:])]
    names = ["token", *(tensor.name for tensor in described)], outputs
    axes = [{0: "batch"}, tuple(tensor.dynamic_axes for tensor in described)]
    example = (torch.full((_BATCH,), BOS), tensors)
    _write(source.path, folder / STEP, step, example, axes, names)
    return described


def _source(size: int) -> tuple[Tensor, Tensor]:
    """Return token ids (B, S) and lengths (B,); all rows but the first are padded."""
    lengths = torch.full((_BATCH,), max(size - 1, 0))
    lengths[0] = size
    return torch.full((_BATCH, size), BOS), lengths


def _state(model: Model, pairs: bool, size: int = _SIZE, steps: int = 2) -> DecoderState:
    """Return the state after ``steps`` steps, with a source of length ``size``."""
    state = model.start(*_source(size if pairs else 0))
    for _ in range(steps):
        _, state = model.step(torch.full((_BATCH,), BOS), state)
    return state


def _tensors(state: DecoderState) -> tuple[Tensor, ...]:
    return (*state.memory, *state.past)


def _describe_state(model: Model, pairs: bool) -> list[StateTensor]:
    """Describe the tensors of a state, detecting variable axes by varying the sizes."""
    usual = _state(model, pairs)
    others = _state(model, pairs, size=_SIZE + 1), _state(model, pairs, steps=3)
    memory, described = len(usual.memory), []
    for i, three in enumerate(zip(*map(_tensors, (usual, *others)), strict=True)):
        name = f"memory_{i}" if i < memory else f"past_{i - memory}"
        sizes = zip(*(tensor.shape[1:] for tensor in three), strict=True)
        described.append(StateTensor(name, ("batch", *(_axis(*each) for each in sizes))))
    return described


def _axis(usual: int, longer: int, later: int) -> int | str:
    """Return the size of an axis, or its name if it grows with the source or with each step."""
    return "source" if longer != usual else "length" if later != usual else usual


def _write(
    checkpoint: Path,
    path: Path,
    module: torch.nn.Module,
    example: tuple[Any, ...],
    axes: list[Any],
    names: tuple[list[str], list[str]],
) -> None:
    """Trace a module and write its graph.

    Args:
        checkpoint: the checkpoint file, for messages.
        path: the file to write.
        module: a function of tensors.
        example: arguments to trace it with.
        axes: the axes of variable size of each argument.
        names: the names of the inputs and of the outputs.

    Raises:
        UsageError: the exporter does not support the model.
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
        message = f"{checkpoint}: this model cannot be exported to ONNX: {reason}"
        raise UsageError(message, "export the weights: --to safetensors") from error
    assert program is not None
    program.save(str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the warnings and log lines of PyTorch's exporter."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
