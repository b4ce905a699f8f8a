"""A program of a user, checked by mypy --strict: the public functions have types."""

import numpy as np
from numpy.typing import NDArray

import seqcli
from seqcli.events import EpochEnded, Event
from seqcli.metrics.definitions import Ratio
from seqcli.metrics.metric import PERCENT, Metric
from seqcli.metrics.predictions import Outcome


def show(event: Event) -> None:
    if isinstance(event, EpochEnded):
        print(event.epoch, event.metrics["val_loss"])


def lengths_right(outcome: Outcome) -> Ratio:
    right = outcome.truths.lengths == outcome.predictions.lengths
    return Ratio(right.astype(float), np.ones(len(right)), "share")


seqcli.register_metric(
    Metric("length", "length", True, PERCENT, "Share of right lengths.", parts=lengths_right)
)
run = seqcli.train(task="reverse", cell="gru", attention=True, epochs=1, listen=show, track="wandb")
losses: list[float | None] = run.history["val_loss"]
seqcli.train(task="reverse", epoch=1)  # type: ignore[call-arg]
seqcli.train(task="reverse", epochs="many")  # type: ignore[arg-type]
model = seqcli.load(run)
texts: list[str] = [one.candidates[0].text for one in model.predict(["3 1 4"], beam=3)]
weights: NDArray[np.float32] = model.attention("3 1 4").weights
parameters: int = sum(one.numel() for one in model.module.parameters())
accuracy: float = model.evaluate(split="val").metrics["sequence_accuracy"]
names: tuple[str, ...] = seqcli.load("names.pt").sample(5).texts
arms: list[str] = [arm.arm for arm in seqcli.compare(task="copy", cells=["gru", "lstm"]).arms]
