"""``seqcli sample``."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqcli.cli import options
from seqcli.cli.lines import read_lines
from seqcli.errors import UsageError

if TYPE_CHECKING:
    from seqcli.report.console import Out
    from seqcli.results import Sample, Samples

EXAMPLES = """\
seqcli sample --ckpt names.pt --n 10
seqcli sample --ckpt names.pt --n 1000 --novel --unique
seqcli sample --ckpt names.pt --prefix chloro --temperature 0.8 --seed 1 --logprob
seqcli sample --ckpt names.pt --next --prefix chl
echo "3 1 4 1 5" | seqcli sample --ckpt runs/reverse-gru-attention --n 3"""

WHICH, DRAWN = "Which texts", "How they are drawn"


def _option(name: str, text: str, panel: str, metavar: str = "", **limits: Any) -> Any:
    return typer.Option(name, help=text, metavar=metavar or None, rich_help_panel=panel, **limits)


Number = Annotated[
    int | None,
    _option("--n", "How many; 10, or 1 for each line of input, if not given.", WHICH, "N", min=1),
]
Prefix = Annotated[str, _option("--prefix", "What every text begins with.", WHICH, "TEXT")]
MaxLength = Annotated[
    int | None,
    _option("--max-length", "Most symbols; 10 more than in training.", WHICH, "N", min=1),
]
Unique = Annotated[bool, _option("--unique", "None twice.", WHICH)]
Novel = Annotated[
    bool,
    _option(
        "--novel",
        "None that was in the training data, in any split. The checkpoint has 64-bit fingerprints "
        "of it: less than one new name in a billion is taken for an old one.",
        WHICH,
    ),
]
Input = Annotated[
    str | None,
    _option("--input", "Sources, for a model of pairs: a file; - is stdin.", WHICH, "FILE"),
]
Temperature = Annotated[
    float,
    _option("--temperature", "Below 1: more conservative; above 1: more diverse.", DRAWN, "X"),
]
TopK = Annotated[
    int, _option("--top-k", "Draw from the N likeliest symbols; 0 is all.", DRAWN, "N", min=0)
]
TopP = Annotated[
    float, _option("--top-p", "Draw from the likeliest that make up this share.", DRAWN, "X")
]
Greedy = Annotated[bool, _option("--greedy", "The likeliest symbol each time.", DRAWN)]
Beam = Annotated[
    int | None,
    _option("--beam", "The likeliest texts, by a search of this width.", DRAWN, "N", min=1),
]
Seed = Annotated[
    int | None,
    _option("--seed", "Draws the same again; another one each time if not given.", DRAWN, "N"),
]
LogProb = Annotated[
    bool,
    typer.Option(
        "--logprob", help="Append the log-probability of each text (nats, <eos> included)."
    ),
]
Next = Annotated[
    bool, typer.Option("--next", help="Show what may come next after the prefix, as bars.")
]


def sample(
    ckpt: options.Checkpoint,
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
    backend: options.Speaker = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Draw texts from a trained model; stdout has them, one a line, and nothing else."""
    from seqcli import api
    from seqcli.report.console import Out

    out = Out.standard(json=json, quiet=quiet)
    how: dict[str, Any] = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "backend": backend,
    }
    if next_:
        _check_next(n, greedy, beam, unique, novel)
        _show_next(out, prefix, api.next_symbols(ckpt, prefix=prefix, **how))
        return
    found = api.sample(
        ckpt,
        n,
        lines=_lines(ckpt, input_, out),
        greedy=greedy,
        beam=beam,
        prefix=prefix,
        max_length=max_length,
        seed=seed,
        unique=unique,
        novel=novel,
        logprob=logprob,
        **how,
    )
    _tell(out, found)


def _lines(ckpt: Path, source: str | None, out: Out) -> Any:
    """Return the sources: those asked for, or stdin for a model that needs some."""
    from seqcli.api.language import takes_sources

    if takes_sources(ckpt):
        return read_lines([], source, out)
    return None if source is None else ()  # not opened: the verb refuses it


def _check_next(n: int | None, greedy: bool, beam: int | None, *filters: bool) -> None:
    if n is not None or greedy or beam or any(filters):
        hint = "with --next give only --prefix, --temperature, --top-k and --top-p"
        raise UsageError("--next shows a distribution and draws nothing", hint)


def _tell(out: Out, found: Samples) -> None:
    """Write the texts, and on stderr what else there is to say."""
    from seqcli.formatting import plural
    from seqcli.report.json_documents import samples_document

    if out.json:
        out.document(samples_document(found))
    for _, texts in groupby(enumerate(found.samples, 1), lambda one: one[1].line or -one[0]):
        out.write("\t".join(cell for _, text in texts for cell in _cells(text)))
    cut = sum(not text.ended for text in found.samples)
    if cut:
        out.info(f"note: {plural(cut, 'text')} truncated at the maximum length (--max-length)")
    for note in found.notes:
        out.info(f"note: {note}")
    if found.seed is not None:
        out.info(f"drawn with --seed {found.seed}")


def _cells(text: Sample) -> tuple[str, ...]:
    if text.log_probability is None:
        return (text.text,)
    return (text.text, f"{text.log_probability:.4f}")


def _show_next(out: Out, prefix: str, found: Any) -> None:
    from seqcli.report.json_documents import next_document
    from seqcli.report.predictions import bars

    if out.json:
        out.document(next_document(prefix, found))
    for line in bars(found, plain_ascii=not out.stdout.encoding.startswith("utf")):
        out.write(line)
