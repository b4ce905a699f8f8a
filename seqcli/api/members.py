"""Open a model: the checkpoints of its members, and the backend that computes them."""

from __future__ import annotations

import glob
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seqcli import registry
from seqcli.api.checkpoint_config import OpenedCheckpoint, open_checkpoint
from seqcli.arrays.ensemble import Ensemble, Member
from seqcli.arrays.ragged import Ragged
from seqcli.config.sections import DEVICES
from seqcli.data.corpus import Codec, MaxLengths
from seqcli.data.vocabulary import SPECIALS, Vocabulary, visible_token
from seqcli.decoding.inference import Backend
from seqcli.errors import CheckpointError, UsageError, blamed
from seqcli.runs import RunPaths
from seqcli.runs.paths import MEMBERS, read_members

Ids: TypeAlias = NDArray[np.int64]
Ckpt: TypeAlias = str | Path | Sequence[str | Path]
"""Run folders, checkpoint files or patterns; several are an ensemble."""


@dataclass(frozen=True)
class OpenedMembers:
    """One checkpoint, or those of an ensemble, which agree in their tokenization.

    Args:
        name: the name of the model in messages and reports.
        members: the checkpoints; the first one determines the ids and the default settings.
    """

    name: str
    members: tuple[OpenedCheckpoint, ...]

    @property
    def first(self) -> OpenedCheckpoint:
        """The first member."""
        return self.members[0]

    @property
    def limits(self) -> MaxLengths:
        """The maximum lengths: the largest of any member."""
        every = [one.limits for one in self.members]
        source, target = max(one.source for one in every), max(one.target for one in every)
        return MaxLengths(source, target, every[0].labels)


@blamed(CheckpointError)
def open_members(ckpt: Ckpt) -> OpenedMembers:
    """Open and verify one or more checkpoints.

    Args:
        ckpt: a run folder (its best checkpoint, or those of its members), a checkpoint file, or a
            pattern such as ``runs/gru-s*``; or several of them.

    Raises:
        CheckpointError: a checkpoint is missing, damaged or not a seqcli checkpoint.
        UsageError: a checkpoint is named twice, or they do not fit together.
    """
    given = [ckpt] if isinstance(ckpt, str | Path) else list(ckpt)
    if not given:
        raise UsageError("no checkpoint is named", "give a run folder or a checkpoint file")
    paths = [path for one in given for path in _expanded(Path(one))]
    members = [open_checkpoint(path) for path in paths]
    _check_distinct([one.path for one in members])
    for other in members[1:]:
        _check_fit(members[0], other)
    is_run = len(given) == 1 and RunPaths(Path(given[0])).ensemble.exists()
    name = str(given[0]) if is_run else " + ".join(str(one.path) for one in members)
    return OpenedMembers(name, tuple(members))


def id_maps(first: Codec, other: Codec) -> tuple[Ids | None, Ids | None]:
    """Return the ids of another codec for the source and target ids of the first one.

    A map is None if the tokens have the same ids in both, or if there is no source.
    """
    source = None
    if first.source is not None and other.source is not None:
        source = _id_map(first.source, other.source)
    return source, _id_map(first.target, other.target)


def with_ids(rows: Ragged, ids: Ids | None) -> Ragged:
    """Return rows of ids of the first codec as ids of another one; see `id_maps`."""
    return rows if ids is None else Ragged(ids[rows.tokens].astype(np.int32), rows.offsets)


def _id_map(first: Vocabulary, other: Vocabulary) -> Ids | None:
    if first.tokens == other.tokens:
        return None
    return np.array([*range(len(SPECIALS)), *other.encode(first.tokens)], np.int64)


def _expanded(path: Path) -> Iterator[Path]:
    """Yield the members of an ensemble's run folder, the matches of a pattern, or the path itself.

    A pattern matches run folders and ``.pt`` files.

    Raises:
        CheckpointError: nothing matches the pattern, or an ensemble has an untrained member.
    """
    if path.is_dir() and RunPaths(path).ensemble.exists():
        yield from _members(RunPaths(path))
        return
    if path.exists() or not glob.has_magic(str(path)):
        yield path
        return
    matches = [Path(one) for one in sorted(glob.glob(str(path)))]  # noqa: PTH207 - may be absolute
    matches = [one for one in matches if one.suffix == ".pt" or RunPaths(one).has_checkpoint()]
    if not matches:
        hint = "quote the pattern; it must match run folders or .pt files"
        raise CheckpointError(f"{path}: matches no checkpoint", hint)
    for match in matches:
        yield from _members(RunPaths(match)) if RunPaths(match).ensemble.exists() else [match]


