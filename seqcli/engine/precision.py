"""Number formats: what a model computes in, and what its scores are summed in."""

from __future__ import annotations

import torch
from torch import Tensor

from seqcli.models.base import Model


def in_format(model: Model, precision: str) -> Model:
    """Return the model in the format of `train.precision`; bf16 keeps its weights in float32."""
    return model.double() if precision == "float64" else model


def at_least_float32(scores: Tensor) -> Tensor:
    """Widen half precision, in which a softmax is too coarse; leave the rest as it is."""
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores
