"""plan.json: the runs of a comparison with their settings, in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seqcli.errors import DataError
from seqcli.files.regular import read_json
from seqcli.schema import Name, Plain, SchemaError

FILE = "plan.json"
_MOST_BYTES = 64 << 20


def read_plan(folder: Path) -> dict[str, Any]:
    """Return run -> its settings of the plan in a folder; empty where there is none.

    Raises:
        DataError: the file is damaged, or names a run by a path that leads elsewhere.
    """
    path = folder / FILE
    try:
        found: dict[str, Any] = read_json(path, dict[Name, dict[str, Plain]], _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from None
    except SchemaError as error:
        raise _damaged(path, str(error)) from None
    return found


def _damaged(path: Path, reason: str) -> DataError:
    return DataError(f"{path} cannot be used: {reason}", "remove it, or choose another --out")
