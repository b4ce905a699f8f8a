"""The schema of a checkpoint: every key that is read back, with its type (`seqcli.schema`).

The keys of ``config`` are checked by `seqcli.config`, and those of ``training`` by the parts of the
trainer that take them back: each knows its own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from seqcli.data.text_form import FORMS, SIDES
from seqcli.schema import OPEN, Array, Bounds, Count, Number, Open, Plain

MOST_SYMBOLS = 1_000_000  # in a row of training


class CodecSection(TypedDict):
    """How text becomes ids; see `seqcli.data.corpus.Codec`."""

    source: list[str] | None
    source_tokens: str
    target: list[str]
    target_tokens: str
    normalize: Literal[FORMS]  # type: ignore[valid-type]
    lower: Literal[SIDES]  # type: ignore[valid-type]
    features: bool


class AboutSection(TypedDict, total=False):
    """Where the data came from, and what was measured on it; all of it may be missing."""

    name: str
    origins: dict[str, str]
    baselines: dict[str, dict[str, dict[str, Number]]]
    fingerprints: dict[str, Annotated[Any, Array(("int64",), axes=1)]]
    max_source: Annotated[int, Bounds(0, MOST_SYMBOLS)]
    max_target: Annotated[int, Bounds(0, MOST_SYMBOLS)]
    rows: dict[str, Count]
    sizes: dict[str, Count]
    task: str
    version: int
    options: dict[str, Plain]
    seed: Count
    path: str | dict[str, str]
    sha256: str | list[str] | dict[str, str]


class MetricsSection(TypedDict, total=False):
    """The scores of an epoch: metric -> score, and which epoch it was."""

    epoch: Count


class Sections(TypedDict):
    """A whole checkpoint."""

    format: int
    version: str
    config: dict[str, Plain]
    codec: CodecSection
    weights: dict[str, Annotated[Any, Array()]]
    about: Annotated[AboutSection, OPEN]
    metrics: Annotated[MetricsSection, Open(Number)]
    training: dict[str, Any] | None
