"""Train with ``seqcli.train`` and write a line for every step that it tells.

Started by `training_speed.py`: ``python ours_steps.py OUT '{"train.lr": "1e-3", ...}'``.
"""

from __future__ import annotations

import json
import sys

import seqcli
from seqcli.events import Event, Progress, RunStarted


def tell(event: Event) -> None:
    """Write the steps done since the start of training."""
    if isinstance(event, RunStarted):
        print(f"parameters {event.parameters}", flush=True)
    elif isinstance(event, Progress) and event.phase == "train":
        print(f"step {(event.epoch - 1) * event.steps + event.step}", flush=True)


def main() -> None:
    """Train until somebody stops it."""
    out, settings = sys.argv[1], json.loads(sys.argv[2])
    seqcli.train(set=[f"{key}={value}" for key, value in settings.items()], out=out, listen=tell)


if __name__ == "__main__":
    main()
