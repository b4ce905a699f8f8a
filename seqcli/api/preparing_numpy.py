"""What stands between a configuration and the loop, with NumPy alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seqcli import runs
from seqcli.api.reading import limits_of
from seqcli.api.recording import CheckpointWriter, Machine, run_started
from seqcli.checkpoints import numpy_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config, ModelConfig
from seqcli.data.corpus import Corpus
from seqcli.events import RunStarted
from seqcli.numpy_backend.cells import CELLS
from seqcli.numpy_backend.learner import Lesson, NumpyLearner
from seqcli.numpy_backend.parameters import Parameters, initialize_parameters, to_torch_names
from seqcli.numpy_backend.scope import check_training
from seqcli.numpy_backend.stored import put_weights
from seqcli.numpy_backend.threads import set_threads
from seqcli.training.loop import Loop
from seqcli.training.stopping import StopRequest


def prepare(
    paths: runs.RunPaths,
    config: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    stop: StopRequest,
) -> tuple[Loop, Config, RunStarted]:
    """Make the weights, put back what a checkpoint holds, choose the number of threads.

    Returns:
        the loop, the configuration with the number of threads filled in, and the first event.

    Raises:
        UsageError: the configuration asks for what this backend does not have.
    """
    check_training(config, corpus.codec)
    threads = config.train.threads or 1
    set_threads(threads)
    config = replace(
        config,
        train=replace(config.train, threads=threads),
        origins={"train.threads": "one is quickest", **config.origins},
    )
    parameters = make_parameters(config, len(corpus.codec.target))
    limits = limits_of(corpus.about, paths.config)
    lesson = Lesson(parameters, CELLS[config.model.cell], corpus, config.train, limits)
    loop = Loop(NumpyLearner(lesson), corpus, config, None, stop)
    loop.save = CheckpointWriter(
        paths, config, corpus, lambda: to_torch_names(parameters), numpy_file.save
    )
    if checkpoint is not None:
        put_weights(parameters, checkpoint.weights, paths.last)
        if checkpoint.training is not None:
            loop.resume(checkpoint.training)
    count = sum(array.size for array in parameters.values())
    machine = Machine(describe(config.model), count, "cpu", threads)
    return loop, config, run_started(paths, corpus, loop, machine)


def make_parameters(config: Config, symbols: int) -> Parameters:
    """Return fresh weights for a vocabulary of so many ids."""
    dtype = np.float64 if config.train.precision == "float64" else np.float32
    rng = np.random.default_rng(config.train.seed)
    gates = CELLS[config.model.cell].gates
    return initialize_parameters(rng, symbols, config.model.hidden, gates, dtype)


def describe(config: ModelConfig) -> str:
    """Return one line that says what the model is."""
    cell = "tanh RNN" if config.cell == "rnn" else config.cell.upper()
    return f"{cell} language model by hand in NumPy, 1 layer, {config.hidden} wide"
