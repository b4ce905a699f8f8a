"""What stands between a configuration and the loop, with PyTorch: model, device, threads."""

from __future__ import annotations

from dataclasses import replace

import torch

from seqcli import runs
from seqcli.api.checkpoint_config import limits_of
from seqcli.api.recording import CheckpointWriter, Machine, connect, run_started
from seqcli.api.torch_model import check_weights, make_model, put_weights
from seqcli.arrays.memory import keep_freed_memory
from seqcli.checkpoints import torch_file
from seqcli.checkpoints.content import Checkpoint
from seqcli.config import Config
from seqcli.config.sections import describe
from seqcli.data.batches import BatchStream
from seqcli.data.corpus import Corpus
from seqcli.events import RunStarted
from seqcli.models import kernels
from seqcli.training.loop import Loop
from seqcli.training.stopping import StopRequest
from seqcli.training.torch_device import choose_device, choose_threads
from seqcli.training.torch_trainer import LanguageLearner, TorchLearner


def prepare(
    folder: runs.RunFolder,
    config: Config,
    corpus: Corpus,
    checkpoint: Checkpoint | None,
    stop: StopRequest,
) -> tuple[Loop, Config, RunStarted]:
    """Build the model, put back what a checkpoint holds, choose device and threads.

    Returns:
        the loop, the configuration with the number of threads filled in, and the first event.
    """
    keep_freed_memory()
    kernels.use(config.train.kernels)
    device = choose_device(config.train.device, config.train.precision)
    limits = limits_of(corpus.about, corpus.codec, folder.paths.config)
    if checkpoint is not None:
        checkpoint = torch_file.with_tensors(checkpoint)
        check_weights(checkpoint, config, limits, folder.paths.last)
    torch.manual_seed(config.train.seed)
    model = make_model(config, corpus.codec, limits)
    if checkpoint is not None:
        put_weights(model, checkpoint, folder.paths.last)
    model.to(device)
    language = corpus.codec.source is None
    kind = LanguageLearner if language else TorchLearner
    learner = kind(model, corpus, config, limits)
    first = next(BatchStream(corpus.splits["train"], config.train.batch_size).epoch(0))
    threads = config.train.threads or choose_threads(learner.work(first))
    torch.set_num_threads(threads)
    config = replace(
        config,
        train=replace(config.train, threads=threads),
        origins={"train.threads": "chosen by a probe", **config.origins},
    )
    writer = CheckpointWriter(folder, config, corpus, model.state_dict, torch_file.save)
    loop = Loop(learner, corpus, config, writer, stop)
    notes = connect(loop, writer, checkpoint)
    parameters = learner.weights.count
    machine = Machine(
        describe(config.model, language), parameters, str(device), torch.get_num_threads()
    )
    return loop, config, run_started(folder.paths, corpus, loop, machine, notes)
