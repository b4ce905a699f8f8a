"""The sections of the configuration: every key with its type, default, limit and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from seqcli import registry
from seqcli.config.limits import (
    Count,
    Depth,
    Fraction,
    NotNegative,
    Positive,
    Probability,
    Range,
    Seed,
    SomeOf,
    Time,
    TokenStyle,
    Width,
    one_of,
)
from seqcli.errors import UsageError

COLDEST, HOTTEST = 1e-3, 1e3  # beyond these, float32 cannot represent the logits
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class SamplingConfig:
    """Settings for sampling the next token; the default is the distribution of the model.

    Args:
        temperature: divides the logits, from 0.001 to 1000. Below 1: more conservative; above 1:
            more diverse.
        top_k: sample from the k most probable tokens (Fan et al. 2018, arXiv:1805.04833); 0 keeps
            all tokens.
        top_p: sample from the fewest tokens with this total probability (nucleus sampling,
            Holtzman et al. 2020, arXiv:1904.09751); 1 keeps all tokens.

    Raises:
        UsageError: a value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not COLDEST <= self.temperature <= HOTTEST:
            hint = "give a number from 0.001 to 1000; --greedy takes the most probable token"
            raise UsageError(f"the temperature cannot be {self.temperature:g}", hint)
        if self.top_k < 0:
            raise UsageError(f"top-k cannot be {self.top_k}", "give 1 or more; 0 keeps all")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top-p cannot be {self.top_p:g}", "give a number above 0, up to 1")


RECIPES = ("auto", "quick", "best", "none")


@dataclass(frozen=True)
class DataConfig:
    """The data: a synthetic task, or files."""

    task: Annotated[str, one_of(registry.TASKS, empty=True)] = ""
    """Synthetic task (see `seqcli tasks`)."""
    path: str = ""
    """Folder written by gen-data, or a file of pairs or names, which is split automatically; or two
    parallel files, separated by a comma."""
    train_file: str = ""
    """File of training rows, for data that is already split."""
    val_file: str = ""
    """File of validation rows."""
    test_file: str = ""
    """File of test rows."""
    format: Annotated[str, one_of(registry.FORMATS, "auto")] = "auto"
    """File format; auto detects it by the file name, then by the content."""
    columns: str = ""
    """Roles of columns: by position, such as target=1,source=2,- or by the names in a header or by
    JSON keys, such as source=word,target=pron; also features= and count=."""
    separator: str = ""
    """Column separator if it is not a tab (in CSV: a comma): a text such as ; or |||, or one of
    tab, space (the last column takes the rest of the line) and spaces (two or more)."""
    counts: Annotated[str, one_of(("weights", "repeats", "ignore"))] = "weights"
    """Use of a count column in training: weight the loss of a row, repeat the row, or ignore it."""
    train: Positive = 10000
    """Training rows of a task."""
    val: Positive = 1000
    """Validation rows of a task."""
    test: Count = 1000
    """Test rows of a task."""
    seed: Seed = 0
    """Random seed of a task's rows, or of the split of a file."""
    source_tokens: TokenStyle = "auto"
    """Tokenization of the sources of a file; auto chooses by the training rows."""
    target_tokens: TokenStyle = "auto"
    """Tokenization of the targets of a file; whole makes one token of a text, for labels."""
    normalize: Annotated[str, one_of(("none", "nfc", "nfd"))] = "none"
    """Unicode normalization of both sides."""
    lower: Annotated[str, one_of(("none", "source", "target", "both"))] = "none"
    """Side to lowercase."""
    max_length: Positive = 1000
    """Maximum length of a source or target in tokens; longer rows are left out."""
    max_bad_fraction: Probability = 0.1
    """Maximum fraction of unusable rows before a file is rejected; blank lines do not count."""
    strict: bool = False
    """Refuse a file at its first unusable row or blank line."""


