"""Events of a training run: frozen records that are passed to listeners.

Training emits events and reports receive them. Records contain numbers, strings and tuples, never
tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ParamSpec, TypeAlias, get_args

from seqcli import schema
from seqcli.errors import Exit, SeqcliError
from seqcli.messages import count, note, plural, reason

P = ParamSpec("P")
Setting: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class FileRead:
    """A file of rows was read. ``rows`` counts all rows, ``kept`` those that are used."""

    path: str
    split: str  # "train", "val", "test", or "" if its rows are split by source
    format: str
    rows: int
    kept: int


@dataclass(frozen=True)
class SplitRead:
    """The rows of a split were read; lengths are (median, longest), in tokens."""

    split: str
    rows: int
    sources: int  # distinct sources; for a language model, distinct texts
    source_length: tuple[float, int]
    target_length: tuple[float, int]
    shared: int  # rows whose source is also in an earlier split
    unknown_rows: int  # rows with tokens that are not in train
    unknown_tokens: int
    weight: float = 0.0  # the sum of a count column; 0 without one


@dataclass(frozen=True)
class Finding:
    """Rows of a file that are flagged for one reason, with their first line numbers."""

    path: str
    split: str
    kind: str  # "blank", "duplicate" ...
    what: str  # the reason in words
    left_out: bool
    example: str = ""  # detail of the first row
    count: int = 0
    lines: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Describe the finding: file, number of rows, reason, example, and lines."""
        hidden = self.count - len(self.lines)
        more = f" and {count(hidden)} more" if hidden > 0 else ""
        lines = f"line{'s' * (self.count > 1)} {', '.join(map(str, self.lines))}{more}"
        example = f"; {'first: ' * (self.count > 1)}{self.example}" if self.example else ""
        action = "left out" if self.left_out else "kept"
        return f"{self.path}: {plural(self.count, 'row')} {action}: {self.what}{example} ({lines})"


@dataclass(frozen=True)
class DataRead:
    """The user's files were read. Every row is kept or listed in the findings."""

    files: tuple[FileRead, ...]
    splits: tuple[SplitRead, ...]
    vocabulary: tuple[int, int]  # sizes of the source and the target vocabulary
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    named_rows: str = ""  # the file that lists all flagged rows
    tokens: tuple[str, str] = ("", "")  # tokenization of sources ("" without any) and targets
    recipe: str = ""  # what the recipe would choose for a run on the data; "" in a run
    monotonic_gain: float | None = None  # see `seqcli.config.recipes.DataFacts`; None in a run


@dataclass(frozen=True)
class RunFacts:
    """Facts about a run that the fit diagnosis uses in addition to its curves.

    Args:
        folder: the run folder; "" if unknown.
        lr, hidden, dropout, patience: settings of the configuration.
        doubled_limit: the option that doubles the limit of training, such as ``--epochs 40``.
        could_attend: whether attention could be added to the model.
        by_hand: whether it is trained by the NumPy backend, which has no dropout.
        drawn_rows: training rows of a synthetic task; 0 for files.
        val_rows: validation rows.
        has_test: whether there are test rows.
        baselines: (name, metric -> score) of each baseline on validation.
        attention_hint: a line on what attention would add to the model; "" if it is no option.
    """

    folder: str = ""
    lr: float = 0.0
    hidden: int = 0
    dropout: float = 0.0
    patience: int = 0
    doubled_limit: str = ""
    could_attend: bool = False
    by_hand: bool = False
    drawn_rows: int = 0
    val_rows: int = 0
    has_test: bool = True
    baselines: tuple[tuple[str, Mapping[str, float]], ...] = ()
    attention_hint: str = ""


@dataclass(frozen=True)
class RunStarted:
    """A run starts or resumes (``epochs_done`` > 0)."""

    name: str  # for example "reverse-gru-attention"
    folder: str  # the run folder; "" when nothing is written
    model: str  # one line that describes the model
    parameters: int
    rows: Mapping[str, int]  # split -> rows
    vocabulary: tuple[int, int]  # sizes of the source and the target vocabulary
    device: str
    threads: int
    epochs: int  # 0 without a limit but the time budget
    batch_size: int
    epochs_done: int = 0
    steps_done: int = 0
    notes: tuple[str, ...] = ()
    file: str = ""  # the copy of the best checkpoint (``--out FILE.pt``), if any
    recipe: str = ""  # what the recipe chose; "" if that is nothing
    facts: RunFacts = RunFacts()
    processes: int = 1  # that share the training; each has its device or threads
    settings: Mapping[str, Setting] = field(default_factory=dict)  # dotted key -> value


@dataclass(frozen=True)
class Progress:
    """The progress of an epoch, emitted a few times per second."""

    epoch: int
    epochs: int  # 0 without a limit but the time budget
    step: int  # within the epoch, from 1
    steps: int  # steps in an epoch
    sequences_per_second: float
    phase: str = "train"  # "train" or "validate"
    smoothed_loss: float | None = None  # running mean, nats per token
    share: float | None = None  # completed fraction of a run with a time budget


@dataclass(frozen=True)
class Example:
    """One validation row: source, truth and prediction."""

    source: str
    truth: tuple[str, ...]
    prediction: tuple[str, ...]
    joiner: str = " "  # joins tokens to a text: "" for characters


