"""Names to definitions: the only place where the names of things live.

A table maps a name to ``module:attribute``. Nothing is imported until a name is resolved, so
help, completion and suggestions know every name without loading torch. Names found in files are
looked up here and nowhere else: a file can never choose what is imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

from seqcli.errors import UsageError

TASKS: Mapping[str, str] = {
    "reverse": "seqcli.tasks.rearrangement:Reverse",
    "copy": "seqcli.tasks.rearrangement:Copy",
    "sort": "seqcli.tasks.rearrangement:Sort",
    "odds_first": "seqcli.tasks.rearrangement:OddsFirst",
    "patterns": "seqcli.tasks.patterns:Patterns",
    "parity": "seqcli.tasks.regular:Parity",
    "even_pairs": "seqcli.tasks.regular:EvenPairs",
    "cycle_nav": "seqcli.tasks.regular:CycleNav",
    "mod_arith": "seqcli.tasks.regular:ModArith",
    "mod_arith_brackets": "seqcli.tasks.brackets:ModArithBrackets",
    "dyck": "seqcli.tasks.brackets:Dyck",
    "anbncn": "seqcli.tasks.counting:AnBnCn",
    "majority": "seqcli.tasks.counting:Majority",
    "addition": "seqcli.tasks.arithmetic:Addition",
    "multiplication": "seqcli.tasks.arithmetic:Multiplication",
    "copy_memory": "seqcli.tasks.recall:CopyMemory",
    "selective_copy": "seqcli.tasks.recall:SelectiveCopy",
    "mqar": "seqcli.tasks.recall:Mqar",
    "listops": "seqcli.tasks.listops:ListOps",
    "scan": "seqcli.tasks.scan:Scan",
    "names": "seqcli.tasks.names:Names",
}

# The value of --cell: what a model is built of.
CELLS: Mapping[str, str] = {
    "rnn": "seqcli.models.cells:RNNCell",
    "gru": "seqcli.models.cells:GRUCell",
    "lstm": "seqcli.models.cells:LSTMCell",
    "transformer": "seqcli.models.transformer:Transformer",
}

ATTENTIONS: Mapping[str, str] = {
    "additive": "seqcli.models.attention:AdditiveAttention",
    "dot": "seqcli.models.attention:DotAttention",
    "general": "seqcli.models.attention:GeneralAttention",
}

POSITIONS: Mapping[str, str] = {
    "sinusoidal": "seqcli.models.positions:Sinusoidal",
    "learned": "seqcli.models.positions:Learned",
    "rotary": "seqcli.models.positions:Rotary",
    "none": "seqcli.models.positions:NoPositions",
}

INITIALIZATIONS: Mapping[str, str] = {
    "default": "seqcli.models.build:leave",
    "orthogonal": "seqcli.models.build:orthogonal",
    "xavier": "seqcli.models.build:xavier",
}

# How a file is written. Two files side by side are "parallel" without being asked for.
FORMATS: Mapping[str, str] = {
    "tsv": "seqcli.data.files.formats:tsv",
    "csv": "seqcli.data.files.formats:comma_separated",
    "jsonl": "seqcli.data.files.json_rows:json_lines",
    "json": "seqcli.data.files.json_rows:json_array",
    "names": "seqcli.data.files.formats:names",
    "parallel": "seqcli.data.files.formats:parallel",
}

# How a text is cut into symbols.
TOKEN_STYLES: Mapping[str, str] = {
    "chars": "seqcli.data.tokenizers:CHARS",
    "graphemes": "seqcli.data.tokenizers:GRAPHEMES",
    "words": "seqcli.data.tokenizers:WORDS",
    "whole": "seqcli.data.tokenizers:WHOLE",
}

# The compute backend of training: each builds a trainer (`seqcli.training.trainer.TrainerSetup`).
BACKENDS: Mapping[str, str] = {
    "torch": "seqcli.training.torch_trainer:build",
    "numpy": "seqcli.numpy_backend.trainer:build",
}

OPTIMIZERS: Mapping[str, str] = {
    "adamw": "seqcli.training.torch_optimizers:adamw",
    "adam": "seqcli.training.torch_optimizers:adam",
    "sgd": "seqcli.training.torch_optimizers:sgd",
}

# Those of the NumPy backend.
NUMPY_OPTIMIZERS: Mapping[str, str] = {
    "adamw": "seqcli.numpy_backend.optimizers:AdamW",
    "adam": "seqcli.numpy_backend.optimizers:Adam",
    "sgd": "seqcli.numpy_backend.optimizers:SGD",
}

SCHEDULES: Mapping[str, str] = {
    "constant": "seqcli.training.schedules:Constant",
    "cosine": "seqcli.training.schedules:WarmupCosine",
    "inverse_sqrt": "seqcli.training.schedules:WarmupInverseSqrt",
    "plateau": "seqcli.training.schedules:ReduceOnPlateau",
}

TEACHER_SCHEDULES: Mapping[str, str] = {
    "constant": "seqcli.training.teacher_forcing:constant",
    "linear": "seqcli.training.teacher_forcing:linear",
    "inverse_sigmoid": "seqcli.training.teacher_forcing:inverse_sigmoid",
}

# The forward pass in NumPy, for running trained models without PyTorch. What is missing here runs
# with PyTorch only.
NUMPY_CELLS: Mapping[str, str] = {
    "rnn": "seqcli.numpy_backend.forward.rnn:RNNCell",
    "gru": "seqcli.numpy_backend.forward.rnn:GRUCell",
    "lstm": "seqcli.numpy_backend.forward.rnn:LSTMCell",
    "transformer": "seqcli.numpy_backend.forward.transformer:Transformer",
}

NUMPY_ATTENTIONS: Mapping[str, str] = {
    "additive": "seqcli.numpy_backend.forward.attention:AdditiveAttention",
    "dot": "seqcli.numpy_backend.forward.attention:DotAttention",
    "general": "seqcli.numpy_backend.forward.attention:GeneralAttention",
}

NUMPY_POSITIONS: Mapping[str, str] = {
    "sinusoidal": "seqcli.numpy_backend.forward.positions:Sinusoidal",
    "learned": "seqcli.numpy_backend.forward.positions:Learned",
    "rotary": "seqcli.numpy_backend.forward.positions:Rotary",
    "none": "seqcli.numpy_backend.forward.positions:NoPositions",
}

# Whether a backend supports a configuration, checked before there is a run folder.
BACKEND_CHECKS: Mapping[str, str] = {
    "torch": "seqcli.training.torch_device:check_device",
    "numpy": "seqcli.numpy_backend.scope:check_training",
}

# Formats to export a trained model to.
EXPORTS: Mapping[str, str] = {
    "onnx": "seqcli.exporters.onnx:export_onnx",
    "safetensors": "seqcli.exporters.safetensors:export_safetensors",
}

METRICS: Mapping[str, str] = {
    "loss": "seqcli.metrics.metric:LOSS",
    "token_accuracy": "seqcli.metrics.metric:TOKEN_ACCURACY",
    "sequence_accuracy": "seqcli.metrics.metric:SEQUENCE_ACCURACY",
    "symbol_error_rate": "seqcli.metrics.metric:SYMBOL_ERROR_RATE",
}

# What eval reports beside those, where the rows allow of it.
EVALUATION_METRICS: Mapping[str, str] = {
    "sequence_error_rate": "seqcli.metrics.metric:SEQUENCE_ERROR_RATE",
    "mean_symbol_error_rate": "seqcli.metrics.metric:MEAN_SYMBOL_ERROR_RATE",
    "multi_reference_accuracy": "seqcli.metrics.metric:MULTI_REFERENCE_ACCURACY",
    "multi_reference_symbol_error_rate": "seqcli.metrics.metric:MULTI_REFERENCE_ERROR_RATE",
    "macro_f1": "seqcli.metrics.metric:MACRO_F1",
}


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the nearest known name if one is near, else all of them."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return "choose from " + ", ".join(names)


def check(kind: str, name: str, table: Iterable[str]) -> str:
    """Return ``name`` if ``table`` has it.

    Raises:
        UsageError: the table has no such name; the hint names the nearest.
    """
    names = list(table)
    if name not in names:
        raise UsageError(f"no {kind} is called {name!r}", suggest(name, names))
    return name


def resolve(kind: str, name: str, table: Mapping[str, str]) -> Any:
    """Import and return what ``name`` stands for in ``table``.

    Raises:
        UsageError: the table has no such name; the hint names the nearest.
    """
    module, _, attribute = table[check(kind, name, table)].partition(":")
    return getattr(import_module(module), attribute)
