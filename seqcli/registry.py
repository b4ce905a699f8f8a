"""Look up definitions by name: tasks, cells, attentions, metrics, optimizers and so on.

A table maps a name to ``module:attribute``, or to the definition itself. A module is imported when
one of its names is resolved, so help, completion and suggestions know every name without loading
torch. A name in a file is only ever looked up here: a file cannot choose what is imported.

Definitions from outside the package are added with `register`. A program registers them itself;
the command line and worker processes import modules that do so (see `seqcli.plugins`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

from seqcli.errors import UsageError

_NAME = re.compile(r"[a-z][a-z0-9_]*")

Table: TypeAlias = dict[str, Any]  # name -> "module:attribute", or the definition

TASKS: Table = {
    "reverse": "seqcli.tasks.rearrangement:Reverse",
    "copy": "seqcli.tasks.rearrangement:Copy",
    "sort": "seqcli.tasks.rearrangement:Sort",
    "odds_first": "seqcli.tasks.rearrangement:OddsFirst",
    "patterns": "seqcli.tasks.patterns:Patterns",
    "parity": "seqcli.tasks.formal_languages:Parity",
    "even_pairs": "seqcli.tasks.formal_languages:EvenPairs",
    "cycle_nav": "seqcli.tasks.formal_languages:CycleNav",
    "mod_arith": "seqcli.tasks.formal_languages:ModArith",
    "mod_arith_brackets": "seqcli.tasks.brackets:ModArithBrackets",
    "dyck": "seqcli.tasks.brackets:Dyck",
    "anbncn": "seqcli.tasks.formal_languages:AnBnCn",
    "majority": "seqcli.tasks.formal_languages:Majority",
    "addition": "seqcli.tasks.arithmetic:Addition",
    "multiplication": "seqcli.tasks.arithmetic:Multiplication",
    "copy_memory": "seqcli.tasks.recall:CopyMemory",
    "selective_copy": "seqcli.tasks.recall:SelectiveCopy",
    "mqar": "seqcli.tasks.recall:Mqar",
    "listops": "seqcli.tasks.arithmetic:ListOps",
    "scan": "seqcli.tasks.scan:Scan",
    "names": "seqcli.tasks.names:Names",
}

# Values of --cell.
CELLS: Table = {
    "rnn": "seqcli.models.cells:RNNCell",
    "gru": "seqcli.models.cells:GRUCell",
    "lstm": "seqcli.models.cells:LSTMCell",
    "transformer": "seqcli.models.transformer:Transformer",
}

ATTENTIONS: Table = {
    "additive": "seqcli.models.attention:AdditiveAttention",
    "dot": "seqcli.models.attention:DotAttention",
    "general": "seqcli.models.attention:GeneralAttention",
    "monotonic": "seqcli.models.attention:MonotonicAttention",
}

POSITIONS: Table = {
    "sinusoidal": "seqcli.models.positions:Sinusoidal",
    "learned": "seqcli.models.positions:Learned",
    "rotary": "seqcli.models.positions:Rotary",
    "none": "seqcli.models.positions:NoPositions",
}

INITIALIZATIONS: Table = {
    "default": "seqcli.models.build:pytorch_default",
    "orthogonal": "seqcli.models.build:orthogonal",
    "xavier": "seqcli.models.build:xavier",
}

# File formats. A pair of files is "parallel" by default.
FORMATS: Table = {
    "tsv": "seqcli.data.files.formats:tsv",
    "csv": "seqcli.data.files.formats:comma_separated",
    "jsonl": "seqcli.data.files.json_rows:json_lines",
    "json": "seqcli.data.files.json_rows:json_array",
    "names": "seqcli.data.files.formats:names",
    "parallel": "seqcli.data.files.formats:parallel",
}

# How a text is split into tokens.
TOKEN_STYLES: Table = {
    "chars": "seqcli.data.vocabulary:CHARS",
    "graphemes": "seqcli.data.vocabulary:GRAPHEMES",
    "words": "seqcli.data.vocabulary:WORDS",
    "whole": "seqcli.data.vocabulary:WHOLE",
}

# The compute backend of training: each builds a trainer (`seqcli.training.trainer.TrainerSetup`).
BACKENDS: Table = {
    "torch": "seqcli.training.torch_trainer:build",
    "numpy": "seqcli.numpy_backend.trainer:build",
}

OPTIMIZERS: Table = {
    "adamw": "seqcli.training.torch_optimizers:adamw",
    "adam": "seqcli.training.torch_optimizers:adam",
    "sgd": "seqcli.training.torch_optimizers:sgd",
}

# Those of the NumPy backend.
NUMPY_OPTIMIZERS: Table = {
    "adamw": "seqcli.numpy_backend.optimizers:AdamW",
    "adam": "seqcli.numpy_backend.optimizers:Adam",
    "sgd": "seqcli.numpy_backend.optimizers:SGD",
}

SCHEDULES: Table = {
    "constant": "seqcli.training.schedules:Constant",
    "cosine": "seqcli.training.schedules:WarmupCosine",
    "inverse_sqrt": "seqcli.training.schedules:WarmupInverseSqrt",
    "plateau": "seqcli.training.schedules:ReduceOnPlateau",
}

TEACHER_SCHEDULES: Table = {
    "constant": "seqcli.training.torch_batches:constant",
    "linear": "seqcli.training.torch_batches:linear",
    "inverse_sigmoid": "seqcli.training.torch_batches:inverse_sigmoid",
}

# The forward pass in NumPy, for running trained models without PyTorch. Models that are not listed
# run with PyTorch only.
NUMPY_CELLS: Table = {
    "rnn": "seqcli.numpy_backend.forward.rnn:RNNCell",
    "gru": "seqcli.numpy_backend.forward.rnn:GRUCell",
    "lstm": "seqcli.numpy_backend.forward.rnn:LSTMCell",
    "transformer": "seqcli.numpy_backend.forward.transformer:Transformer",
}

NUMPY_ATTENTIONS: Table = {
    "additive": "seqcli.numpy_backend.forward.attention:AdditiveAttention",
    "dot": "seqcli.numpy_backend.forward.attention:DotAttention",
    "general": "seqcli.numpy_backend.forward.attention:GeneralAttention",
    "monotonic": "seqcli.numpy_backend.forward.attention:MonotonicAttention",
}

NUMPY_POSITIONS: Table = {
    "sinusoidal": "seqcli.numpy_backend.forward.positions:Sinusoidal",
    "learned": "seqcli.numpy_backend.forward.positions:Learned",
    "rotary": "seqcli.numpy_backend.forward.positions:Rotary",
    "none": "seqcli.numpy_backend.forward.positions:NoPositions",
}

# Whether a backend supports a configuration, checked before there is a run folder.
BACKEND_CHECKS: Table = {
    "torch": "seqcli.training.torch_batches:check_training",
    "numpy": "seqcli.numpy_backend.scope:check_training",
}

# Formats to export a trained model to.
EXPORTS: Table = {
    "onnx": "seqcli.exporters.onnx:export_onnx",
    "safetensors": "seqcli.exporters.safetensors:export_safetensors",
    "html": "seqcli.exporters.html:export_html",
}

# Values of --track.
TRACKERS: Table = {
    "trackio": "seqcli.report.trackers:Trackio",
    "wandb": "seqcli.report.trackers:WandB",
    "mlflow": "seqcli.report.trackers:MLflow",
}

# Metrics of pairs that training reports after each epoch; values of train.metric.
METRICS: Table = {
    "loss": "seqcli.metrics.definitions:LOSS",
    "token_accuracy": "seqcli.metrics.definitions:TOKEN_ACCURACY",
    "sequence_accuracy": "seqcli.metrics.definitions:SEQUENCE_ACCURACY",
    "token_error_rate": "seqcli.metrics.definitions:TOKEN_ERROR_RATE",
}

# Further metrics of pairs that only an evaluation reports.
EVALUATION_METRICS: Table = {
    "sequence_error_rate": "seqcli.metrics.definitions:SEQUENCE_ERROR_RATE",
    "mean_token_error_rate": "seqcli.metrics.definitions:MEAN_TOKEN_ERROR_RATE",
    "multi_reference_accuracy": "seqcli.metrics.definitions:MULTI_REFERENCE_ACCURACY",
    "multi_reference_token_error_rate": "seqcli.metrics.definitions:MULTI_REFERENCE_ERROR_RATE",
    "macro_f1": "seqcli.metrics.definitions:MACRO_F1",
    "oracle_length_sequence_accuracy": "seqcli.metrics.definitions:ORACLE_LENGTH_ACCURACY",
}

# Metrics of language models, computed from the loss.
LANGUAGE_METRICS: Table = {
    "bits_per_character": "seqcli.metrics.definitions:BITS_PER_CHARACTER",
    "perplexity": "seqcli.metrics.definitions:PERPLEXITY",
}

# Kinds of definitions that `register` accepts.
KINDS: Mapping[str, Table] = {
    "task": TASKS,
    "cell": CELLS,
    "attention": ATTENTIONS,
    "positions": POSITIONS,
    "initialization": INITIALIZATIONS,
    "format": FORMATS,
    "token_style": TOKEN_STYLES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "teacher_schedule": TEACHER_SCHEDULES,
    "metric": METRICS,
    "evaluation_metric": EVALUATION_METRICS,
    "language_metric": LANGUAGE_METRICS,
    "tracker": TRACKERS,
}


def register(kind: str, name: str, definition: Any) -> None:
    """Add a definition from outside the package.

    The name is then accepted wherever the names of its kind are: on the command line, in
    configurations, in checkpoints, and by every report.

    Args:
        kind: a key of `KINDS`, such as "task", "cell", "attention", "metric" or "optimizer".
        name: lower-case letters, digits and underscores.
        definition: the object, or ``module:attribute`` to import it when it is first used.

    Raises:
        UsageError: the kind is unknown, the name is malformed, or it is registered already.
    """
    table = KINDS[check("kind of definition", kind, KINDS)]
    if not _NAME.fullmatch(name):
        hint = "use lower-case letters, digits and underscores"
        raise UsageError(f"cannot register {kind} {name!r}: malformed name", hint)
    if any(name in other for other in _namespace(table)):
        raise UsageError(f"{kind} {name!r} is registered already", "choose another name")
    table[name] = definition


def _namespace(table: Table) -> tuple[Table, ...]:
    """Return the tables that share a namespace with ``table``, including ``table`` itself."""
    metrics = (METRICS, EVALUATION_METRICS, LANGUAGE_METRICS)
    return metrics if any(table is other for other in metrics) else (table,)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint: the closest known name, or all names if none is close."""
    names = list(known)
    usual = {"gpu": "cuda", "bahdanau": "additive", "luong": "dot", "vanilla": "rnn", "off": "none"}
    usual |= dict.fromkeys(("dev", "valid", "validation"), "val")
    lower = usual.get(name.lower(), name.lower())
    near = [lower] if lower in names else difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return "choose from " + ", ".join(names)


def check(kind: str, name: str, table: Iterable[str]) -> str:
    """Return ``name`` if ``table`` has it.

    Raises:
        UsageError: the table has no such name; the hint suggests the closest one.
    """
    names = list(table)
    if name not in names:
        raise UsageError(f"no {kind} is called {name!r}", suggest(name, names))
    return name


def resolve(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    """Return the definition of ``name`` in ``table``, importing its module if necessary.

    Raises:
        UsageError: the table has no such name; the hint suggests the closest one.
    """
    definition = table[check(kind, name, table)]
    if not isinstance(definition, str):
        return definition
    module, _, attribute = definition.partition(":")
    return getattr(import_module(module), attribute)
