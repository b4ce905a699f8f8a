"""The Python API: one function for each command, with the name of the command.

These functions need no terminal and do not import Typer. PyTorch is imported on the first call that
needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seqcli.api.bulk_prediction import predict_file
    from seqcli.api.collecting import collect
    from seqcli.api.comparing import Plan, compare, plan, run_plan, store_plan
    from seqcli.api.evaluating import evaluate, rescore, suspects
    from seqcli.api.exporting import export
    from seqcli.api.finished_run import Run
    from seqcli.api.loading import LoadedModel, load
    from seqcli.api.model_info import info
    from seqcli.api.packaged import copy_example, examples
    from seqcli.api.predicting import next_tokens, open_predictor, predict
    from seqcli.api.registering import register_cell, register_metric, register_task
    from seqcli.api.reporting import write_report
    from seqcli.api.run_data import gen_data, read_data
    from seqcli.api.run_list import list_runs
    from seqcli.api.sampling import sample
    from seqcli.api.searching import plan_search, run_search
    from seqcli.api.suites import compare_suite, plan_suite
    from seqcli.api.trained_model import open_model
    from seqcli.api.training import train
    from seqcli.config.json_schema import json_schema
    from seqcli.tasks.base import task, tasks

__all__ = [
    "LoadedModel",
    "Plan",
    "Run",
    "collect",
    "compare",
    "compare_suite",
    "copy_example",
    "evaluate",
    "examples",
    "export",
    "gen_data",
    "info",
    "json_schema",
    "list_runs",
    "load",
    "next_tokens",
    "open_model",
    "open_predictor",
    "plan",
    "plan_search",
    "plan_suite",
    "predict",
    "predict_file",
    "read_data",
    "register_cell",
    "register_metric",
    "register_task",
    "rescore",
    "run_plan",
    "run_search",
    "sample",
    "store_plan",
    "suspects",
    "task",
    "tasks",
    "train",
    "write_report",
]

_MODULES = {  # a module of this package, or the full name of another module
    "Plan": "comparing",
    "run_plan": "comparing",
    "collect": "collecting",
    "compare": "comparing",
    "compare_suite": "suites",
    "plan": "comparing",
    "plan_search": "searching",
    "plan_suite": "suites",
    "Run": "finished_run",
    "copy_example": "packaged",
    "evaluate": "evaluating",
    "examples": "packaged",
    "export": "exporting",
    "gen_data": "run_data",
    "info": "model_info",
    "json_schema": "seqcli.config.json_schema",
    "list_runs": "run_list",
    "LoadedModel": "loading",
    "load": "loading",
    "next_tokens": "predicting",
    "open_model": "trained_model",
    "open_predictor": "predicting",
    "predict": "predicting",
    "predict_file": "bulk_prediction",
    "read_data": "run_data",
    "register_cell": "registering",
    "register_metric": "registering",
    "register_task": "registering",
    "rescore": "evaluating",
    "run_search": "searching",
    "sample": "sampling",
    "store_plan": "comparing",
    "suspects": "evaluating",
    "task": "seqcli.tasks.base",
    "tasks": "seqcli.tasks.base",
    "train": "training",
    "write_report": "reporting",
}


def __getattr__(name: str) -> Any:
    """Import a function on first access."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES[name]
    return getattr(import_module(module if "." in module else f"{__name__}.{module}"), name)
