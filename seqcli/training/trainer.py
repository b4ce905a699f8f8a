"""The interface of a trainer, which the training loop uses with either backend, and its state.

The state that a resumed run restores is validated here: optimizer, averaging and random states.
The progress of training is validated by `seqcli.training.progress`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Protocol, SupportsFloat, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from seqcli import schema
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.data.batches import Batch
from seqcli.data.corpus import Corpus
from seqcli.events import Example
from seqcli.schema import OPEN, Array, SchemaError, is_array
from seqcli.training.progress import Progress

SAMPLED_ROWS = 500  # training rows that are decoded after each epoch
Tick: TypeAlias = Callable[[], None]  # called between batches of validation


@dataclass(frozen=True)
class TrainingStep:
    """The input of a training step.

    Args:
        batch: the rows to train on.
        learning_rate: of this step.
        done: the fraction of the run that is done, from 0 to 1.
        number: of the step in the run, from 0.
    """

    batch: Batch
    learning_rate: float
    done: float
    number: int = 0


@dataclass(frozen=True)
class StepResult:
    """The result of a training step.

    The numbers may still be on an accelerator: reading them waits until the step is computed.

    Args:
        loss: mean loss before the step, in nats per token.
        tokens: target tokens of the batch, ``<eos>`` included.
        grad_norm: norm of the gradients before they are clipped by norm.
    """

    loss: SupportsFloat
    tokens: int
    grad_norm: SupportsFloat


class Pending(NamedTuple):
    """A step whose result has not been read yet."""

    number: int
    learning_rate: float
    result: StepResult


@dataclass(frozen=True)
class EpochMetrics:
    """The evaluation at the end of an epoch.

    Args:
        metrics: as in `seqcli.events.EpochEnded`.
        examples: validation rows with their predictions.
        samples: texts drawn from a language model.
    """

    metrics: Mapping[str, float]
    examples: tuple[Example, ...] = ()
    samples: tuple[str, ...] = ()


def scored_rows(corpus: Corpus) -> int:
    """Return the number of rows that are scored after each epoch."""
    validation = len(corpus.splits["val"]) if "val" in corpus.splits else 0
    language = corpus.codec.source is None
    return validation + (0 if language else min(SAMPLED_ROWS, len(corpus.splits["train"])))


class Trainer(Protocol):
    """A model with its optimizer."""

    def training_step(self, step: TrainingStep) -> StepResult:
        """Update the weights with the gradient of one batch."""

    def evaluate(self, epoch: int, done: float, tick: Tick) -> EpochMetrics:
        """Score the validation rows; call ``tick`` between batches."""

    def weights(self) -> Mapping[str, Any]:
        """Return the weights by PyTorch's names."""

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Replace the weights before the first step, by PyTorch's names."""

    def state(self) -> dict[str, Any]:
        """Return the state to resume from, except the weights, as plain data and arrays."""

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore the return value of `state`, from either backend."""


class Save(Protocol):
    """Commit the state of a run; see `seqcli.api.recording` for the protocol."""

    def __call__(
        self, training: Mapping[str, Any], progress: Progress, *, stopping: bool = False
    ) -> None:
        """Commit the state.

        Args:
            training: the state to resume from, including ``progress`` but not the weights.
            progress: the progress of training; at the end of an epoch its ``batch`` is 0.
            stopping: whether the run is about to be interrupted.
        """


@dataclass(frozen=True)
class TrainerSetup:
    """A trainer and what it runs on; see `seqcli.registry.BACKENDS`.

    Args:
        trainer: with fresh weights, or with those of a checkpoint.
        config: the configuration with the number of threads filled in.
        model: a description of the model.
        parameters: the number of trained weights.
        device: its name.
        save: writes a checkpoint file atomically.
    """

    trainer: Trainer
    config: Config
    model: str
    parameters: int
    device: str
    save: Callable[[Path, Checkpoint], None]


_Bytes = Annotated[Any, Array(("uint8",), axes=1)]
_State = dict[int, dict[str, Any]]


class RandomState(TypedDict, total=False):
    """The states of PyTorch's random number generators."""

    cpu: _Bytes
    cuda: list[_Bytes]


class _Group(TypedDict):
    """The weights of an optimizer, by number; its settings come from the configuration."""

    params: list[int]


class _Optimizer(TypedDict):
    """The layout of ``torch.optim.Optimizer.state_dict()``."""

    state: _State
    param_groups: tuple[Annotated[_Group, OPEN]]


def optimizer_state(
    training: Mapping[str, Any], shapes: Sequence[tuple[int, ...]], kept: Mapping[str, bool | None]
) -> _State:
    """Return the optimizer state of each weight; empty before the first step.

    Args:
        training: the training state of a checkpoint.
        shapes: the shapes of the weights, in order.
        kept: the buffers of each weight: name -> True for a scalar, False for an array of the
            weight's shape, and None for an array that may be missing.

    Raises:
        SchemaError: a key or shape differs, or a number is NaN or infinite.
    """
    where = "training.optimizer"
    optimizer = schema.read(_Optimizer, training.get("optimizer"), where)
    state: _State = optimizer["state"]
    numbers = list(range(len(shapes)))
    if optimizer["param_groups"][0]["params"] != numbers or sorted(state) not in ([], numbers):
        raise SchemaError(f"{where} belongs to another model")
    for number, buffers in state.items():
        place = f"{where}.state.{number}"
        if set(buffers) != set(kept):
            raise SchemaError(f"{place} must have the keys {', '.join(kept)}")
        for name, value in buffers.items():
            if value is not None or kept[name] is not None:
                _check(value, () if kept[name] else shapes[number], f"{place}.{name}")
    return state


def _check(value: object, shape: tuple[int, ...], place: str) -> None:
    schema.read(Annotated[Any, Array(("float32", "float64", "float16"))], value, place)
    assert is_array(value)
    numbers: Any = value
    if tuple(numbers.shape) != shape:
        raise SchemaError(f"{place} has shape {tuple(numbers.shape)}, not {shape}")
    if not np.isfinite(np.asarray(numbers)).all():
        raise SchemaError(f"{place} contains NaN or infinite numbers")
