"""How weights begin. PyTorch's own initialisation is in place when these are called."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def leave(model: nn.Module) -> None:
    """Keep PyTorch's initialisation."""


def orthogonal(model: nn.Module) -> None:
    """Make every square block of every matrix orthogonal (Saxe et al. 2014, arXiv:1312.6120)."""
    _each_block(model, lambda block: nn.init.orthogonal_(block))


def xavier(model: nn.Module) -> None:
    """Draw every gate's matrix by Glorot and Bengio 2010, uniform."""
    _each_block(model, lambda block: nn.init.xavier_uniform_(block))


def _each_block(model: nn.Module, fill: Callable[[Tensor], object]) -> None:
    """Apply ``fill`` to each gate's block of each weight matrix; embeddings keep theirs."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            continue
        for weight in module.parameters(recurse=False):
            if weight.dim() == 2:
                for block in _gates(weight.data):
                    fill(block)


def _gates(weight: Tensor) -> tuple[Tensor, ...]:
    """Cut (G, I) into one block a gate, where it is that: G a multiple of I up to 4."""
    rows, columns = weight.shape
    gates = rows // columns if rows % columns == 0 and rows // columns in (3, 4) else 1
    return weight.chunk(gates)
