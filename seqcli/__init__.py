"""Train, compare and understand small sequence models.

The verbs are the commands: ``train``, ``compare``, ``evaluate``, ``predict``, ``sample``,
``gen_data``, ``tasks``, ``examples`` (and ``copy_example``), ``info``, ``export``. Some have names
of their own: ``next_tokens`` is ``sample --next``, ``rescore`` is ``eval --score``, ``list_runs``
is ``runs``, ``json_schema`` is ``schema``, and ``write_report`` is ``report``.

``load`` returns a trained model as an object. ``register_task``, ``register_cell``,
``register_metric`` and ``register`` (for attentions, optimizers, file formats and so on) add
definitions from outside the package. All are imported when they are first used, so that
``import seqcli`` is fast.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing is slow to import, and Ctrl-C is not handled before this is done
if TYPE_CHECKING:
    from typing import Any

    from seqcli.api import (
        compare,
        copy_example,
        evaluate,
        examples,
        export,
        gen_data,
        info,
        json_schema,
        list_runs,
        load,
        next_tokens,
        predict,
        register_cell,
        register_metric,
        register_task,
        rescore,
        sample,
        tasks,
        train,
        write_report,
    )
    from seqcli.registry import register

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "compare",
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
    "predict",
    "register",
    "register_cell",
    "register_metric",
    "register_task",
    "rescore",
    "sample",
    "tasks",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Import `seqcli.registry.register`, or a verb of ``seqcli.api``."""
    if name == "register":
        from seqcli.registry import register

        return register
    if name in __all__:
        from seqcli import api

        return getattr(api, name)
    raise AttributeError(f"module 'seqcli' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
