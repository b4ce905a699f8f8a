"""Gradient clipping, and the optimizers: SGD with momentum, Adam and AdamW.

Their state is saved in the layout of ``torch.optim``, so that either backend can resume a run::

    {"state": {0: {"step": (), "exp_avg": ..., "exp_avg_sq": ...}, 1: ...}, "param_groups": [...]}

where 0, 1, ... are the parameters in the order of the model, which is that of ``TORCH_NAMES``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from seqcli.numpy_backend.parameters import TORCH_NAMES, Floats, Gradients, Parameters
from seqcli.training.trainer import optimizer_state


def clip(gradients: Gradients, limit: float) -> None:
    """Clip every entry to [-limit, limit], in place (clipping by value)."""
    for gradient in gradients.values():
        np.clip(gradient, -limit, limit, out=gradient)


def clip_by_norm(gradients: Gradients, limit: float) -> float:
    """Scale all gradients by one factor, in place, so that their joint norm is at most ``limit``.

    Unlike `clip` this keeps the direction (Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063). The
    1e-6 is PyTorch's.

    Returns:
        the norm before clipping.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
    scale = limit / (norm + 1e-6)
    if scale < 1.0:
        for gradient in gradients.values():
            gradient *= scale
    return norm


class Optimizer:
    """An optimizer's interface, and its state.

    Attributes:
        names: the names in ``torch.optim`` of the arrays stored for each parameter.
        counts_steps: whether ``torch.optim`` also saves the number of steps.
        buffers: these arrays, by name and parameter; filled by the first update.
        steps: the number of updates so far.

    Args:
        lr: the learning rate; it may change from step to step.
        momentum: the fraction of the last step that is kept.
        weight_decay: the coefficient of weight decay.
    """

    names: tuple[str, ...] = ()
    counts_steps: ClassVar[bool] = False

    def __init__(self, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.steps = 0
        self.buffers: dict[str, dict[str, Floats]] = {}

    def update(self, parameters: Parameters, gradients: Gradients) -> None:
        """Update every parameter, in place."""
        if not self.buffers:
            self.buffers = {
                name: {key: np.zeros_like(array) for key, array in parameters.items()}
                for name in self.names
            }
        self.steps += 1
        for key, p in parameters.items():
            buffers = [self.buffers[name][key] for name in self.names]
            self.update_one(p, gradients[key], *buffers)

    def update_one(self, p: Floats, g: Floats, *buffers: Floats) -> None:
        """Update one parameter and its buffers in place, given its gradient."""
        raise TypeError(f"{type(self).__name__} has no update_one")

    def state_dict(self) -> dict[str, Any]:
        """Return the state as ``torch.optim.Optimizer.state_dict`` does."""
        group = {"params": list(range(len(TORCH_NAMES))), "lr": self.lr}
        states: dict[int, dict[str, Floats]] = {}
        for i, key in enumerate(TORCH_NAMES if self.buffers else ()):
            step = {"step": np.array(self.steps, np.float32)} if self.counts_steps else {}
            states[i] = {**step, **{name: self.buffers[name][key] for name in self.names}}
        return {"state": states, "param_groups": [group]}

    def load_state_dict(self, training: Mapping[str, Any], parameters: Parameters) -> None:
        """Restore a state saved by either backend.

        Args:
            training: the training state of a checkpoint.
            parameters: the weights that the state belongs to.

        Raises:
            SchemaError: the state does not match the parameters.
        """
        shapes = [parameters[key].shape for key in TORCH_NAMES]
        is_number: dict[str, bool | None] = {"step": True} if self.counts_steps else {}
        states = optimizer_state(
            training, shapes, {**is_number, **dict.fromkeys(self.names, False)}
        )
        if not states:
            return
        self.steps = int(states[0].get("step", 0))
        self.buffers = {
            name: {
                key: np.array(states[i][name], parameters[key].dtype)
                for i, key in enumerate(TORCH_NAMES)
            }
            for name in self.names
        }


class SGD(Optimizer):
    """Gradient descent with momentum, as ``torch.optim.SGD``; momentum 0 is the classical step."""

    def __init__(self, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(lr, momentum, weight_decay)
        self.names = ("momentum_buffer",) if momentum else ()

    def update_one(self, p: Floats, g: Floats, *buffers: Floats) -> None:
        """Compute b = momentum b + g and p = p - lr b."""
        if self.weight_decay:
            g = g + self.weight_decay * p
        for b in buffers:
            b *= self.momentum
            b += g
            g = b
        p -= self.lr * g


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), as ``torch.optim.Adam``.

    Attributes:
        betas: the fractions of the running means of g and g^2 that each step keeps.
        eps: avoids division by zero.
    """

    names = ("exp_avg", "exp_avg_sq")
    counts_steps = True
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)
    eps: ClassVar[float] = 1e-8

    def update_one(self, p: Floats, g: Floats, *buffers: Floats) -> None:
        """Subtract lr times the mean gradient divided by the root of the mean square."""
        (beta1, beta2), (m, v) = self.betas, buffers
        g = self.decayed(p, g)
        m += (1.0 - beta1) * (g - m)
        v *= beta2
        v += (1.0 - beta2) * (g * g)
        # Both means start at 0. Dividing them by 1 - beta^step removes this bias; here it is one
        # factor, as at the end of the paper's section 2.
        correction = math.sqrt(1.0 - beta2**self.steps)
        move = np.sqrt(v)
        move += self.eps * correction
        np.divide(m, move, out=move)
        move *= self.lr * correction / (1.0 - beta1**self.steps)
        p -= move

    def decayed(self, p: Floats, g: Floats) -> Floats:
        """Return the gradient with weight decay."""
        return g + self.weight_decay * p if self.weight_decay else g


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    def decayed(self, p: Floats, g: Floats) -> Floats:
        """Decay the weights in place, and return the gradient unchanged."""
        p *= 1.0 - self.lr * self.weight_decay
        return g
