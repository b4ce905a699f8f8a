"""The data of runs: `gen_data` writes that of a task, `read_data` reads that of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seqcli import config as configuration
from seqcli.api.arguments import checked, in_one_process, with_flags
from seqcli.api.initializing import with_initial_settings, with_initial_vocabulary
from seqcli.config import Config
from seqcli.config.flags import Flags
from seqcli.config.recipe_choice import chosen_line
from seqcli.data.build import corpus as build_corpus
from seqcli.data.build import facts_of, with_chosen_tokens, with_recipe
from seqcli.data.corpus import Corpus
from seqcli.data.dataset_folder import write_folder
from seqcli.errors import UsageError
from seqcli.events import (
    DataRead,
)
from seqcli.tasks.base import make

if TYPE_CHECKING:
    from typing_extensions import Unpack


@in_one_process
@checked
def gen_data(
    task: str,
    out: str | Path,
    *,
    train: int = 10000,
    val: int = 1000,
    test: int = 1000,
    seed: int = 0,
    force: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Write train.tsv, val.tsv, test.tsv and meta.yaml; return the content of meta.yaml.

    Args:
        task: the name of the task (see `tasks`).
        out: the output folder; it must be new or empty unless ``force``.
        train, val, test: the number of rows in each split.
        seed: the random seed.
        force: replace existing data.
        options: options of the task (for example ``length="5:20", vocab=20``).

    Raises:
        UsageError: the task or an option is unknown, or the folder is not empty.
    """
    sizes = {"train": train, "val": val, "test": test}
    return write_folder(make(task, options), Path(out), sizes, seed, force)


@with_flags()
@checked
def read_data(
    config: str | Path | Mapping[str, Any] | Config | None = None,
    *,
    set: Sequence[str] = (),
    **flags: Unpack[Flags],
) -> DataRead:
    """Read the data files as `train` does; return a summary.

    Args:
        config: a YAML file, or a mapping of sections or dotted keys.
        set: ``key=value`` texts that override ``config``.
        flags: the settings below, which override ``config`` and ``set``.

    Raises:
        UsageError: the configuration is wrong, or names a task, which has no files.
        DataError: the data cannot be used.
    """
    settings, corpus = configured(config, set, flags)
    if corpus.reading is None:
        raise UsageError("the rows of a task are generated, not read", "name data files")
    gain = facts_of(corpus).monotonic
    return replace(corpus.reading, recipe=chosen_line(settings), monotonic_gain=gain)


def configured(
    config: str | Path | Mapping[str, Any] | Config | None,
    sets: Sequence[str],
    flags: Mapping[str, Any],
) -> tuple[Config, Corpus]:
    """Load the configuration and the corpus, and choose what is open by the recipe.

    A `Config` is complete: nothing is chosen.
    """
    settings = configuration.load(config, sets, flags)
    if not isinstance(config, Config):
        settings = with_initial_settings(settings)
    corpus = build_corpus(settings.data, settings.task)
    settings = with_chosen_tokens(settings, corpus)
    corpus = with_initial_vocabulary(corpus, settings)
    return settings if isinstance(config, Config) else with_recipe(settings, corpus), corpus
