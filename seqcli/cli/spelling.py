"""Accept other spellings of commands and options, and suggest options by their usual names."""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqcli import registry
from seqcli.config.flags import alternative_hint

_BARE = {"--attention": "additive", "--lower": "both"}  # their value if it is omitted


# Names of options in other programs -> our options; the first that a command has is suggested.
ALSO_CALLED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("learning-rate", "learn-rate", "eta"), ("lr",)),
    **dict.fromkeys(("hidden-size", "hidden-dim", "d-model", "units", "width"), ("hidden",)),
    **dict.fromkeys(("embedding-size", "embedding-dim", "embed-dim"), ("embedding",)),
    **dict.fromkeys(("num-layers", "n-layers", "depth"), ("layers",)),
    **dict.fromkeys(("num-heads", "n-heads", "nhead"), ("heads",)),
    **dict.fromkeys(("num-epochs", "n-epochs", "max-epochs"), ("epochs",)),
    **dict.fromkeys(("max-steps", "num-steps", "updates", "iterations"), ("steps",)),
    **dict.fromkeys(("output-dir", "out-dir", "output", "save", "save-dir"), ("out",)),
    **dict.fromkeys(("checkpoint", "model", "run", "load", "model-path"), ("ckpt", "cell")),
    **dict.fromkeys(("cells", "models"), ("cells", "cell")),
    **dict.fromkeys(("workers", "num-workers", "processes", "n-jobs"), ("jobs", "threads")),
    **dict.fromkeys(("num-threads", "n-threads", "cpus"), ("threads", "jobs")),
    **dict.fromkeys(("gpu", "gpus", "cuda", "use-gpu"), ("device",)),
    **dict.fromkeys(("beam-size", "beam-width", "num-beams"), ("beam",)),
    **dict.fromkeys(("n-best", "num-return-sequences"), ("nbest",)),
    **dict.fromkeys(("optim", "optimiser"), ("optimizer",)),
    **dict.fromkeys(("time", "max-time", "time-limit"), ("budget", "seconds")),
    **dict.fromkeys(("dataset", "data-dir", "file", "input-file"), ("data", "input")),
    **dict.fromkeys(("overwrite", "yes"), ("force",)),
    **dict.fromkeys(("num-samples", "count", "number"), ("n",)),
    **dict.fromkeys(("early-stopping",), ("patience",)),
    **dict.fromkeys(("dev", "valid", "validation"), ("val",)),
    **dict.fromkeys(("silent",), ("quiet",)),
    **dict.fromkeys(("log-prob", "log-probs", "probabilities"), ("logprob",)),
    **dict.fromkeys(("sep", "delimiter"), ("separator",)),
    **dict.fromkeys(("topk", "top"), ("top-k", "nbest")),
    **dict.fromkeys(("rows", "size", "n"), ("rows", "train-rows", "train")),
    "format": ("format", "to"),
}
# Names of commands in other programs -> ours.
COMMANDS_ALSO_CALLED: Mapping[str, str] = {
    **dict.fromkeys(("fit", "learn", "start"), "train"),
    **dict.fromkeys(("test", "score", "validate"), "eval"),
    **dict.fromkeys(("infer", "translate", "decode", "transduce"), "predict"),
    **dict.fromkeys(("generate", "draw"), "sample"),
    **dict.fromkeys(("list", "ls", "models"), "runs"),
    **dict.fromkeys(("show", "describe", "inspect"), "info"),
    **dict.fromkeys(("plot", "page"), "report"),
    **dict.fromkeys(("benchmark", "sweep", "search"), "compare"),
    **dict.fromkeys(("data", "make-data", "generate-data"), "gen-data"),
    **dict.fromkeys(("convert", "save"), "export"),
}
_VERBOSE = "messages are shown unless --quiet is given"


def spelled_out(argv: Sequence[str]) -> list[str]:
    """Return a command line in the spelling that the commands parse.

    ``help COMMAND`` becomes ``COMMAND --help``, ``version`` becomes ``--version``,
    ``--batch_size`` becomes ``--batch-size``, and ``--attention`` and ``--lower`` of ``train`` get
    their implied values.
    """
    words = list(argv)
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    if words == ["version"]:
        words = ["--version"]
    end = words.index("--") if "--" in words else len(words)
    return with_implied_values([*map(_with_dashes, words[:end]), *words[end:]])


def _with_dashes(word: str) -> str:
    """Replace underscores in the name of a long option."""
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value if word.startswith("--") else word


def with_implied_values(argv: Sequence[str]) -> list[str]:
    """Insert the value of ``train --attention`` (additive) and ``--lower`` (both) if missing.

    ``train`` takes no positional arguments, so a word after one of these is its value.
    """
    words = list(argv)
    if "train" not in words[:1]:
        return words
    for at, word in enumerate(words):
        if word in _BARE and (at + 1 == len(words) or words[at + 1].startswith("-")):
            words[at] = f"{word}={_BARE[word]}"
    return words


def nearest_option(option: str, context: Any) -> str:
    """Return the hint for an unknown option: a similar one, or how to set the key."""
    names = [name for param in context.command.params for name in param.opts]
    known = [name.removeprefix("--") for name in names if name.startswith("--")]
    word = option.lstrip("-")
    if word in ("verbose", "debug"):
        return _VERBOSE
    ours = [name for name in ALSO_CALLED.get(word, ()) if name in known]
    if ours:
        return f"did you mean --{ours[0]}?"
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if not near and "set" in known:
        usual = (word, *ALSO_CALLED.get(word, ()))
        hints = (alternative_hint(one.replace("-", "_"), known) for one in usual)
        if hint := next(filter(None, hints), ""):
            return hint
    if word == "option" and "set" in known:  # as in gen-data
        return "set options of a task with --set task.KEY=VALUE"
    near = near or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean --{near[0]}?" if near else f"see {context.command_path} --help"


def stray_argument(error: Any, command: str) -> tuple[str, str]:
    """Return message and hint for positional arguments of a command that takes none (more)."""
    match = re.search(r"arguments?(?:\(s\))? \((.+?)\)", error.format_message())
    words = match[1].split() if match else [""]
    if command == "compare" and all(word.lower() in registry.CELLS for word in words):
        message = f"compare takes no positional arguments: {words[0]!r}"
        return message, f"did you mean --cells {','.join(map(str.lower, words))}?"
    takes = "no positional arguments" if command in ("train", "compare") else "fewer arguments"
    message = f"{command} takes {takes}: {words[0]!r}"
    if command not in ("train", "compare"):
        return message, f"see seqcli {command} --help"
    if words[0] in registry.TASKS:
        return message, f"did you mean --task {words[0]}?"
    with contextlib.suppress(OSError, ValueError):  # not a valid file name
        if Path(words[0]).exists():
            return message, f"did you mean --data {words[0]}?"
    return message, "name the data with --data FILE, or a task with --task NAME"
