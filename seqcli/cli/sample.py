"""``seqcli sample``."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import options
from seqcli.cli.lines import read_lines
from seqcli.errors import UsageError
from seqcli.report.console import Out

if TYPE_CHECKING:
    from seqcli.api.trained_model import TrainedModel
    from seqcli.results import Sample, Samples

EXAMPLES = """\
seqcli sample names.pt --n 10
seqcli sample names.pt --n 1000 --novel --unique
seqcli sample names.pt --prefix chloro --temperature 0.8 --seed 1 --logprob
seqcli sample names.pt --next --prefix chl
echo "3 1 4 1 5" | seqcli sample runs/reverse-gru-attention --n 3"""

TEXTS, SAMPLING = "Texts", "Sampling"


def _option(name: str, text: str, panel: str, metavar: str = "", **limits: Any) -> Any:
    return typer.Option(name, help=text, metavar=metavar or None, rich_help_panel=panel, **limits)


Number = Annotated[
    int | None,
    _option(
        "--n",
        "Number of texts." + options.DEFAULT.format("10, or 1 per line of input"),
        TEXTS,
        "N",
        min=1,
    ),
]
Prefix = Annotated[str, _option("--prefix", "Start every text with this.", TEXTS, "TEXT")]
MaxLength = Annotated[
    int | None,
    _option(
        "--max-length",
        "Maximum length." + options.DEFAULT.format("longest training text + 10"),
        TEXTS,
        "N",
        min=1,
    ),
]
Unique = Annotated[bool, _option("--unique", "No duplicates.", TEXTS)]
Novel = Annotated[
    bool,
    _option(
        "--novel",
        "Only texts that are not in the training data, in any split. Texts are compared by 64-bit "
        "hashes: fewer than one new text in a billion is discarded by mistake.",
        TEXTS,
    ),
]
Input = Annotated[
    str | None,
    _option("--input", "For a model of pairs: file of sources; - is stdin.", TEXTS, "FILE"),
]
Temperature = Annotated[
    float,
    _option("--temperature", "Below 1: more conservative; above 1: more diverse.", SAMPLING, "X"),
]
TopK = Annotated[
    int,
    _option("--top-k", "Sample from the N most likely tokens; 0 means all.", SAMPLING, "N", min=0),
]
TopP = Annotated[
    float,
    _option(
        "--top-p", "Sample from the most likely tokens with this total probability.", SAMPLING, "X"
    ),
]
Greedy = Annotated[bool, _option("--greedy", "Take the most likely token at each step.", SAMPLING)]
Beam = Annotated[
    int | None,
    _option(
        "--beam",
        "Return the most likely texts, found by a beam search of this width.",
        SAMPLING,
        "N",
        min=1,
    ),
]
Seed = Annotated[
    int | None,
    _option(
        "--seed", "Random seed." + options.DEFAULT.format("a new one each time"), SAMPLING, "N"
    ),
]
LogProb = Annotated[
    bool,
    options.switch("--logprob", "Append the log-probability of each text (nats, <eos> included)."),
]
Next = Annotated[
    bool, typer.Option("--next", help="Show the distribution of the next token after the prefix.")
]


def sample(
    run: options.Runs = None,
    ckpt: options.Checkpoint = None,
    n: Number = None,
    temperature: Temperature = 1.0,
    top_k: TopK = 0,
    top_p: TopP = 1.0,
    greedy: Greedy = False,
    beam: Beam = None,
    prefix: Prefix = "",
    max_length: MaxLength = None,
    seed: Seed = None,
    unique: Unique = False,
    novel: Novel = False,
    logprob: LogProb = False,
    next_: Next = False,
    input_: Input = None,
    backend: options.InferenceBackend = None,
    device: options.InferenceDevice = None,
    threads: options.InferenceThreads = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Sample texts from a trained model, one per line."""
    from seqcli import api

    out = Out.standard(json=json, quiet=quiet)
    sampling: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    if next_:
        _check_next(n, greedy, beam, unique, novel)
    model = api.open_model(options.models(run, ckpt), backend, device, threads)
    if next_:
        return _show_next(out, prefix, api.next_tokens(model, prefix=prefix, **sampling))
    samples = api.sample(
        model,
        n,
        lines=_lines(model, input_, out),
        greedy=greedy,
        beam=beam,
        prefix=prefix,
        max_length=max_length,
        seed=seed,
        unique=unique,
        novel=novel,
        logprob=logprob,
        **sampling,
    )
    return _write(out, samples)


def _lines(model: TrainedModel, source: str | None, out: Out) -> Any:
    """Return the sources: those of --input, or stdin for a model that needs sources."""
    if model.codec.source is not None:
        return read_lines([], source, out)
    return None if source is None else ()  # `api.sample` rejects it


def _check_next(n: int | None, greedy: bool, beam: int | None, *filters: bool) -> None:
    if n is not None or greedy or beam or any(filters):
        hint = "--next only takes --prefix, --temperature, --top-k and --top-p"
        raise UsageError("--next shows a distribution and samples nothing", hint)


def _write(out: Out, samples: Samples) -> None:
    """Write the texts to stdout and notes about them to stderr."""
    from seqcli.formatting import plural
    from seqcli.report.json_documents import samples_document

    if out.json:
        out.document(samples_document(samples))
    for _, texts in groupby(enumerate(samples.samples, 1), lambda one: one[1].line or -one[0]):
        out.write("\t".join(cell for _, text in texts for cell in _cells(text)))
    cut = sum(not text.ended for text in samples.samples)
    if cut:
        out.info(f"note: {plural(cut, 'text')} truncated at the maximum length (--max-length)")
    for note in samples.notes:
        out.info(f"note: {note}")
    if samples.seed is not None:
        out.info(f"sampled with --seed {samples.seed}")


def _cells(text: Sample) -> tuple[str, ...]:
    if text.log_probability is None:
        return (text.text,)
    return (text.text, f"{text.log_probability:.4f}")


def _show_next(out: Out, prefix: str, distribution: Any) -> None:
    from seqcli.report.json_documents import next_document
    from seqcli.report.predictions import probability_bars

    if out.json:
        out.document(next_document(prefix, distribution))
    for line in probability_bars(
        distribution, plain_ascii=not out.stdout.encoding.startswith("utf")
    ):
        out.write(line)
