"""``seqcli examples`` and ``seqcli schema``: files that come along, and the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqcli.cli import completing, options
from seqcli.config import examples as packaged
from seqcli.errors import UsageError
from seqcli.report.console import Out

EXAMPLES = """\
seqcli examples
seqcli examples pairs.tsv
seqcli examples names --out my_names.yaml"""

SCHEMA_EXAMPLES = "seqcli schema"

Name = Annotated[
    str | None,
    typer.Argument(
        help="Example to copy.",
        metavar="NAME",
        autocompletion=completing.names(
            lambda: tuple(one.name for one in packaged.examples()),
        ),
    ),
]
Place = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="File to write, or a folder; existing files are never replaced.",
        metavar="PATH",
        parser=options.path_to_write,
        show_default="the name of the example's file",
        rich_help_panel=options.OUTPUT,
    ),
]


def examples(name: Name = None, out_path: Place = None, json: options.Json = False) -> None:
    """List the data files, presets and suites that come with seqcli, or copy one.

    Presets and suites work by name, without a copy: --config names, --suite smoke.
    """
    from seqcli import api
    from seqcli.report.json_documents import copied_document, examples_document
    from seqcli.report.tables import examples_table

    out = Out.standard(json=json)
    if name is None:
        if out_path is not None:
            raise UsageError("--out needs the name of an example", "see seqcli examples")
        if json:
            out.document(examples_document(api.examples()))
        out.show(examples_table(api.examples()))
        out.info("copy one: seqcli examples NAME")
        return
    path = api.copy_example(name, out_path)
    example = packaged.find(name)
    if json:
        out.document(copied_document(example, path))
    out.write(str(path))
    out.info(f"next: {example.usage_of_copy(path)}")


def schema() -> None:
    """Print the JSON Schema of the configuration: every key with its type, limits and default.

    Editors complete and check YAML files with it: save it as seqcli.schema.json, and put
    `# yaml-language-server: $schema=seqcli.schema.json` into the first line of a file.
    """
    from seqcli import api

    Out.standard(json=True).document(api.json_schema(), indent=2)