@dataclass(frozen=True)
class ModelConfig:
    """The model."""

    cell: Annotated[str, one_of(registry.CELLS)] = "gru"
    """Architecture: a recurrent cell, or a Transformer."""
    attention: Annotated[str, one_of(registry.ATTENTIONS, "none")] = "none"
    """Attention of a recurrent decoder: additive (Bahdanau), dot or general (Luong), or monotonic
    (exact hard monotonic attention)."""
    copy: bool = False
    """Copy source tokens into the target (pointer-generator); a recurrent model needs attention."""
    layers: Depth = 1
    """Layers of the encoder, and of the decoder."""
    hidden: Width = 128
    """Hidden size (of the Transformer: model size)."""
    embedding: Width = 64
    """Embedding size. The Transformer uses the hidden size instead, and recurrent language models
    one-hot vectors."""
    bidirectional: bool = True
    """Use a bidirectional encoder (recurrent models)."""
    bridge: bool = True
    """Compute the initial decoder state from the final encoder state by a learned layer."""
    feed_context: bool = False
    """Feed the encoder's last state to every step of a recurrent decoder without attention, not
    only to its first."""
    dropout: Fraction = 0.1
    """Dropout probability: on embeddings, between layers and before the output layer."""
    embedding_dropout: Annotated[str, one_of(("type", "position"))] = "type"
    """Dropout of a recurrent model's embeddings: type draws one mask per distinct token of a batch
    (as in variational dropout), position draws one per position."""
    tied_embeddings: bool = False
    """Use the target embeddings as the weights of the output layer, after a projection if sizes
    differ."""
    layer_norm: bool = False
    """Normalize both matrix products of recurrent cells (layer normalization); slower."""
    activation: Annotated[str, one_of(("tanh", "relu"))] = "tanh"
    """Nonlinearity of the rnn cell."""
    init: Annotated[str, one_of(registry.INITIALIZATIONS)] = "default"
    """Initialization of weights; default is PyTorch's."""
    heads: Depth = 4
    """Attention heads of the Transformer."""
    feedforward: Width = 256
    """Size of the Transformer's feed-forward layers."""
    norm: Annotated[str, one_of(("pre", "post"))] = "pre"
    """Position of the Transformer's layer norms: before or after each sublayer."""
    continue_positions: bool = False
    """Number the Transformer's target positions from the end of the source."""
    positions: Annotated[str, one_of(registry.POSITIONS)] = "sinusoidal"
    """Positional encoding of the Transformer."""
    mark_ends: bool = False
    """Add learned vectors to the first and the last source token of a Transformer, which does not
    know where its source ends."""
    convolution: Annotated[int, Range(at_least=0, at_most=31)] = 0
    """Width of a convolution at the start of the Transformer's encoder layers: an odd number of
    adjacent source positions; 0 for none."""


