"""How tokens are drawn from a model: temperature, top-k, top-p."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from seqcli import registry
from seqcli.errors import UsageError

Scalar = bool | int | float | str


@dataclass(frozen=True)
class OneOf:
    """One of some names. ``empty``: an empty text will do as well (nothing chosen)."""

    names: tuple[str, ...]
    empty: bool = False

    def allows(self, value: Scalar) -> bool:
        """Say whether ``value`` is one of the names."""
        return value in self.names or (self.empty and value == "")

    def __str__(self) -> str:
        return " one of " + ", ".join(self.names)


@dataclass(frozen=True)
class Range:
    """A number between two bounds; None leaves a side open."""

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None

    def allows(self, value: Scalar) -> bool:
        """Say whether ``value`` lies inside."""
        assert not isinstance(value, str)
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def __str__(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            return f" from {self.at_least} to {self.at_most}"
        low = f" above {self.above}" if self.at_least is None else f" of at least {self.at_least}"
        below = "" if self.below is None else f" and below {self.below}"
        return low + below + ("" if self.at_most is None else f" and at most {self.at_most}")


Limit = OneOf | Range


def one_of(names: Iterable[str], *more: str, empty: bool = False) -> OneOf:
    """Return the limit "one of ``more`` or ``names``" (a registry table will do)."""
    return OneOf((*more, *names), empty)


COLDEST, HOTTEST = 1e-3, 1e3  # beyond these float32 has no digits left for the logits


@dataclass(frozen=True)
class Drawing:
    """How the next token is drawn; as it stands, just as the model says.

    Args:
        temperature: logits are divided by it, from 0.001 to 1000. Below 1: more conservative;
            above 1: more diverse.
        top_k: draw from so many of the likeliest tokens only (Fan et al. 2018, arXiv:1805.04833);
            0, or more than there are, keeps all.
        top_p: draw from the fewest tokens that together have this probability (nucleus sampling,
            Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all.

    Raises:
        UsageError: a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not COLDEST <= self.temperature <= HOTTEST:
            hint = "give a number from 0.001 to 1000; --greedy takes the likeliest token each time"
            raise UsageError(f"the temperature cannot be {self.temperature:g}", hint)
        if self.top_k < 0:
            raise UsageError(f"top-k cannot be {self.top_k}", "give 1 or more; 0 keeps all")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p cannot be {self.top_p:g}", "give a number above 0, up to 1")


# The upper bounds are far above any use; they keep a damaged or hostile checkpoint from asking
# for all the memory there is.
Count = Annotated[int, Range(at_least=0, at_most=10**9)]
Positive = Annotated[int, Range(at_least=1, at_most=10**9)]
Width = Annotated[int, Range(at_least=1, at_most=2**16)]
Depth = Annotated[int, Range(at_least=1, at_most=2**8)]
Seed = Annotated[int, Range(at_least=0, at_most=2**32 - 1)]
Share = Annotated[float, Range(at_least=0, below=1)]
Chance = Annotated[float, Range(at_least=0, at_most=1)]
# float32 has no room for more; a loss or gradient scaled by more is no number
NotNegative = Annotated[float, Range(at_least=0, at_most=10**9)]
TokenStyle = Annotated[str, one_of(registry.TOKEN_STYLES, "auto")]


@dataclass(frozen=True)
class DataConfig:
    """What to train on: a task by name, or a path."""

    task: Annotated[str, one_of(registry.TASKS, empty=True)] = ""
    """A synthetic task (see `seqcli tasks`)."""
    path: str = ""
    """A folder made by gen-data, or a file of pairs or of names that is split for you; two files
    side by side with a comma between them."""
    train_file: str = ""
    """The file of training rows, where rows are not to be split for you."""
    val_file: str = ""
    """The file of validation rows that goes with it."""
    test_file: str = ""
    """The file of test rows that goes with it."""
    format: Annotated[str, one_of(registry.FORMATS, "auto")] = "auto"
    """How files are written; auto goes by the name, then by whether there are tabs."""
    columns: str = ""
    """Which column is what: target=1,source=2,- by place, source=word,target=pron by the names in
    a header or by JSON keys; also features= and count=."""
    separator: str = ""
    """What is between columns, where it is not a tab (or, in CSV, a comma): a text such as ; or
    |||, or tab, space (the last column takes the rest) or spaces (two or more)."""
    counts: Annotated[str, one_of(("weights", "repeats", "ignore"))] = "weights"
    """What a count column does in training: weigh the loss of its row, repeat the row, nothing."""
    train: Positive = 10000
    """Training rows of a task."""
    val: Positive = 1000
    """Validation rows of a task."""
    test: Count = 1000
    """Test rows of a task."""
    seed: Seed = 0
    """Seed of a task's rows, or of the split of a file."""
    source_tokens: TokenStyle = "auto"
    """How the sources of a file are cut into tokens; auto chooses by the training rows."""
    target_tokens: TokenStyle = "auto"
    """How the targets of a file are cut into tokens; whole is for labels, auto chooses by the
    training rows."""
    normalize: Annotated[str, one_of(("none", "nfc", "nfd"))] = "none"
    """Unicode normalization of both sides."""
    lower: Annotated[str, one_of(("none", "source", "target", "both"))] = "none"
    """Which side is put in lower case."""
    max_length: Positive = 1000
    """Tokens of a source or target above which its row is left out."""
    max_bad_fraction: Chance = 0.1
    """Share of rows that cannot be used above which a file is refused; blank lines do not count."""
    strict: bool = False
    """Refuse a file for the first row that cannot be used, blank lines too."""


@dataclass(frozen=True)
class ModelConfig:
    """What the model is."""

    cell: Annotated[str, one_of(registry.CELLS)] = "gru"
    """What the model is built of."""
    attention: Annotated[str, one_of(registry.ATTENTIONS, "none")] = "none"
    """How a recurrent decoder looks back at the source: additive is Bahdanau's, dot and general
    are Luong's."""
    layers: Depth = 1
    """Layers of the encoder, and of the decoder."""
    hidden: Width = 128
    """Width of the state, or of the Transformer."""
    embedding: Width = 64
    """Width of the embeddings; the Transformer takes `hidden` instead, a recurrent language model
    has none."""
    bidirectional: bool = True
    """Read the source in both directions (recurrent encoders)."""
    bridge: bool = True
    """A learned layer from the encoder's last state to the decoder's first."""
    dropout: Share = 0.1
    """Dropout on embeddings, between layers and before the output."""
    embedding_dropout: Annotated[str, one_of(("type", "position"))] = "type"
    """Dropout of a recurrent model's embeddings: type draws one mask per distinct token of a batch
    (as in variational dropout), position draws one per position."""
    activation: Annotated[str, one_of(("tanh", "relu"))] = "tanh"
    """The nonlinearity of the rnn cell."""
    init: Annotated[str, one_of(registry.INITIALIZATIONS)] = "default"
    """How weights begin; default is PyTorch's way."""
    heads: Depth = 4
    """Attention heads of the Transformer."""
    feedforward: Width = 256
    """Width of the Transformer's feed-forward layers."""
    norm: Annotated[str, one_of(("pre", "post"))] = "pre"
    """Where the Transformer's layer norms stand, before or after each part."""
    continue_positions: bool = False
    """Count the Transformer's target positions on from the end of the source."""
    positions: Annotated[str, one_of(registry.POSITIONS)] = "sinusoidal"
    """How the Transformer knows where a token stands."""


@dataclass(frozen=True)
class TrainConfig:
    """How the model is trained."""

    epochs: Positive = 20
    """Passes over the training rows."""
    iterations: Count = 0
    """Optimizer steps in all, in place of epochs; 0 leaves it to the epochs."""
    seconds: NotNegative = 0.0
    """Stop after so many seconds, whatever the epochs say, and score; 0 never stops."""
    batch_size: Positive = 64
    """Rows per optimizer step."""
    optimizer: Annotated[str, one_of(registry.OPTIMIZERS)] = "adamw"
    """What turns gradients into steps."""
    lr: Annotated[float, Range(above=0, at_most=10**9)] = 2e-3
    """Learning rate (the peak, where there is a schedule)."""
    momentum: Share = 0.9
    """Momentum of sgd."""
    weight_decay: NotNegative = 1e-5
    """Weight decay (decoupled for adamw)."""
    grad_clip: NotNegative = 1.0
    """Largest norm of the gradient; 0 turns clipping off."""
    grad_clip_value: NotNegative = 0.0
    """Largest entry of the gradient, cut before its norm is; 0 turns that off."""
    schedule: Annotated[str, one_of(registry.SCHEDULES)] = "cosine"
    """How the learning rate goes on after the warm-up."""
    warmup: Count = 100
    """Steps over which the learning rate rises from 0."""
    plateau_factor: Annotated[float, Range(above=0, below=1)] = 0.5
    """What the plateau schedule multiplies the learning rate by."""
    plateau_patience: Count = 2
    """Epochs without improvement before it does."""
    label_smoothing: Share = 0.0
    """Share of the target spread over all tokens."""
    teacher_forcing: Chance = 1.0
    """Chance, at each step, that the decoder is fed the true token, at the start of training."""
    teacher_forcing_end: Chance = 0.0
    """The same at the end of training, where there is a schedule."""
    teacher_forcing_schedule: Annotated[str, one_of(registry.TEACHER_SCHEDULES)] = "constant"
    """How that chance falls over the epochs."""
    metric: Annotated[str, one_of(registry.METRICS)] = "loss"
    """What on validation makes a checkpoint the best."""
    patience: Count = 0
    """Epochs without improvement before training stops; 0 never stops."""
    target_accuracy: Annotated[float, Range(at_least=0, at_most=2)] = 1.0
    """Stop once sequence accuracy on validation reaches this; 2 never stops."""
    seed: Seed = 0
    """Seed of initial weights, batch order, dropout and teacher forcing."""
    backend: Annotated[str, one_of(registry.BACKENDS)] = "torch"
    """Who does the sums; numpy trains rnn, gru and lstm language models without PyTorch."""
    threads: Annotated[int, Range(at_least=0, at_most=1024)] = 0
    """CPU threads; 0 chooses by a short probe."""
    device: Annotated[str, one_of(("auto", "cpu", "cuda", "mps"))] = "auto"
    """Where to compute; auto takes a GPU if there is one."""
    kernels: Annotated[str, one_of(("auto", "reference"))] = "auto"
    """CPU kernels: auto uses hand-written ones where they are faster, reference plain autograd."""
    precision: Annotated[str, one_of(("float32", "float64", "bf16"))] = "float32"
    """Number format of training; bf16 is mixed precision."""
    samples: Annotated[int, Range(at_least=0, at_most=1000)] = 5
    """Names drawn and shown after each epoch (language models)."""
    save_every: NotNegative = 30.0
    """Seconds between checkpoints inside an epoch (there is one after each epoch anyway)."""


@dataclass(frozen=True)
class DecodeConfig:
    """How answers are searched for."""

    beam: Annotated[int, Range(at_least=1, at_most=1000)] = 1
    """Beam width; 1 is greedy."""
    length_penalty: Annotated[float, Range(at_least=0, at_most=10)] = 1.0
    """Scores are divided by length to this power; 0 compares plain sums."""


@dataclass(frozen=True)
class Config:
    """All sections. ``task`` holds the options of the task, checked by the task itself."""

    data: DataConfig = DataConfig()
    task: Mapping[str, Any] = field(default_factory=dict)
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    decode: DecodeConfig = DecodeConfig()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Dotted key -> where its value came from, for keys that were set."""


def describe(config: ModelConfig, language: bool = False) -> str:
    """Return one line that says what the model (a language model?) is."""
    layers = "1 layer" if config.layers == 1 else f"{config.layers} layers"
    if config.cell == "transformer":
        kind, each = ("Transformer language model", "") if language else ("Transformer", " each")
        return (
            f"{kind}, {layers}{each}, {config.hidden} wide, {config.heads} heads, "
            f"{config.positions} positions, {config.norm}-norm"
        )
    cell = f"{config.activation} RNN" if config.cell == "rnn" else config.cell.upper()
    if language:
        return f"{cell} language model, {layers}, {config.hidden} wide"
    encoder = "bidirectional" if config.bidirectional else "one-way"
    attention = f"{config.attention} attention" if config.attention != "none" else "no attention"
    return f"{cell} encoder-decoder, {layers}, {config.hidden} wide, {encoder}, {attention}"
