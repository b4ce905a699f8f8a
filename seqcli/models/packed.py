"""Run a recurrent layer of PyTorch over padded rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.models.cells import CellState


def run_layer(
    layer: nn.RNNBase, inputs: Tensor, lengths: Tensor | None, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Read each row to its own length; padding changes nothing.

    Args:
        layer: ``batch_first``, with D directions and L layers.
        inputs: (B, T, I), padded at the end.
        lengths: (B,) on the CPU, or None if no row is padded.
        state: the first state, each (L * D, B, H), or None for zeros.

    Returns:
        outputs (B, T, D * H), zeros at padding, and the last state, each (L * D, B, H).
    """
    if inputs.device.type == "cuda" and torch.is_autocast_enabled("cuda"):
        return _outside_autocast(layer, inputs, lengths, state)
    first = None if state is None else state if isinstance(layer, nn.LSTM) else state[0]
    if lengths is None or int(lengths.min()) == inputs.shape[1]:
        outputs, last = layer(inputs, first)  # (B, T, D * H)
    else:
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        packed, last = layer(packed, first)
        size = inputs.shape[1]
        outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=size)
    return outputs, last if isinstance(last, tuple) else (last,)


def _outside_autocast(
    layer: nn.RNNBase, inputs: Tensor, lengths: Tensor | None, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Run in the type of the weights: autocast would turn cuDNN's layers to float16."""
    own = next(layer.parameters()).dtype
    first = None if state is None else tuple(part.to(own) for part in state)
    with torch.autocast("cuda", enabled=False):
        return run_layer(layer, inputs.to(own), lengths, first)