@dataclass(frozen=True)
class TrainConfig:
    """Training."""

    recipe: Annotated[str, one_of(RECIPES)] = "auto"
    """Recipe for the settings that you leave open: auto takes minutes, quick about one minute,
    best up to an hour; none keeps fixed defaults."""
    budget: Time = 0.0
    """Time limit of the whole run, from the command to the saved model, such as 90s, 10m or 1h; the
    learning-rate schedule ends with it. 0 means none."""
    epochs: Count = 20
    """Passes over the training rows (or groups of train.epoch_steps steps); 0 trains until the
    budget ends."""
    steps: Count = 0
    """Total optimizer steps, instead of epochs; 0 uses epochs."""
    epoch_steps: Count = 0
    """Optimizer steps per epoch, after which the model is validated and saved; 0 means one pass
    over the training rows."""
    batch_size: Positive = 64
    """Rows per optimizer step."""
    init_from: str = ""
    """Run or checkpoint to start from: its weights are reused where they fit, and its architecture
    and tokenization are the defaults."""
    freeze: Annotated[str, SomeOf((("encoder", "embeddings"),))] = ""
    """Parts whose weights stay fixed, separated by commas."""
    optimizer: Annotated[str, one_of(registry.OPTIMIZERS)] = "adamw"
    """Optimization algorithm."""
    lr: Annotated[float, Range(above=0, at_most=10**9)] = 2e-3
    """Learning rate; with a schedule, its peak."""
    momentum: Fraction = 0.9
    """Momentum of sgd."""
    weight_decay: NotNegative = 1e-5
    """Weight decay (decoupled for adamw)."""
    grad_clip: NotNegative = 1.0
    """Maximum norm of the gradient; 0 disables clipping."""
    grad_clip_value: NotNegative = 0.0
    """Maximum absolute value of gradient entries, clipped before the norm; 0 disables it."""
    schedule: Annotated[str, one_of(registry.SCHEDULES)] = "cosine"
    """Learning-rate schedule after the warm-up."""
    warmup: Count = 100
    """Warm-up steps, in which the learning rate rises from 0."""
    plateau_factor: Annotated[float, Range(above=0, below=1)] = 0.5
    """Factor of the plateau schedule for the learning rate."""
    plateau_patience: Count = 2
    """Epochs without improvement before the plateau schedule reduces the rate."""
    label_smoothing: Fraction = 0.0
    """Probability mass spread evenly over the vocabulary."""
    teacher_forcing: Probability = 1.0
    """Probability of feeding the decoder the true token, at the start of training."""
    teacher_forcing_end: Probability = 0.0
    """Probability at the end of training, if there is a schedule."""
    teacher_forcing_schedule: Annotated[str, one_of(registry.TEACHER_SCHEDULES)] = "constant"
    """Schedule of this probability over the epochs."""
    metric: Annotated[str, one_of(registry.METRICS)] = "loss"
    """Validation metric that selects the best checkpoint."""
    patience: Count = 0
    """Stop after this many epochs without improvement; 0 never stops early."""
    target_accuracy: Annotated[float, Range(at_least=0, at_most=2)] = 1.0
    """Stop when validation sequence accuracy reaches this; 2 never stops."""
    seed: Seed = 0
    """Random seed of initial weights, batch order, dropout and teacher forcing."""
    members: Annotated[int, Range(at_least=1, at_most=100)] = 1
    """Models to train as an ensemble, with consecutive seeds; 1 trains a single model."""
    distill: str = ""
    """Run of a teacher, often an ensemble: its predictions for the training sources are added to
    the training rows (sequence-level knowledge distillation)."""
    unlabelled: str = ""
    """File of sources without targets, one per line, for which the teacher of --distill predicts
    targets, too; they become training rows."""
    backend: Annotated[str, one_of(registry.BACKENDS)] = "torch"
    """Compute backend; numpy trains rnn, gru and lstm language models without PyTorch."""
    threads: Annotated[int, Range(at_least=0, at_most=1024)] = 0
    """CPU threads; 0 chooses by a short measurement."""
    device: Annotated[str, one_of(DEVICES)] = "auto"
    """Device; auto uses a GPU if available."""
    kernels: Annotated[str, one_of(("auto", "reference"))] = "auto"
    """CPU kernels: auto uses hand-written ones where they are faster, reference plain autograd."""
    precision: Annotated[str, one_of(("float32", "float64", "bf16"))] = "float32"
    """Precision of training; bf16 is mixed precision."""
    samples: Annotated[int, Range(at_least=0, at_most=1000)] = 5
    """Samples shown after each epoch (language models)."""
    save_every: NotNegative = 30.0
    """Seconds between checkpoints during an epoch, in addition to one after each epoch."""


@dataclass(frozen=True)
class DecodeConfig:
    """Decoding."""

    beam: Annotated[int, Range(at_least=1, at_most=1000)] = 1
    """Default beam width of eval and predict; 1 decodes greedily."""
    length_penalty: Annotated[float, Range(at_least=0, at_most=10)] = 1.0
    """Length-penalty exponent; 0 disables it."""


@dataclass(frozen=True)
class Config:
    """All sections. ``task`` contains the options of the task, which the task validates."""

    data: DataConfig = DataConfig()
    task: Mapping[str, Any] = field(default_factory=dict)
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    decode: DecodeConfig = DecodeConfig()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Dotted key -> origin of its value, for keys that were set."""


def describe(config: ModelConfig, language: bool = False) -> str:
    """Return a one-line description of a model; ``language``: of a language model."""
    layers = "1 layer" if config.layers == 1 else f"{config.layers} layers"
    copying = ", copying" if config.copy else ""
    if config.cell == "transformer":
        kind, each = ("Transformer language model", "") if language else ("Transformer", " each")
        convolution = f", convolution of {config.convolution}"
        return (
            f"{kind}, {layers}{each}, hidden size {config.hidden}, {config.heads} heads, "
            f"{config.positions} positions, {config.norm}-norm"
            f"{convolution if config.convolution and not language else ''}{copying}"
        )
    cell = f"{config.activation} RNN" if config.cell == "rnn" else config.cell.upper()
    if language:
        return f"{cell} language model, {layers}, hidden size {config.hidden}"
    encoder = "bidirectional" if config.bidirectional else "one-way"
    fed = " (context at every step)" if config.feed_context else ""
    attention = (
        f"{config.attention} attention" if config.attention != "none" else f"no attention{fed}"
    )
    size = f"hidden size {config.hidden}"
    return f"{cell} encoder-decoder, {layers}, {size}, {encoder}, {attention}{copying}"
