"""Run one of PyTorch's recurrent layers over padded rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seqcli.models.base import copy_to
from seqcli.models.cells import Cell, CellState
from seqcli.models.embedding import EmbeddedTokens
from seqcli.models.kernels import autocasts, enabled, trains
from seqcli.models.kernels.cell_step import CellStep, GRUStep, RNNStep, step_of


def run_layer(
    layer: nn.RNNBase, inputs: Tensor, lengths: Tensor | None, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Run the layer over each row up to its length, ignoring padding.

    Args:
        layer: ``batch_first``, with D directions and L layers.
        inputs: (B, T, I), padded at the end.
        lengths: (B,) on the CPU, or None if no row is padded.
        state: the first state, each (L * D, B, H), or None for zeros.

    Returns:
        outputs (B, T, D * H), zeros at padding, and the last state, each (L * D, B, H).
    """
    if autocasts(inputs):
        return _outside_autocast(layer, inputs, lengths, state)
    if lengths is not None and int(lengths.min()) < inputs.shape[1]:
        return _run_packed(layer, inputs, lengths, state)
    outputs, last = layer(inputs, None if state is None else _unwrapped(state))  # (B, T, D * H)
    return outputs, last if isinstance(last, tuple) else (last,)


def _run_packed(
    layer: nn.RNNBase, inputs: Tensor, lengths: Tensor, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Run the layer over packed rows; see `run_layer`.

    PyTorch would sort the rows by length too, but wait for the GPU when it copies the order there.
    """
    order = lengths.argsort(descending=True)  # (B,)
    places = torch.stack([order, order.argsort()])  # (2, B)
    there, back = copy_to(places, inputs.device).unbind()  # (B,) each
    packed = pack_padded_sequence(inputs.index_select(0, there), lengths[order], batch_first=True)
    first = None if state is None else tuple(part.index_select(1, there) for part in state)
    packed, last = layer(packed, None if first is None else _unwrapped(first))
    size = inputs.shape[1]
    outputs, _ = pad_packed_sequence(packed, batch_first=True, total_length=size)  # (B, T, D * H)
    after = last if isinstance(last, tuple) else (last,)
    return outputs.index_select(0, back), tuple(part.index_select(1, back) for part in after)


def _outside_autocast(
    layer: nn.RNNBase, inputs: Tensor, lengths: Tensor | None, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Run in the dtype of the weights.

    Autocast would convert cuDNN's layers to float16, and many CPUs have no LSTM in bfloat16.
    """
    dtype = next(layer.parameters()).dtype
    first = None if state is None else tuple(part.to(dtype) for part in state)
    with torch.autocast(inputs.device.type, enabled=False):
        return run_layer(layer, inputs.to(dtype), lengths, first)


FASTER_STEPS = (RNNStep, GRUStep)  # than PyTorch's own layers


def rnn_layer(
    cell: Cell,
    layer: nn.RNNBase,
    tokens: EmbeddedTokens,
    lengths: Tensor | None,
    state: CellState | None,
) -> tuple[Tensor, CellState]:
    """Run one of PyTorch's layers over embedded tokens; see `run_layer`."""
    step, table = step_of(cell), tokens.table
    fresh = state is None and layer.num_layers == 1
    if isinstance(step, FASTER_STEPS) and fresh and trains(table):
        full = lengths is None or int(lengths.min()) == tokens.rows.shape[1]
        outputs, last = both_directions(step, tokens, None if full else lengths, layer.all_weights)
        return outputs, (last,)
    if enabled(table) and not autocasts(table) and _few(tokens):
        return one_hot_layer(cell, layer, tokens, lengths, state)
    return rnn_layer_reference(layer, tokens, lengths, state)


def rnn_layer_reference(
    layer: nn.RNNBase, tokens: EmbeddedTokens, lengths: Tensor | None, state: CellState | None
) -> tuple[Tensor, CellState]:
    """Look up the vector of every token and run the layer."""
    return run_layer(layer, tokens.vectors(), lengths, state)


def _few(tokens: EmbeddedTokens) -> bool:
    """Return whether one-hot inputs need fewer multiplications than vectors."""
    (distinct, width), positions = tokens.table.shape, tokens.rows.numel()
    return distinct * (positions + width) < positions * width


def one_hot_layer(
    cell: Cell,
    layer: nn.RNNBase,
    tokens: EmbeddedTokens,
    lengths: Tensor | None,
    state: CellState | None,
) -> tuple[Tensor, CellState]:
    """Run a layer over one-hot inputs (B, T, U), with the table folded into the input weights."""
    rows, table = tokens
    inputs = table.new_zeros(*rows.shape, len(table))  # (B, T, U)
    inputs.scatter_(2, rows[:, :, None], 1.0)
    runs: Sequence[Sequence[Tensor]] = layer.all_weights
    lowest = 2 if layer.bidirectional else 1
    folded = [[F.linear(run[0], table), *run[1:]] for run in runs[:lowest]]  # (G, U), ...
    flat = [weight for weights in (*folded, *runs[lowest:]) for weight in weights]
    run = getattr(torch, layer.mode.lower())  # nn.RNNBase rejects weights of another width
    options = (True, layer.num_layers, layer.dropout, layer.training, layer.bidirectional)
    if state is None:
        zeros = inputs.new_zeros(len(runs), len(inputs), layer.hidden_size)
        state = (zeros,) * cell.states
    if lengths is None or int(lengths.min()) == inputs.shape[1]:
        outputs, *after = run(inputs, _unwrapped(state), flat, *options, True)
        return outputs, tuple(after)
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    first = _unwrapped(tuple(part[:, packed.sorted_indices] for part in state))
    data, *after = run(packed.data, packed.batch_sizes, first, flat, *options)
    padded = packed._replace(data=data)
    outputs, _ = pad_packed_sequence(padded, batch_first=True, total_length=inputs.shape[1])
    return outputs, tuple(part[:, packed.unsorted_indices] for part in after)


def _unwrapped(state: CellState) -> CellState | Tensor:
    """Return a state in the form that PyTorch's functions expect."""
    return state if len(state) > 1 else state[0]


def both_directions(
    step: CellStep,
    tokens: EmbeddedTokens,
    lengths: Tensor | None,
    runs: Sequence[Sequence[Tensor]],
) -> tuple[Tensor, Tensor]:
    """Run one layer from a zero state over each row up to its length.

    Args:
        step: the step of a cell whose state is one tensor.
        tokens: (B, T) positions of a table of U vectors.
        lengths: (B,), or None if no row is padded.
        runs: weights of each of the D directions, as in `nn.RNNBase.all_weights`.

    Returns:
        outputs (B, T, D * H), zeros at padding, and the last state (D, B, H).
    """
    rows, table = tokens
    reverse = _reverse_index(rows.shape[1], lengths)  # (T, B) or None
    repeated = rows.t()[:, None, :, None].expand(-1, len(runs), -1, 1)  # (T, D, B, 1)
    order = _reverse(repeated, reverse)[..., 0]  # (T, D, B)
    # (D, G, E), (D, G, H), (D, G), (D, G)
    into, recurrent, into_bias, bias = (torch.stack(part) for part in zip(*runs, strict=True))
    products = torch.baddbmm(
        into_bias[:, None], table.expand(len(runs), -1, -1), into.transpose(1, 2)
    )  # (D, U, G)
    offset = torch.arange(len(runs))[:, None] * len(table)  # (D, 1)
    gates = F.embedding(order + offset, products.flatten(0, 1))  # (T, D, B, G)
    return _BothDirections.apply(step, gates, recurrent, bias[:, None], lengths, reverse)  # type: ignore[no-any-return,no-untyped-call]


def _reverse_index(size: int, lengths: Tensor | None) -> Tensor | None:
    """Return the order that reads each row backwards (T, B) and leaves padding in place."""
    if lengths is None:
        return None
    positions = torch.arange(size)[:, None]  # (T, 1)
    return torch.where(positions < lengths, lengths - 1 - positions, positions)


def _reverse(values: Tensor, reverse: Tensor | None) -> Tensor:
    """Reverse the second direction of values (T, D, B, H) in time; doing it twice undoes it."""
    if values.shape[1] == 1:
        return values
    forward, backward = values.unbind(1)  # (T, B, H) each
    if reverse is None:
        return torch.stack([forward, backward.flip(0)], 1)  # (T, D, B, H)
    reversed_rows = backward.gather(0, reverse[:, :, None].expand_as(backward))  # (T, B, H)
    return torch.stack([forward, reversed_rows], 1)  # (T, D, B, H)


class _BothDirections(torch.autograd.Function):
    """See `both_directions`."""

    @staticmethod
    def forward(
        ctx: Any,
        step: CellStep,
        gates: Tensor,
        weight: Tensor,
        bias: Tensor,
        lengths: Tensor | None,
        reverse: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Run gates (T, D, B, G) through a cell with weights (D, G, H) and bias (D, 1, G)."""
        steps, directions, batch, width = gates.shape
        outputs = gates.new_empty(steps, directions, batch, weight.shape[2])  # (T, D, B, H)
        state, caches = torch.zeros_like(outputs[0]), []  # (D, B, H)
        transposed = weight.transpose(1, 2)  # (D, H, G)
        recurrent = bias.expand(directions, batch, width)  # (D, B, G), for a state of zeros
        for t in range(steps):
            if t > 0:
                recurrent = torch.baddbmm(bias, state, transposed)  # (D, B, G)
            (state,), cache = step.forward(gates[t], recurrent, (state,))
            caches.append(cache)
            outputs[t] = state
        ctx.step, ctx.caches, ctx.lengths, ctx.reverse = step, caches, lengths, reverse
        ctx.save_for_backward(weight, outputs)
        visible = _reverse(outputs, reverse) * _inside(steps, lengths, outputs)  # (T, D, B, H)
        last = state if lengths is None else outputs[lengths - 1, :, torch.arange(batch)]
        last = last if lengths is None else last.transpose(0, 1).contiguous()  # (D, B, H)
        return visible.permute(2, 0, 1, 3).flatten(2), last  # (B, T, D * H), (D, B, H)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_visible: Tensor, grad_last: Tensor) -> Any:
        """Return the gradients of the arguments of `forward`."""
        weight, outputs = ctx.saved_tensors
        steps, directions, batch, size = outputs.shape
        grads = grad_visible.view(batch, steps, directions, size)  # (B, T, D, H)
        grads = grads.permute(1, 2, 0, 3)  # (T, D, B, H)
        grad_outputs = _reverse(grads * _inside(steps, ctx.lengths, outputs), ctx.reverse)
        if ctx.lengths is None:
            grad_outputs[-1] += grad_last
        else:
            grad_outputs[ctx.lengths - 1, :, torch.arange(batch)] += grad_last.transpose(0, 1)
        grad_gates = outputs.new_empty(steps, directions, batch, weight.shape[1])  # (T, D, B, G)
        grad_recurrent = torch.empty_like(grad_gates)
        grad = grad_outputs[-1]  # (D, B, H)
        for t in reversed(range(steps)):
            (grad,) = ctx.step.backward((grad,), ctx.caches[t], grad_gates[t], grad_recurrent[t])
            if t > 0:
                grad = torch.baddbmm(grad, grad_recurrent[t], weight)  # (D, B, H)
                grad.add_(grad_outputs[t - 1])
        before = outputs[:-1].transpose(0, 1).flatten(1, 2)  # (D, (T - 1) * B, H)
        flat = grad_recurrent[1:].transpose(0, 1).flatten(1, 2)  # (D, (T - 1) * B, G)
        grad_weight = torch.bmm(flat.transpose(1, 2), before)  # (D, G, H)
        grad_bias = grad_recurrent.sum((0, 2))[:, None]  # (D, 1, G)
        return None, grad_gates, grad_weight, grad_bias, None, None


def _inside(steps: int, lengths: Tensor | None, like: Tensor) -> Tensor | float:
    """Return 1 at tokens and 0 at padding (T, 1, B, 1), or 1 if there is no padding."""
    if lengths is None:
        return 1.0
    tokens = torch.arange(steps)[:, None] < lengths  # (T, B)
    return tokens[:, None, :, None].to(like.dtype)  # (T, 1, B, 1)