def _members(run: RunPaths) -> Iterator[Path]:
    members = read_members(run)
    trained = [member for member in members if member.has_checkpoint()]
    if len(trained) < len(members):
        message = f"{run.folder}: {len(trained)} of {len(members)} members have a checkpoint"
        hint = f"continue with seqcli train --resume {shlex.quote(str(run.folder))}"
        if trained:
            pattern = shlex.quote(f"{run.folder}/{MEMBERS}/*")
            hint += f", or use these: {pattern}"
        raise CheckpointError(message, hint)
    yield from (member.folder for member in members)


def _check_distinct(paths: Sequence[Path]) -> None:
    """Refuse a checkpoint that is named twice, which would give it twice the weight."""
    seen: dict[Path, Path] = {}
    for path in paths:
        if seen.setdefault(path.resolve(), path) is not path:
            message = f"{path}: this checkpoint is named twice"
            raise UsageError(message, "name each member of an ensemble once")


def _check_fit(first: OpenedCheckpoint, other: OpenedCheckpoint) -> None:
    """Refuse two checkpoints whose inputs or outputs differ.

    Raises:
        UsageError: the message names both files and the first difference.
    """
    problem = difference(first.checkpoint.codec, other.checkpoint.codec)
    if problem:
        message = f"{first.path} and {other.path} cannot form an ensemble: {problem}"
        raise UsageError(message, "average models that were trained on the same data")


def difference(
    first: Codec, other: Codec, names: tuple[str, str] = ("the first", "the second")
) -> str:
    """Describe the first difference of two codecs, called ``names``; "" if they fit together."""
    codecs = (first, other)
    if (first.source is None) != (other.source is None):
        kinds = ["for a language model" if c.source is None else "for pairs" for c in codecs]
        return f"{names[0]} is {kinds[0]}, {names[1]} {kinds[1]}"
    settings = [{**c.text_settings, "features": ("off", "on")[c.features]} for c in codecs]
    for what, one in settings[0].items():
        if one != settings[1][what]:
            return f"{what} is {one} in {names[0]} and {settings[1][what]} in {names[1]}"
    if first.source is not None and other.source is not None:
        problem = _token_difference("source", first.source, other.source, names)
        if problem:
            return problem
    return _token_difference("target", first.target, other.target, names)


def _token_difference(
    side: str, first: Vocabulary, other: Vocabulary, names: tuple[str, str]
) -> str:
    """Describe the first token that only one of two vocabularies has; "" if there is none."""
    for where, one, two in ((names[0], first, other), (names[1], other, first)):
        missing = two.unknown(one.tokens)
        if missing:
            return f"only {where} has the {side} token {visible_token(missing[0])}"
    return ""


AUTO = "auto"
# Work, in tokens times parameters, up to which NumPy is faster than importing and using PyTorch. On
# one core of a server CPU, PyTorch takes 1.9 s to import. NumPy takes at most 0.017 s longer per
# 1e9 of work: GRU of 64 and 256, 2-layer LSTM of 256 and 512, Transformer of 128; greedy decoding,
# beam 5 and log-likelihoods, 1 to 1000 rows. For a few rows NumPy is 1.5 to 3 times as fast.
NUMPY_WORK = 1e11
_CPU = ("auto", "cpu")  # devices for which NumPy may be used


