"""What a folder of bulk predictions predicts, and its files."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from seqcli.api.bulk_parts import Job, Model
from seqcli.api.predicting import Predictor
from seqcli.data.files.opening import digest, kind_of_path
from seqcli.errors import DataError, UsageError
from seqcli.files.atomic import write_atomically, writing
from seqcli.files.regular import read_json
from seqcli.files.temporary import sweep
from seqcli.messages import plural
from seqcli.runs.paths import digest as digest_of_model
from seqcli.schema import SchemaError

PART_SIZE = 10_000  # lines
MOST_BYTES = 1 << 20  # of plan.json
_OTHER = "choose another --out, or start over with --force"


@dataclass(frozen=True)
class Input:
    """The input file, as it was when the prediction began; ``modified`` is in nanoseconds."""

    path: str
    size: int
    modified: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """What a folder predicts."""

    input: Input
    part_size: int
    job: Job


@dataclass(frozen=True)
class BulkFiles:
    """The files of a bulk prediction."""

    folder: Path

    @property
    def plan(self) -> Path:
        """What is predicted, and how."""
        return self.folder / "plan.json"

    @property
    def parts(self) -> Path:
        """The folder of the parts; it is removed when they have been joined."""
        return self.folder / "parts"

    @property
    def predictions(self) -> Path:
        """The predictions for all lines, in order."""
        return self.folder / "predictions.tsv"

    @property
    def remarks(self) -> Path:
        """The remarks about all predictions."""
        return self.folder / "remarks.json"

    @property
    def lock(self) -> Path:
        """Locked while a process predicts."""
        return self.folder / ".lock"

    def clear(self) -> None:
        """Remove the files of the prediction, and no other files in the folder."""
        with writing(self.folder):
            for path in (self.plan, self.predictions, self.remarks):
                path.unlink(missing_ok=True)
            self.clear_parts()

    def clear_parts(self) -> None:
        """Remove the parts."""
        for pattern in ("*.tsv", "*.json"):
            for path in self.parts.glob(pattern):
                path.unlink(missing_ok=True)
        sweep(self.parts)
        with contextlib.suppress(OSError):  # it does not exist, or has other files
            self.parts.rmdir()


def check_input(path: Path) -> None:
    """Refuse an input that is not a regular file.

    Raises:
        DataError: the path is missing, or of another kind.
    """
    kind = kind_of_path(path)
    if kind != "file":
        what = "is a folder, not a file" if kind else "was not found"
        raise DataError(f"{path} {what}", "name a file with one source per line")


def check_folder(files: BulkFiles) -> None:
    """Refuse a folder with other content.

    Raises:
        UsageError: the folder has files but no plan.
    """
    with writing(files.folder):
        is_ours = files.plan.exists() or not files.folder.exists()
        names = () if is_ours else [one.name for one in files.folder.iterdir()]
    if set(names) - {files.lock.name, files.parts.name}:
        message = f"{files.folder} has other files, such as {sorted(names)[-1]}"
        raise UsageError(message, "choose a new or an empty folder")


def job_of(predictor: Predictor, path: Path, **settings: Any) -> Job:
    """Return the settings of the workers; the size of the input chooses the backend.

    Args:
        predictor: the open model, with its search settings.
        path: the input.
        settings: device, threads, logprob, scores and token_probs of the `Job`.
    """
    model, search = predictor.model, predictor.search
    paths = [one.path.resolve() for one in model.members]
    characters = path.stat().st_size * (3 if path.suffix == ".gz" else 1)
    return Job(
        models=tuple(Model(str(one), digest_of_model(one)) for one in paths),
        backend=model.backend_name(characters * search.beam),
        beam=search.beam,
        nbest=search.nbest,
        length_penalty=search.length_penalty,
        batch_size=predictor.batch_size,
        **settings,
    )


def checked_plan(files: BulkFiles, path: Path, part_size: int | None, job: Job) -> Plan:
    """Return the plan of a folder, and write it if there is none.

    Raises:
        UsageError: the folder has another plan; the message names the first difference.
    """
    status, old = path.stat(), _read_plan(files)
    same = old and (old.input.size, old.input.modified) == (status.st_size, status.st_mtime_ns)
    checksum = old.input.sha256 if old and same else digest(path)
    found = Input(str(path), status.st_size, status.st_mtime_ns, checksum)
    plan = Plan(found, part_size or (old.part_size if old else PART_SIZE), job)
    if old is None:
        text = json.dumps(asdict(plan), indent=1) + "\n"
        write_atomically(files.plan, lambda file: file.write(text.encode("utf-8", "replace")))
        return plan
    problem = _difference(old, plan)
    if problem:
        raise UsageError(f"{files.folder} has predictions {problem}", _OTHER)
    return plan


def _read_plan(files: BulkFiles) -> Plan | None:
    if not files.plan.exists():
        return None
    try:
        plan = read_json(files.plan, Plan, MOST_BYTES)
    except (OSError, SchemaError) as error:
        raise UsageError(f"{files.plan} is damaged: {error}", _OTHER) from None
    assert isinstance(plan, Plan)
    return plan


def _difference(old: Plan, new: Plan) -> str:
    """Describe the first difference of two plans; "" if they are the same."""
    if old.input.sha256 != new.input.sha256:
        return f"for another input: {old.input.path}, {plural(old.input.size, 'byte')}"
    if [one.sha256 for one in old.job.models] != [one.sha256 for one in new.job.models]:
        return f"of another model: {', '.join(one.path for one in old.job.models)}"
    if old.part_size != new.part_size:
        return f"with --part-size {old.part_size}, not {new.part_size}"
    for one in fields(Job):
        before, now = getattr(old.job, one.name), getattr(new.job, one.name)
        if one.name != "models" and before != now:
            return f"with {one.name.replace('_', ' ')} {before}, not {now}"
    return ""
