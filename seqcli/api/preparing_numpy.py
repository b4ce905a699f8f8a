"""What stands between a configuration and the loop, with NumPy alone."""

from __future__ import annotations

from dataclasses import replace

from threadpoolctl import threadpool_limits

from seqcli import runs
from seqcli.api.reading import limits_of
from seqcli.api.recording import CheckpointWriter, Machine, connect, run_started
from seqcli.arrays.memory import keep_freed_memory
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.config.sections import describe
from seqcli.data.corpus import Corpus
from seqcli.events import RunStarted
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.parameters import to_torch_names
from seqcli.numpy_backend.trainer import NumpyTrainer, fresh_parameters, stored_parameters
from seqcli.training.loop import Loop
from seqcli.training.stopping import StopRequest


def prepare(
    folder: runs.RunFolder,
    config: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    stop: StopRequest,
) -> tuple[Loop, Config, RunStarted]:
    """Make the weights, put back what a checkpoint holds, choose the number of threads.

    Returns:
        the loop, the configuration with the number of threads filled in, and the first event.
    """
    threads = config.train.threads or 1
    threadpool_limits(threads, user_api="blas")
    keep_freed_memory()
    config = replace(
        config,
        train=replace(config.train, threads=threads),
        origins={"train.threads": "one is quickest", **config.origins},
    )
    if checkpoint is None:
        parameters = fresh_parameters(config, len(corpus.codec.target))
    else:
        parameters = stored_parameters(checkpoint, config, folder.paths.last)
    limits = limits_of(corpus.about, corpus.codec, folder.paths.config)
    cell = CELLS[config.model.cell]
    trainer = NumpyTrainer(parameters, cell, corpus, config.train, limits)
    writer = CheckpointWriter(
        folder, config, corpus, lambda: to_torch_names(parameters), numpy_file.save
    )
    loop = Loop(trainer, corpus, config, writer, stop)
    notes = connect(loop, writer, checkpoint)
    count = sum(array.size for array in parameters.values())
    model = f"{describe(config.model, language=True)}, by hand in NumPy"
    machine = Machine(model, count, "cpu", threads)
    return loop, config, run_started(folder.paths, corpus, loop, machine, notes)