class BackendChoice:
    """Choose a backend, and load it on first use.

    With "auto", NumPy computes the model until the total work exceeds `NUMPY_WORK`; PyTorch takes
    over from then on.

    Args:
        opened: the checkpoint, or those of an ensemble.
        name: auto, torch or numpy.
        device: the device to compute on, one of `seqcli.config.sections.DEVICES`, with PyTorch
            unless it is the CPU; by default that of the training, if it is available.
        threads: CPU threads; by default those of the training for PyTorch, and 1 for NumPy.

    Raises:
        UsageError: the backend or the device does not exist, or they do not fit together.
    """

    def __init__(
        self,
        opened: OpenedMembers,
        name: str,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        self.opened = opened
        self.name = _backend_for(registry.check("backend", name, (AUTO, *LOADERS)), device)
        trained = opened.first.config.train.device
        self.device = device or (trained if trained != "cuda" else "auto")
        self._threads = threads
        self.work = 0.0
        weights = [one.checkpoint.weights for one in opened.members]
        self.parameters = sum(weight.size for some in weights for weight in some.values())
        self._loaded: dict[str, Backend] = {}

    def for_tokens(self, tokens: int) -> Backend:
        """Return the backend to compute ``tokens`` more tokens with."""
        return self.named(self.name_for(tokens))

    def named(self, name: str) -> Backend:
        """Return the backend of a name, torch or numpy."""
        if name not in self._loaded:
            self._loaded[name] = _load(self.opened, name, self.device)
            _set_threads(name, self._threads)
        return self._loaded[name]

    def name_for(self, tokens: int) -> str:
        """Add ``tokens`` tokens to the work, and return the name of the backend for them."""
        self.work += float(tokens) * self.parameters
        return self._automatic() if self.name == AUTO else self.name

    def _automatic(self) -> str:
        from seqcli.numpy_backend.forward import has_forward

        is_small = self.work <= NUMPY_WORK and "torch" not in self._loaded
        forward = all(has_forward(one.config.model) for one in self.opened.members)
        return "numpy" if is_small and forward else "torch"


def _backend_for(name: str, device: str | None) -> str:
    """Return the backend to use with a device that the user chose: a GPU requires PyTorch."""
    if device is None or registry.check("device", device, DEVICES) == "cpu":
        return name
    if name == "numpy":
        raise UsageError(f"--backend numpy cannot use --device {device}", "omit one of them")
    return "torch"


def _load(opened: OpenedMembers, name: str, device: str) -> Backend:
    """Load a model, or all members of an ensemble, into the backend of a name."""
    backends = [LOADERS[name](_with_device(one, device)) for one in opened.members]
    if len(backends) == 1:
        return backends[0]
    members, codec = [], opened.first.checkpoint.codec
    for backend, one in zip(backends, opened.members, strict=True):
        maps = id_maps(codec, one.checkpoint.codec)
        arrays = (None if ids is None else backend.array(ids) for ids in maps)
        members.append(Member(backend.model, *arrays))
    return backends[0].with_model(Ensemble(tuple(members)))


def _with_device(one: OpenedCheckpoint, device: str) -> OpenedCheckpoint:
    """Return a checkpoint that is loaded on a device."""
    train = replace(one.config.train, device=device)
    return replace(one, config=replace(one.config, train=train))


def _set_threads(backend: str, threads: int | None) -> None:
    """Set the number of CPU threads of a backend; None keeps it."""
    if threads and backend == "torch":
        import torch

        torch.set_num_threads(threads)
    elif threads:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads, user_api="blas")


def load_numpy(opened: OpenedCheckpoint) -> Backend:
    """Load a model into NumPy.

    Raises:
        CheckpointError: the weights do not fit the configuration.
        UsageError: a part of the model has no NumPy implementation.
    """
    from threadpoolctl import threadpool_limits

    from seqcli.numpy_backend.forward import load_model
    from seqcli.numpy_backend.forward.base import NumpyBackend

    threadpool_limits(1, user_api="blas")  # more threads are slower for models of this size
    dtype = np.float64 if opened.config.train.precision == "float64" else np.float32
    parts = (opened.checkpoint, opened.config, opened.limits, opened.path)
    return NumpyBackend(load_model(*parts, dtype))


def load_torch(opened: OpenedCheckpoint) -> Backend:
    """Load a model into PyTorch, on the device ``train.device`` of its configuration.

    Raises:
        CheckpointError: the weights do not fit the configuration.
        UsageError: the device is not available.
    """
    import torch

    from seqcli.checkpoints import torch_file
    from seqcli.models import kernels
    from seqcli.models.base import TorchBackend
    from seqcli.models.build import load_model
    from seqcli.training.torch_batches import choose_device

    train = opened.config.train
    kernels.use(train.kernels)
    device = choose_device(train.device, train.precision)
    torch.set_num_threads(train.threads or 1)
    checkpoint = torch_file.with_tensors(opened.checkpoint)
    model = load_model(checkpoint, opened.config, opened.limits, opened.path)
    return TorchBackend(model.to(device).eval())


LOADERS: Mapping[str, Callable[[OpenedCheckpoint], Backend]] = {
    "torch": load_torch,
    "numpy": load_numpy,
}
