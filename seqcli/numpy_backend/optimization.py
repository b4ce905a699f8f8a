"""Clipping, and the steps downhill: SGD with momentum, and Adam."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from seqcli.numpy_backend.parameters import Floats, Gradients, Parameters


def clip(gradients: Gradients, limit: float) -> None:
    """Cut every entry to [-limit, limit], in place: the classical clipping by value."""
    for gradient in gradients.values():
        np.clip(gradient, -limit, limit, out=gradient)


def clip_by_norm(gradients: Gradients, limit: float) -> float:
    """Shrink all gradients together, in place, so that their joint norm is at most ``limit``.

    Unlike ``clip`` this keeps the direction (Pascanu, Mikolov and Bengio, 2013). The 1e-6 is
    PyTorch's.

    Returns:
        The norm before clipping.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
    scale = limit / (norm + 1e-6)
    if scale < 1.0:
        for gradient in gradients.values():
            gradient *= scale
    return norm


class Optimizer(Protocol):
    """What a training step needs of an optimizer. ``lr`` may change from step to step."""

    lr: float

    def update(self, parameters: Parameters, gradients: Gradients) -> None:
        """Move the parameters, in place."""


def zeros_like(parameters: Parameters) -> dict[str, Floats]:
    """Return zeros in the shape of every parameter."""
    return {name: np.zeros_like(array) for name, array in parameters.items()}


@dataclass
class Sgd:
    """Gradient descent with momentum, as ``torch.optim.SGD``; momentum 0 is the classical step.

    Args:
        lr: learning rate.
        momentum: share of the last step that is kept.
        weight_decay: pull of every weight towards 0, added to its gradient.
        momentum_buffer: the running steps, by parameter (filled by the first update).
    """

    lr: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0
    momentum_buffer: dict[str, Floats] = field(default_factory=dict)

    def update(self, parameters: Parameters, gradients: Gradients) -> None:
        """Take b = momentum b + g, then p = p - lr b, in place."""
        self.momentum_buffer = self.momentum_buffer or zeros_like(parameters)
        for name, p in parameters.items():
            b = self.momentum_buffer[name]
            b *= self.momentum
            b += gradients[name]
            if self.weight_decay:
                b += self.weight_decay * p
            p -= self.lr * b


@dataclass
class Adam:
    """Adam (Kingma and Ba, 2015), or AdamW (Loshchilov and Hutter, 2019), as in ``torch.optim``.

    Args:
        lr: learning rate.
        betas: how much of the running means of g and g^2 each step keeps.
        eps: keeps the quotient finite.
        weight_decay: pull of every weight towards 0.
        decoupled: True shrinks the weights themselves (AdamW), False adds to the gradient (Adam).
        step: updates so far.
        exp_avg: running mean of g, by parameter (filled by the first update).
        exp_avg_sq: running mean of g^2, likewise.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False
    step: int = 0
    exp_avg: dict[str, Floats] = field(default_factory=dict)
    exp_avg_sq: dict[str, Floats] = field(default_factory=dict)

    def update(self, parameters: Parameters, gradients: Gradients) -> None:
        """Move every parameter by its mean gradient over the root of its mean square, in place."""
        self.exp_avg = self.exp_avg or zeros_like(parameters)
        self.exp_avg_sq = self.exp_avg_sq or zeros_like(parameters)
        self.step += 1
        for name, p in parameters.items():
            self._move(p, self._decayed(p, gradients[name]), name)

    def _decayed(self, p: Floats, g: Floats) -> Floats:
        if not self.weight_decay:
            return g
        if not self.decoupled:
            return g + self.weight_decay * p
        p *= 1.0 - self.lr * self.weight_decay
        return g

    def _move(self, p: Floats, g: Floats, name: str) -> None:
        beta1, beta2 = self.betas
        m, v = self.exp_avg[name], self.exp_avg_sq[name]
        m += (1.0 - beta1) * (g - m)
        v *= beta2
        v += (1.0 - beta2) * (g * g)
        # both means start at 0; dividing them by 1 - beta^step takes that start out again, here
        # gathered into one factor, as at the end of the paper's section 2
        unbias = math.sqrt(1.0 - beta2**self.step)
        move = np.sqrt(v)
        move += self.eps * unbias
        np.divide(m, move, out=move)
        move *= self.lr * unbias / (1.0 - beta1**self.step)
        p -= move


def sgd(lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Build ``Sgd``."""
    return Sgd(lr, momentum, weight_decay)


def adam(lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Build ``Adam`` with weight decay in the gradient; ``momentum`` is sgd's and not used."""
    return Adam(lr, weight_decay=weight_decay)


def adamw(lr: float, momentum: float, weight_decay: float) -> Optimizer:
    """Build ``Adam`` with decoupled weight decay; ``momentum`` is sgd's and not used."""
    return Adam(lr, weight_decay=weight_decay, decoupled=True)


OPTIMIZERS: Mapping[str, Callable[[float, float, float], Optimizer]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
}