@dataclass(frozen=True)
class EpochEnded:
    """An epoch and its validation ended.

    ``metrics`` contains, in this order if known: train_loss, smoothed_loss (running mean over
    steps), val_loss (nats per token, teacher forced), val_bits_per_character and val_perplexity (of
    language models, ``<eos>`` included), {train,val}_token_accuracy,
    {train,val}_sequence_accuracy (free running, greedy), val_token_error_rate, teacher_forcing,
    learning_rate, seconds, sequences_per_second.
    """

    epoch: int
    epochs: int
    step: int  # optimizer steps since the start of the run
    metrics: Mapping[str, float]
    improved: bool
    examples: tuple[Example, ...] = ()
    samples: tuple[str, ...] = ()  # sampled from a language model


@dataclass(frozen=True)
class Saved:
    """A checkpoint was written."""

    path: str
    best: bool
    epoch: int


@dataclass(frozen=True)
class Finished:
    """Training ended.

    ``reason``: "epochs", "steps", "budget", "patience", "target_accuracy", "interrupted".
    """

    epochs: int
    best_epoch: int
    best: Mapping[str, float]  # the metrics of the best epoch
    reason: str
    seconds: float
    history: tuple[Mapping[str, float], ...] = field(default=())
    updates: int = 0  # optimizer steps of the whole run


@dataclass(frozen=True)
class RunRestarted:
    """The process of a run died, and the run continues in another one.

    Args:
        cause: such as "killed by SIGKILL".
        restart: the number of restarts since the last new checkpoint, from 1.
        limit: the maximum number.
    """

    cause: str
    restart: int
    limit: int


@dataclass(frozen=True)
class RunFailed:
    """A run ended with an error, or its process died too often; other runs continue.

    Args:
        message, hint: as in `seqcli.errors.SeqcliError`.
        exit_code: the exit code of the error.
    """

    message: str
    hint: str
    exit_code: int

    def error(self, run: str) -> SeqcliError:
        """Return the error, with the name of the run before its message."""
        made = SeqcliError(f"{run}: {self.message}", self.hint)
        made.exit_code = Exit(self.exit_code)
        return made


@dataclass(frozen=True)
class EnsembleStarted:
    """The training of an ensemble starts or resumes, ``jobs`` members at a time."""

    folder: str
    members: tuple[str, ...]
    jobs: int
    rows: Mapping[str, int]  # split -> rows
    notes: tuple[str, ...] = ()


# events of a single run
RunEvent: TypeAlias = (
    DataRead | RunStarted | Progress | EpochEnded | Saved | Finished | RunRestarted | RunFailed
)


@dataclass(frozen=True)
class MemberEvent:
    """An event of the training of a member."""

    member: str
    event: RunEvent | MemberFinished


@dataclass(frozen=True)
class MemberFinished:
    """The training of a member ended, now or before it was resumed."""

    name: str
    seed: int
    epochs: int
    best_epoch: int
    reason: str  # see `Finished`; also "diverged"
    seconds: float


@dataclass(frozen=True)
class EnsembleFinished:
    """The training of an ensemble ended.

    ``validation`` contains the validation scores of each member, in order, and then those of the
    ensemble, all decoded alike; it is empty without validation rows.
    """

    members: tuple[MemberFinished, ...]
    validation: tuple[Mapping[str, float], ...]
    seconds: float


@dataclass(frozen=True)
class PartsProgress:
    """The progress of a bulk prediction, when a part is complete or a worker process has died.

    ``share`` is the fraction of the input that has predictions, ``new_share`` the fraction that
    got them in this call; ``lines`` counts the lines of ``new_share``.
    """

    lines: int
    share: float
    new_share: float
    problem: str = ""


Event: TypeAlias = RunEvent | EnsembleStarted | MemberEvent | EnsembleFinished
Listener: TypeAlias = Callable[[Event], None]


def broadcast(*listeners: Listener, essential: Sequence[Listener] = ()) -> Listener:
    """Return a listener that passes each event to all given listeners.

    Args:
        listeners: each is dropped with a note if it fails; training continues without it.
        essential: called first; an exception stops the run.
    """
    every = (*essential, *map(dispensable, listeners))

    def notify(event: Event) -> None:
        for listen in every:
            listen(event)

    return notify


def dispensable(listen: Callable[P, object]) -> Callable[P, None]:
    """Wrap a listener such that it is dropped, with one note, when it first raises an exception."""
    failed = False

    def notify(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal failed
        if failed:
            return
        try:
            listen(*args, **kwargs)
        except Exception as error:
            failed = True
            note(f"{_name(listen)} failed and is disabled: {reason(error)}")

    return notify


def _name(listen: object) -> str:
    """Return the name of a listener: of its function or class."""
    return str(getattr(listen, "__name__", type(listen).__name__)).strip("<>")


def to_plain(event: RunEvent) -> dict[str, Any]:
    """Return an event of a run as plain data, to be sent to another machine."""
    return {"event": type(event).__name__, **asdict(event)}


def from_plain(plain: Mapping[str, Any]) -> RunEvent:
    """Return the event that `to_plain` converted.

    Raises:
        KeyError, SchemaError: it is not such an event.
    """
    kinds: dict[str, Any] = {kind.__name__: kind for kind in get_args(RunEvent)}
    fields = {name: value for name, value in plain.items() if name != "event"}
    event: RunEvent = schema.read(kinds[plain["event"]], fields)
    return event
